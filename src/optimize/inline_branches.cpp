// An If whose condition is known becomes the nodes of the branch that it takes.
#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {

void inline_branches(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (!node.is("If") || node.input(0) == nullptr || !node.input(0)->is_constant()) return;
    const Tensor& condition = node.input(0)->constant;
    if (condition.type() != DataType::kBool || condition.elements() != 1) return;
    rewriter.become_subgraph(node, condition.values<bool>()[0] ? "then_branch" : "else_branch");
  });
}

}  // namespace attune::optimize
