// Convolutions one after another as one operator: an expansion, a depthwise layer, a projection. Images between them
// are computed in stripes of rows that stay in a core's own cache and are never whole in memory.
#pragma once

#include <memory>
#include <vector>

#include "ops/operator.h"

namespace attune {

constexpr int kMostChainLayers = 3;

/// `layers` are prepared operators, each an ops::IsConvLayer whose kernel needs no scratch memory, two to
/// kMostChainLayers of them; each reads what the one before gives, which has Layout::kBlocked, as the output of the
/// last one does. The inputs of the chain are X, then W, B and Z (residual) of the last layer, then W and B of each
/// layer before it, from the first on; what a layer does not have is absent. All weights must be packed. The same bits
/// as the layers one by one.
std::unique_ptr<Operator> make_conv_chain(std::vector<std::unique_ptr<Operator>> layers);

/// The place of layer `layer`'s weights among the inputs of a chain of `layers`; the bias follows.
constexpr int chain_weights(int layer, int layers) { return layer == layers - 1 ? 1 : 4 + 2 * layer; }
constexpr int kChainResidual = 3;

}  // namespace attune
