// GELU spelled out with Erf, and its tanh approximation.
#include <cmath>

#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

bool make_gelu(Rewriter& rewriter, Node& root, Value* x, std::string approximate) {
  if (!is_float(x) || !rewriter.can_make(root, "Gelu", "", 20)) return false;
  Attributes attributes;
  attributes.set("approximate", std::move(approximate));
  rewriter.become(root, {"Gelu", "", 20, {x}, std::move(attributes)});
  return true;
}

std::vector<Fusion> fusions() {
  const Pattern x = any("x");
  const Pattern half = number(0.5);
  const Pattern erf =
      op("Erf", {either({op("Div", {x, number(std::sqrt(2.0))}), op("Mul", {x, number(std::sqrt(0.5))})})});
  const Pattern exact = either({product(half, x, op("Add", {erf, number(1.0)})),
                                op("Mul", {x, op("Add", {op("Mul", {erf, half}), half})}),
                                op("Div", {op("Mul", {x, op("Add", {erf, number(1.0)})}), number(2.0)})});

  // Exporters write sqrt(2 / pi) with as few as 5 digits.
  const Pattern root_two_over_pi = number(std::sqrt(2.0 / 3.14159265358979), 1e-4);
  const Pattern coefficient = number(0.044715);
  const Pattern square = either({op("Mul", {x, x}), op("Pow", {x, number(2.0)})});
  const Pattern cube = either({op("Pow", {x, number(3.0)}), op("Mul", {x, square})});
  const Pattern sum = op("Add", {x, either({op("Mul", {cube, coefficient}), product(x, square, coefficient)})});
  const Pattern one_plus_square = op("Add", {number(1.0), op("Mul", {square, coefficient})});
  const Pattern inner = either({op("Mul", {sum, root_two_over_pi}), product(x, root_two_over_pi, one_plus_square)});
  const Pattern tanh = op("Tanh", {inner});
  const Pattern approximate = either(
      {product(half, x, op("Add", {tanh, number(1.0)})), op("Mul", {x, op("Add", {op("Mul", {tanh, half}), half})})});
  return {
      {exact, [](Rewriter& rewriter, Node& root,
                 const Match& match) { return make_gelu(rewriter, root, match["x"], "none"); }},
      {approximate, [](Rewriter& rewriter, Node& root,
                       const Match& match) { return make_gelu(rewriter, root, match["x"], "tanh"); }},
  };
}

}  // namespace

void recognize_gelu(Rewriter& rewriter) {
  static const std::vector<Fusion> kFusions = fusions();
  apply_fusions(rewriter, kFusions);
}

}  // namespace attune::optimize
