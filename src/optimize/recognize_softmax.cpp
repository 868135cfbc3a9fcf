// Softmax spelled out: exp(x - max(x)) / sum(exp(x - max(x))).
#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

bool keeps_dimensions(const Node& node) { return node.attributes.get_int("keepdims", 1) != 0; }

bool make_softmax(Rewriter& rewriter, Node& root, const Match& match) {
  Value* x = match["x"];
  const int rank = rank_of(x);
  const auto summed = axes_of(*match.node("sum"), rank);
  const auto largest = axes_of(*match.node("max"), rank);
  if (!is_float(x) || !summed || summed->size() != 1 || summed != largest) {
    rewriter.refuse(root, "the sum and the maximum are not over one known axis");
    return false;
  }
  if (!rewriter.can_make(root, "Softmax", "", 13)) return false;
  Attributes attributes;
  attributes.set("axis", summed->front());
  rewriter.become(root, {"Softmax", "", 13, {x}, std::move(attributes)});
  return true;
}

std::vector<Fusion> fusions() {
  const Pattern x = any("x");
  const Pattern largest = op("ReduceMax", {x}).with_more_inputs().when(keeps_dimensions).as("max");
  const Pattern power = op("Exp", {op("Sub", {x, largest})}).as("power");
  const Pattern sum = op("ReduceSum", {power}).with_more_inputs().when(keeps_dimensions).as("sum");
  return {{op("Div", {power, sum}), make_softmax}};
}

}  // namespace

void recognize_softmax(Rewriter& rewriter) {
  static const std::vector<Fusion> kFusions = fusions();
  apply_fusions(rewriter, kFusions);
}

}  // namespace attune::optimize
