// ReduceMean over the two axes of an image is GlobalAveragePool, which works on blocked layouts.
#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

void visit(Rewriter& rewriter, Node& node) {
  Value* x = node.input(0);
  if (!is_float(x) || rank_of(x) != 4) return;
  const auto axes = axes_of(node, 4);
  if (!axes || *axes != std::vector<int64_t>{2, 3}) return;
  if (!rewriter.can_make(node, "GlobalAveragePool", "", 1)) return;
  if (node.attributes.get_int("keepdims", 1) != 0) {
    return rewriter.become(node, {"GlobalAveragePool", "", 1, {x}});
  }
  Graph& graph = rewriter.graph();
  Value* pooled = graph.add_value({}, DataType::kFloat, Shape{(*x->shape)[0], (*x->shape)[1], 1, 1});
  rewriter.add_node({"GlobalAveragePool", "", 1, {x}, {}, node.name}, {pooled});
  Value* spatial = graph.add_constant(Tensor::from_values<int64_t>(Shape{2}, {2, 3}));
  rewriter.become(node, {"Squeeze", "", 13, {pooled, spatial}});
}

}  // namespace

void recognize_global_pooling(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("ReduceMean")) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
