// Reshape to [N, groups, C / groups, H, W], Transpose of the two axes of channels, Reshape back: a ChannelShuffle,
// which works on blocked layouts.
#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

void visit(Rewriter& rewriter, Node& node) {
  const Value* shuffled = node.input(0);
  const Node* transpose = shuffled == nullptr ? nullptr : shuffled->producer();
  if (transpose == nullptr || !transpose->is("Transpose") || rank_of(shuffled) != 5) return;
  if (permutation_of(*transpose, 5) != std::vector<int64_t>{0, 2, 1, 3, 4}) return;
  const Value* split = transpose->input(0);
  if (split == nullptr || rank_of(split) != 5 || split->producer() == nullptr || !split->producer()->is("Reshape"))
    return;
  Value* x = split->producer()->input(0);
  if (!is_float(x) || rank_of(x) != 4 || !same_shape(*x, *node.output(0))) return;
  const Shape& image = *x->shape;
  const Shape& parts = *split->shape;
  const Shape expected{image[0], parts[1], parts[2], image[2], image[3]};
  const bool is_known_split = is_known(image[1]) && is_known(parts[1]) && is_known(parts[2]) && parts[1] > 0;
  if (!is_known_split || parts[1] * parts[2] != image[1] || !same_shape(expected, parts)) {
    return rewriter.refuse(node, "it cannot be proven that only the channels are split");
  }
  if (!rewriter.can_make(node, "ChannelShuffle", "attune", 1)) return;
  const int64_t groups = parts[1];
  Replacement shuffle{"ChannelShuffle", "attune", 1, {x}, {}, transpose->name};
  shuffle.attributes.set("groups", groups);
  rewriter.become(node, std::move(shuffle));
}

}  // namespace

void recognize_channel_shuffle(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("Reshape")) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
