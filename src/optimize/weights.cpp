#include "optimize/weights.h"

#include <algorithm>
#include <cmath>

#include "ops/scaled_weights.h"
#include "optimize/facts.h"

namespace attune::optimize {
namespace {

/// Weights that several layers share are copied for each of them only up to this size.
constexpr size_t kLargestSharedCopy = size_t{1} << 20;

/// Weights seen as [outer][channels][inner], groups repeated: what multiplies one output channel.
struct ChannelView {
  int64_t outer;
  int64_t channels;
  int64_t inner;
};

ChannelView channel_view(const Node& layer, const Shape& w) {
  if (layer.op_type == "Conv") return {1, w[0], w.product(1, w.rank())};
  if (layer.op_type == "ConvTranspose") return {w[0], w[1], w.product(2, w.rank())};
  return layer.attributes.get_int("transB", 0) != 0 ? ChannelView{1, w[0], w[1]} : ChannelView{w[0], w[1], 1};
}

/// ConvTranspose's weights hold the channels of one group; the rows of its input say which.
int64_t channel_offset(const Node& layer, const ChannelView& view, int64_t outer) {
  if (layer.op_type != "ConvTranspose") return 0;
  const int64_t group = std::max<int64_t>(layer.attributes.get_int("group", 1), 1);
  return outer / (view.outer / group) * view.channels;
}

Tensor scale_weights(const Node& layer, const Tensor& weights, const std::vector<double>& factor) {
  const ChannelView view = channel_view(layer, weights.shape());
  Tensor scaled = Tensor::allocate(DataType::kFloat, weights.shape());
  const FloatElements from(weights);
  size_t next = 0;
  float* to = scaled.values<float>().data();
  for (int64_t outer = 0; outer < view.outer; ++outer) {
    const int64_t offset = channel_offset(layer, view, outer);
    for (int64_t channel = 0; channel < view.channels; ++channel) {
      const double by = factor[static_cast<size_t>(offset + channel)];
      for (int64_t i = 0; i < view.inner; ++i) *to++ = static_cast<float>(static_cast<double>(from[next++]) * by);
    }
  }
  return scaled;
}

/// Whether the layer multiplies its weights by itself, when it packs them.
bool may_wait(const Node& layer) {
  const Shape& shape = layer.input(1)->constant.shape();
  return layer.op_type == "Conv" && shape.rank() <= 4 && layer.input(1)->constant.elements() > 0;
}

/// `factor` and those that the layer has already.
Tensor joined_factors(const Node& layer, const std::vector<double>& factor) {
  Tensor factors = Tensor::from_values<double>(Shape{static_cast<int64_t>(factor.size())}, factor);
  if (const Tensor earlier = layer.attributes.get_tensor(ops::kWeightFactors)) {
    for (size_t i = 0; i < factor.size(); ++i) factors.values<double>()[i] *= earlier.values<double>()[i];
  }
  return factors;
}

/// The bias with the affine function applied; nullopt when there is one that is not a constant of one entry a channel.
std::optional<Tensor> apply_to_bias(const Node& layer, int64_t channels, const ChannelAffine& affine) {
  Tensor result = Tensor::allocate(DataType::kFloat, Shape{channels});
  const Value* bias = layer.input(2);
  FloatElements old;
  int64_t count = 0;
  if (bias != nullptr) {
    old = constant_floats(bias);
    count = static_cast<int64_t>(old.size());
    const Shape& shape = bias->constant.shape();
    const bool is_row = shape.rank() <= 1 || (shape.rank() == 2 && shape[0] == 1);
    if ((count != channels && count != 1) || !is_row) return std::nullopt;
  }
  const double beta = layer.op_type == "Gemm" ? static_cast<double>(layer.attributes.get_float("beta", 1.0F)) : 1.0;
  const std::span<float> values = result.values<float>();
  for (size_t c = 0; c < values.size(); ++c) {
    double value = !old ? 0.0 : beta * static_cast<double>(old[count == 1 ? 0 : c]);
    if (!affine.factor.empty()) value *= affine.factor[c];
    if (!affine.offset.empty()) value += affine.offset[c];
    values[c] = static_cast<float>(value);
  }
  return result;
}

bool is_for_training(const Rewriter& rewriter, const Node& node) {
  if (node.attributes.get_int("training_mode", 0) != 0 || node.attributes.get_int("spatial", 1) == 0) return true;
  for (int i = 1; i < node.output_count(); ++i) {
    const Value* output = node.output(i);
    if (output != nullptr && (!output->users().empty() || rewriter.graph().is_output(output))) return true;
  }
  return false;
}

}  // namespace

std::optional<ChannelAffine> affine_of_batch_normalization(Rewriter& rewriter, const Node& node, int64_t channels) {
  const auto refuse = [&](std::string_view why) {
    rewriter.refuse(node, std::string(why));
    return std::nullopt;
  };
  if (is_for_training(rewriter, node)) return refuse("it trains, or has no statistics a channel");
  // Nobody reads the statistics; a node has to lose these outputs before it can become a layer.
  if (node.output_count() > 1) return refuse("it gives its statistics");
  FloatElements parameters[4];
  for (int i = 0; i < 4; ++i) {
    const Value* input = node.input(i + 1);
    parameters[i] = constant_floats(input);
    if (!parameters[i] || input->constant.elements() != channels) return refuse("a parameter is not a constant");
  }
  const auto [scale, bias, mean, variance] = parameters;
  const auto epsilon = static_cast<double>(node.attributes.get_float("epsilon", 1e-5F));
  ChannelAffine affine;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    const double factor = static_cast<double>(scale[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    affine.factor.push_back(factor);
    affine.offset.push_back(static_cast<double>(bias[c]) - factor * static_cast<double>(mean[c]));
  }
  return affine;
}

bool is_linear_layer(const Node& node) { return node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm"); }

std::optional<int64_t> output_channels(const Node& layer) {
  const Value* weights = layer.input(1);
  if (!constant_floats(weights)) return std::nullopt;
  const Shape& shape = weights->constant.shape();
  if (layer.op_type == "Gemm") {
    if (shape.rank() != 2) return std::nullopt;
    return layer.attributes.get_int("transB", 0) != 0 ? shape[0] : shape[1];
  }
  if (shape.rank() < 3) return std::nullopt;
  if (layer.op_type == "Conv") return shape[0];
  const int64_t group = std::max<int64_t>(layer.attributes.get_int("group", 1), 1);
  if (shape[0] % group != 0) return std::nullopt;
  return shape[1] * group;
}

int output_rank(const Node& layer) { return layer.op_type == "Gemm" ? 2 : layer.input(1)->constant.shape().rank(); }

bool fold_into_layer(Rewriter& rewriter, Node& node, Node& layer, const ChannelAffine& affine) {
  const auto refuse = [&](std::string_view why) {
    rewriter.refuse(node, std::string(why));
    return false;
  };
  const auto channels = output_channels(layer);
  if (!channels) return refuse("the weights of the layer before it are not constant");
  if (!rewriter.used_once(layer.output(0))) return refuse("the result of the layer before it has other readers");
  auto bias = apply_to_bias(layer, *channels, affine);
  if (!bias) return refuse("the bias of the layer before it is not constant");
  Value* weights = layer.input(1);
  Attributes attributes = layer.attributes;
  if (!affine.factor.empty() && may_wait(layer)) {
    attributes.set(ops::kWeightFactors, joined_factors(layer, affine.factor));
  } else if (!affine.factor.empty()) {
    if (weights->users().size() > 1 && weights->constant.bytes() > kLargestSharedCopy) {
      return refuse("large weights are shared with another layer");
    }
    weights = rewriter.graph().add_constant(scale_weights(layer, weights->constant, affine.factor));
  }
  Replacement replacement{layer.op_type,         layer.domain, layer.version, {layer.input(0), weights, nullptr},
                          std::move(attributes), layer.name};
  replacement.inputs[2] = rewriter.graph().add_constant(std::move(*bias));
  if (layer.op_type == "Gemm") replacement.attributes.set("beta", 1.0F);
  rewriter.become(node, std::move(replacement));
  return true;
}

}  // namespace attune::optimize
