// Layer normalization over the last axis, spelled out: (x - mean) / sqrt(variance + epsilon) * scale + bias. The two
// differences that some exporters write are one node by now.
#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

bool keeps_dimensions(const Node& node) { return node.attributes.get_int("keepdims", 1) != 0; }

/// Scale or bias as a vector of `size`: as it is, or a copy for constants with leading ones or of one element.
Value* as_vector(Rewriter& rewriter, Value* value, int64_t size) {
  const FloatElements elements = constant_floats(value);
  if (!elements) return nullptr;
  const Shape& shape = value->constant.shape();
  if (shape.rank() == 1 && shape[0] == size) return value;
  if (value->constant.elements() == 1) {
    Tensor filled = Tensor::allocate(DataType::kFloat, Shape{size});
    for (float& element : filled.values<float>()) element = elements[0];
    return rewriter.graph().add_constant(std::move(filled));
  }
  if (value->constant.elements() != size || shape[shape.rank() - 1] != size) return nullptr;
  return rewriter.graph().add_constant(value->constant.reshaped(Shape{size}));
}

bool is_over_last_axis(const Node* node, int rank) {
  const auto axes = axes_of(*node, rank);
  return axes && axes->size() == 1 && axes->front() == rank - 1;
}

bool make_layer_normalization(Rewriter& rewriter, Node& root, const Match& match) {
  Value* x = match["x"];
  const int rank = rank_of(x);
  const auto refuse = [&](std::string_view why) {
    rewriter.refuse(root, std::string(why));
    return false;
  };
  if (!is_float(x) || rank < 1) return refuse("the rank of the input is not known");
  if (!is_over_last_axis(match.node("mean"), rank) || !is_over_last_axis(match.node("variance"), rank)) {
    return refuse("the normalized axis is not the last");
  }
  if (!rewriter.can_make(root, "LayerNormalization", "", 17)) return false;
  const int64_t size = dim_of(x, -1);
  if (size < 1) return refuse("the size of the normalized axis is not known");
  Value* scale = match.has("scale") ? as_vector(rewriter, match["scale"], size)
                                    : as_vector(rewriter, rewriter.graph().add_constant(Tensor::scalar(1.0F)), size);
  Value* bias = match.has("bias") ? as_vector(rewriter, match["bias"], size) : nullptr;
  if (scale == nullptr || (match.has("bias") && bias == nullptr)) {
    return refuse("scale or bias do not belong to the normalized axis");
  }
  // A scale or bias of more dimensions than x would have given them to the result.
  if (rank_of(root.output(0)) > rank) return refuse("scale or bias have more dimensions than the input");
  Attributes attributes;
  attributes.set("axis", int64_t{-1});
  attributes.set("epsilon", match.has("epsilon") ? static_cast<float>(match.number("epsilon")) : 0.0F);
  rewriter.become(root, {"LayerNormalization", "", 17, {x, scale, bias}, std::move(attributes)});
  return true;
}

std::vector<Fusion> fusions() {
  const Pattern x = any("x");
  const Pattern mean = op("ReduceMean", {x}).with_more_inputs().when(keeps_dimensions).as("mean");
  const Pattern centered = op("Sub", {x, mean}).as("centered");
  const Pattern square = either({op("Pow", {centered, number(2.0)}), op("Mul", {centered, centered})});
  const Pattern variance = op("ReduceMean", {square}).with_more_inputs().when(keeps_dimensions).as("variance");
  const Pattern sum = op("Add", {variance, number("epsilon")});
  const Pattern deviation = either({op("Sqrt", {sum}), op("Pow", {sum, number(0.5)})});
  const Pattern inverse =
      either({op("Reciprocal", {deviation}), op("Pow", {sum, number(-0.5)}), op("Div", {number(1.0), deviation})});
  const Pattern normalized = either({op("Div", {centered, deviation}), op("Mul", {centered, inverse})});
  const Pattern scaled = op("Mul", {normalized, constant("scale")});
  const Pattern scale_first = either({op("Mul", {centered, op("Mul", {inverse, constant("scale")})}),
                                      op("Div", {op("Mul", {centered, constant("scale")}), deviation})});
  const auto with_bias = [](const Pattern& pattern) { return op("Add", {pattern, constant("bias")}); };
  return {{either({with_bias(scaled), with_bias(scale_first), with_bias(normalized), scaled, scale_first, normalized}),
           make_layer_normalization}};
}

}  // namespace

void recognize_layer_normalization(Rewriter& rewriter) {
  static const std::vector<Fusion> kFusions = fusions();
  apply_fusions(rewriter, kFusions);
}

}  // namespace attune::optimize
