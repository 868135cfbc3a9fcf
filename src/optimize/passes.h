// The passes. Each is declared here, defined in the file of its name, and listed, in order, in passes.cpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "optimize/optimize.h"
#include "optimize/rewriter.h"

namespace attune::optimize {

struct Pass {
  std::string_view name;
  OptimizationLevel level;
  void (*run)(Rewriter&);
};

/// Passes that are repeated together until none of them finds anything more.
using Stage = std::vector<Pass>;
const std::vector<Stage>& stages();

/// What a pass does, in one line for users.
std::string_view purpose_of(std::string_view pass);

// What computes nothing, and what can be computed now.
void spell_out(Rewriter& rewriter);
void fold_constants(Rewriter& rewriter);
void inline_branches(Rewriter& rewriter);
void remove_no_ops(Rewriter& rewriter);
void merge_common(Rewriter& rewriter);
void simplify_reshapes(Rewriter& rewriter);
void merge_transposes(Rewriter& rewriter);

// What can move into weights and attributes.
void fold_pad(Rewriter& rewriter);
void fold_batch_normalization(Rewriter& rewriter);
void fold_scale_and_bias(Rewriter& rewriter);

// Operators that a model spells out.
void recognize_activations(Rewriter& rewriter);
void recognize_gelu(Rewriter& rewriter);
void recognize_softmax(Rewriter& rewriter);
void recognize_layer_normalization(Rewriter& rewriter);
void recognize_global_pooling(Rewriter& rewriter);
void recognize_depthwise(Rewriter& rewriter);
void recognize_channel_shuffle(Rewriter& rewriter);
void factor_gates(Rewriter& rewriter);

// Large structures.
void push_transposes(Rewriter& rewriter);
void fuse_attention(Rewriter& rewriter);

// Neighbours that run as one.
void fuse_conv(Rewriter& rewriter);
void fuse_matmul(Rewriter& rewriter);
void fuse_skip_layer_normalization(Rewriter& rewriter);

}  // namespace attune::optimize
