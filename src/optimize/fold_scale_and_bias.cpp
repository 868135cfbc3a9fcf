// Mul, Div, Add and Sub of constants, one for each channel or one for all, after a linear layer.
#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/weights.h"

namespace attune::optimize {
namespace {

/// A constant as one number for each of `channels` of a tensor of `rank` dimensions, or nullopt when it varies along
/// another dimension or would add one.
std::optional<std::vector<double>> per_channel(const Value& value, int64_t channels, int rank) {
  const FloatElements elements = constant_floats(&value);
  if (!elements) return std::nullopt;
  const Shape& shape = value.constant.shape();
  const int64_t count = value.constant.elements();
  if (shape.rank() > rank || (count != 1 && count != channels)) return std::nullopt;
  const int channel_axis = shape.rank() - (rank - 1);
  if (count != 1 && (channel_axis < 0 || shape[channel_axis] != channels)) return std::nullopt;
  std::vector<double> result;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c)
    result.push_back(static_cast<double>(elements[count == 1 ? 0 : c]));
  return result;
}

void visit(Rewriter& rewriter, Node& node) {
  const bool commutes = node.op_type == "Add" || node.op_type == "Mul";
  for (int side = 0; side < (commutes ? 2 : 1); ++side) {
    Value* x = node.input(side);
    const Value* operand = node.input(1 - side);
    if (x == nullptr || operand == nullptr || !operand->is_constant() || x->producer() == nullptr) continue;
    Node& layer = *x->producer();
    if (!is_linear_layer(layer)) continue;
    const auto channels = output_channels(layer);
    if (!channels) return rewriter.refuse(node, "the weights of the layer before it are not constant");
    auto numbers = per_channel(*operand, *channels, output_rank(layer));
    if (!numbers) return rewriter.refuse(node, "the constant varies along other axes than the channels");
    ChannelAffine affine;
    if (node.op_type == "Mul" || node.op_type == "Div") {
      affine.factor = std::move(*numbers);
      if (node.op_type == "Div") {
        for (double& factor : affine.factor) factor = 1.0 / factor;
      }
    } else {
      affine.offset = std::move(*numbers);
      if (node.op_type == "Sub") {
        for (double& offset : affine.offset) offset = -offset;
      }
    }
    fold_into_layer(rewriter, node, layer, affine);
    return;
  }
}

}  // namespace

void fold_scale_and_bias(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("Mul") || node.is("Div") || node.is("Add") || node.is("Sub")) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
