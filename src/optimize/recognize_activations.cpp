// Activations that models spell out: HardSigmoid, HardSwish, Swish, Mish, and PRelu with one slope.
#include <array>
#include <cmath>

#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

bool clips_from_0_to_6(const Node& node) {
  const auto bounds = clip_bounds(node);
  return bounds && bounds->first == 0.0F && bounds->second == 6.0F;
}

bool is_sixth_of_shifted(const Node& node) {
  return std::abs(node.attributes.get_float("alpha", 0.2F) - 1.0F / 6.0F) < 1e-6F &&
         node.attributes.get_float("beta", 0.5F) == 0.5F;
}

bool replace(Rewriter& rewriter, Node& root, Value* x, std::string_view op_type, int version,
             Attributes attributes = {}) {
  if (!is_float(x) || !rewriter.can_make(root, op_type, "", version)) return false;
  rewriter.become(root, {std::string(op_type), "", version, {x}, std::move(attributes)});
  return true;
}

bool make_hard_swish(Rewriter& rewriter, Node& root, const Match& match) {
  return replace(rewriter, root, match["x"], "HardSwish", 14);
}

bool make_hard_sigmoid(Rewriter& rewriter, Node& root, const Match& match) {
  Attributes attributes;
  attributes.set("alpha", 1.0F / 6.0F);
  attributes.set("beta", 0.5F);
  return replace(rewriter, root, match["x"], "HardSigmoid", 6, std::move(attributes));
}

bool make_swish(Rewriter& rewriter, Node& root, const Match& match) {
  Attributes attributes;
  attributes.set("alpha", match.has("alpha") ? static_cast<float>(match.number("alpha")) : 1.0F);
  return replace(rewriter, root, match["x"], "Swish", 24, std::move(attributes));
}

bool make_mish(Rewriter& rewriter, Node& root, const Match& match) {
  return replace(rewriter, root, match["x"], "Mish", 18);
}

bool make_leaky_relu(Rewriter& rewriter, Node& root, const Match& match) {
  Attributes attributes;
  attributes.set("alpha", static_cast<float>(match.number("slope")));
  return replace(rewriter, root, match["x"], "LeakyRelu", 16, std::move(attributes));
}

std::vector<Fusion> fusions() {
  const Pattern x = any("x");
  const Pattern shifted = op("Add", {x, number(3.0)});
  // relu6(x + 3)
  const Pattern ramp = either({op("Clip", {shifted}).with_more_inputs().when(clips_from_0_to_6),
                               op("Min", {op("Relu", {shifted}), number(6.0)})});
  const Pattern sixth = either({op("Mul", {ramp, number(1.0 / 6.0)}), op("Div", {ramp, number(6.0)})});
  const Pattern hard_sigmoid = op("HardSigmoid", {x}).when(is_sixth_of_shifted);
  return {
      {either({op("Mul", {x, either({sixth, hard_sigmoid})}), op("Div", {op("Mul", {x, ramp}), number(6.0)}),
               op("Mul", {op("Div", {x, number(6.0)}), ramp}), product(x, ramp, number(1.0 / 6.0))}),
       make_hard_swish},
      {sixth, make_hard_sigmoid},
      {op("Mul", {x, op("Sigmoid", {either({x, op("Mul", {x, number("alpha")})})})}), make_swish},
      {op("Div", {x, op("Add", {op("Exp", {op("Neg", {x})}), number(1.0)})}), make_swish},
      {op("Mul", {x, op("Tanh", {op("Softplus", {x})})}), make_mish},
      {op("PRelu", {x, number("slope")}), make_leaky_relu},
  };
}

}  // namespace

void recognize_activations(Rewriter& rewriter) {
  static const std::vector<Fusion> kFusions = fusions();
  apply_fusions(rewriter, kFusions);
}

}  // namespace attune::optimize
