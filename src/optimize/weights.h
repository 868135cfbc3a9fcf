// Constant factors and offsets that move into the weights of the layer before them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"
#include "optimize/rewriter.h"

namespace attune::optimize {

/// y = factor * x + offset, for each output channel; empty where there is none.
struct ChannelAffine {
  std::vector<double> factor;
  std::vector<double> offset;
};

/// What a BatchNormalization outside training does to each of `channels` channels. Refuses, and returns nullopt, when
/// it trains or a parameter is not constant.
std::optional<ChannelAffine> affine_of_batch_normalization(Rewriter& rewriter, const Node& node, int64_t channels);

/// A layer with constant weights whose result is linear in its channels: Conv, ConvTranspose, Gemm.
bool is_linear_layer(const Node& node);
/// Output channels of a linear layer; nullopt when its weights are not a constant float tensor of the right rank.
std::optional<int64_t> output_channels(const Node& layer);
/// Dimensions of the layer's output.
int output_rank(const Node& layer);

/// Turns `node`, which applies `affine` to the result of `layer`, into that layer with changed weights and bias.
/// Refuses, and returns false, when the layer's result has other readers or its parameters are not constant.
bool fold_into_layer(Rewriter& rewriter, Node& node, Node& layer, const ChannelAffine& affine);

}  // namespace attune::optimize
