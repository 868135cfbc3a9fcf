// x + x * gate is x * (gate + 1): one pass over the large tensor less, where the gate has one number a channel, as
// squeeze-and-excite blocks with a shortcut do.
#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

/// The gate repeats along an axis of x, so that adding to it costs little.
bool is_smaller(const Value& gate, const Value& x) {
  if (rank_of(&gate) != rank_of(&x)) return false;
  bool smaller = false;
  for (int axis = 0; axis < rank_of(&x); ++axis) {
    const bool repeats = dim_of(&gate, axis) == 1;
    if (!repeats && !same_dim(dim_of(&gate, axis), dim_of(&x, axis))) return false;
    smaller = smaller || (repeats && dim_of(&x, axis) != 1);
  }
  return smaller;
}

bool factor(Rewriter& rewriter, Node& root, const Match& match) {
  Value* x = match["x"];
  Value* gate = match["gate"];
  if (!is_float(x) || !is_smaller(*gate, *x)) {
    rewriter.refuse(root, "the gate cannot be proven to be smaller than what it multiplies");
    return false;
  }
  Value* one = rewriter.graph().add_constant(Tensor::scalar(1.0F));
  Node& product = *match.node("product");
  Value* raised = product.output(0);
  const int version = product.version;
  rewriter.become(product, {"Add", "", root.version, {gate, one}, {}, root.name});
  raised->shape = gate->shape;
  rewriter.become(root, {"Mul", "", version, {x, raised}, {}});
  return true;
}

}  // namespace

void factor_gates(Rewriter& rewriter) {
  static const std::vector<Fusion> kFusions = {
      {op("Add", {any("x"), op("Mul", {any("x"), any("gate")}).as("product")}), factor}};
  apply_fusions(rewriter, kFusions);
}

}  // namespace attune::optimize
