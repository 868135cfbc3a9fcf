// BatchNormalization, outside training, is a factor and an offset for each channel: they move into the layer before.
#include <cmath>

#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/weights.h"

namespace attune::optimize {
namespace {

/// y = scale * (x - mean) / sqrt(variance + epsilon) + bias; nullopt when a parameter is not constant.
std::optional<ChannelAffine> affine_of(const Node& node, int64_t channels) {
  FloatElements parameters[4];
  for (int i = 0; i < 4; ++i) {
    const Value* input = node.input(i + 1);
    parameters[i] = constant_floats(input);
    if (!parameters[i] || input->constant.elements() != channels) return std::nullopt;
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

bool is_for_training(const Rewriter& rewriter, const Node& node) {
  if (node.attributes.get_int("training_mode", 0) != 0 || node.attributes.get_int("spatial", 1) == 0) return true;
  for (int i = 1; i < node.output_count(); ++i) {
    const Value* output = node.output(i);
    if (output != nullptr && (!output->users().empty() || rewriter.graph().is_output(output))) return true;
  }
  return false;
}

void visit(Rewriter& rewriter, Node& node) {
  Node* layer = node.input(0) == nullptr ? nullptr : node.input(0)->producer();
  if (layer == nullptr || !is_linear_layer(*layer)) return rewriter.refuse(node, "no linear layer stands before it");
  if (is_for_training(rewriter, node)) return rewriter.refuse(node, "it trains, or has no statistics a channel");
  // Nobody reads the statistics; a node has to lose these outputs before it can become a layer.
  if (node.output_count() > 1) return rewriter.refuse(node, "it gives its statistics");
  const auto channels = output_channels(*layer);
  if (!channels) return rewriter.refuse(node, "the weights of the layer before it are not constant");
  const auto affine = affine_of(node, *channels);
  if (!affine) return rewriter.refuse(node, "a parameter is not a constant");
  fold_into_layer(rewriter, node, *layer, *affine);
}

}  // namespace

void fold_batch_normalization(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("BatchNormalization")) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
