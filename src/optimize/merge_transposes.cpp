// Two Transposes in a row are one or none; one that moves only dimensions of size 1 is a Reshape.
#include <algorithm>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

void merge(Rewriter& rewriter, Node& node) {
  Value* middle = node.input(0);
  const Node* first = middle == nullptr ? nullptr : middle->producer();
  if (first == nullptr || !first->is("Transpose")) return;
  const int rank = rank_of(middle);
  const auto outer = permutation_of(node, rank);
  const auto inner = permutation_of(*first, rank);
  if (outer.empty() || outer.size() != inner.size()) return;
  std::vector<int64_t> perm;
  for (const int64_t axis : outer) perm.push_back(inner[static_cast<size_t>(axis)]);
  Value* x = first->input(0);
  if (std::is_sorted(perm.begin(), perm.end())) return rewriter.replace_value(node.output(0), x);
  Attributes attributes;
  attributes.set("perm", perm);
  rewriter.become(node, {"Transpose", "", node.version, {x}, std::move(attributes)});
}

void make_reshape(Rewriter& rewriter, Node& node) {
  Value* x = node.input(0);
  if (x == nullptr || !x->shape || !node.output(0)->shape) return;
  const auto perm = permutation_of(node, x->shape->rank());
  int64_t last = -1;
  for (const int64_t axis : perm) {
    if ((*x->shape)[static_cast<int>(axis)] == 1) continue;
    if (axis < last) return;
    last = axis;
  }
  if (perm.empty() || std::is_sorted(perm.begin(), perm.end())) return;
  const auto target = reshape_target(*x->shape, *node.output(0)->shape);
  if (!target) return rewriter.refuse(node, "more than one dimension of the equal Reshape is not known");
  const Shape shape{static_cast<int64_t>(target->size())};
  Value* constant = rewriter.graph().add_constant(Tensor::from_values<int64_t>(shape, *target));
  rewriter.become(node, {"Reshape", "", 14, {x, constant}});
}

}  // namespace

void merge_transposes(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("Transpose")) merge(rewriter, node);
    if (!rewriter.is_gone(&node) && node.is("Transpose")) make_reshape(rewriter, node);
  });
}

}  // namespace attune::optimize
