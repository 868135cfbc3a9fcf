// BatchNormalization, outside training, is a factor and an offset for each channel: they move into the layer before.
#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/weights.h"

namespace attune::optimize {
namespace {

void visit(Rewriter& rewriter, Node& node) {
  Node* layer = node.input(0) == nullptr ? nullptr : node.input(0)->producer();
  if (layer == nullptr || !is_linear_layer(*layer)) return rewriter.refuse(node, "no linear layer stands before it");
  const auto channels = output_channels(*layer);
  if (!channels) return rewriter.refuse(node, "the weights of the layer before it are not constant");
  const auto affine = affine_of_batch_normalization(rewriter, node, *channels);
  if (affine) fold_into_layer(rewriter, node, *layer, *affine);
}

}  // namespace

void fold_batch_normalization(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("BatchNormalization")) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
