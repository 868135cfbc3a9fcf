// Reshape, Squeeze, Unsqueeze and Flatten: targets computed from shapes become constants, chains become one node, and
// what transposes only dimensions of one becomes a Reshape.
#include <algorithm>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

constexpr int kReshapeVersion = 14;

bool is_reshape(const Node& node) {
  return node.domain.empty() && (node.op_type == "Reshape" || node.op_type == "Squeeze" ||
                                 node.op_type == "Unsqueeze" || node.op_type == "Flatten");
}

Value* make_target(Rewriter& rewriter, const std::vector<int64_t>& target) {
  const Shape shape{static_cast<int64_t>(target.size())};
  return rewriter.graph().add_constant(Tensor::from_values<int64_t>(shape, target));
}

/// What is known of the output's dimensions from the shape inference and from the target's elements together.
Shape known_output(const Node& node) {
  Shape shape = *node.output(0)->shape;
  const Value* target = node.input(1);
  if (!node.is("Reshape") || target == nullptr || !target->elements || target->elements->rank() != shape.rank()) {
    return shape;
  }
  for (int axis = 0; axis < shape.rank(); ++axis) {
    // A symbol of the input's shape says more than one that inference invented for the output.
    const int64_t element = (*target->elements)[axis];
    if (!is_known(shape[axis]) && is_symbol(element)) shape[axis] = element;
  }
  return shape;
}

void make_reshape(Rewriter& rewriter, Node& node, Value* from, const std::vector<int64_t>& target) {
  rewriter.become(node, {"Reshape", "", kReshapeVersion, {from, make_target(rewriter, target)}});
}

void visit(Rewriter& rewriter, Node& node) {
  Value* x = node.input(0);
  const Value* y = node.output(0);
  if (x == nullptr || y == nullptr || !y->shape) return;

  // From the far end of a chain, so that what lies between may go.
  Value* source = x;
  while (source->producer() != nullptr && is_reshape(*source->producer())) source = source->producer()->input(0);
  if (source != x && source->shape) {
    if (const auto target = reshape_target(*source->shape, known_output(node))) {
      return make_reshape(rewriter, node, source, *target);
    }
    rewriter.refuse(node, "more than one dimension of the chain's result cannot be told from its source");
  }
  if (!node.is("Reshape") || !x->shape || node.input(1) == nullptr || node.input(1)->is_constant()) return;
  const auto target = reshape_target(*x->shape, known_output(node));
  if (!target) return rewriter.refuse(node, "more than one dimension of the target is not known");
  make_reshape(rewriter, node, x, *target);
}

}  // namespace

void simplify_reshapes(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (is_reshape(node)) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
