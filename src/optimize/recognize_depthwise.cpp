// A BatchNormalization that no layer before it can take is a convolution of each channel by itself with a kernel of
// one: as such it takes the factors, sums and activations that follow it, and works on blocked layouts with them.
#include <algorithm>

#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/weights.h"

namespace attune::optimize {
namespace {

/// With fewer channels most lanes of a blocked image are empty; such images are those that a model is fed.
constexpr int64_t kFewestChannels = 16;

Tensor as_floats(const std::vector<double>& numbers, const Shape& shape) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  std::transform(numbers.begin(), numbers.end(), tensor.values<float>().begin(),
                 [](double number) { return static_cast<float>(number); });
  return tensor;
}

void visit(Rewriter& rewriter, Node& node) {
  Value* x = node.input(0);
  if (!is_float(x) || rank_of(x) != 4 || !is_known((*x->shape)[1])) return;
  const int64_t channels = (*x->shape)[1];
  if (channels < kFewestChannels) return rewriter.refuse(node, "it has few channels");
  const auto affine = affine_of_batch_normalization(rewriter, node, channels);
  if (!affine) return;
  Graph& graph = rewriter.graph();
  Replacement layer{"Conv", "", node.version, {x}};
  layer.inputs.push_back(graph.add_constant(as_floats(affine->factor, Shape{channels, 1, 1, 1})));
  layer.inputs.push_back(graph.add_constant(as_floats(affine->offset, Shape{channels})));
  layer.attributes.set("group", channels);
  rewriter.become(node, std::move(layer));
}

}  // namespace

void recognize_depthwise(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.is("BatchNormalization")) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
