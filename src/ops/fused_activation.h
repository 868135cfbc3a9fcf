// The activation that the optimizer moved into a convolution or a product.
#pragma once

#include "graph/graph.h"
#include "kernels/activation.h"

namespace attune::ops {

/// Reads the attributes `activation` (ONNX's operator name; "" or missing for none), `activation_alpha` and
/// `activation_beta`, whose meaning kernels/activation.h gives and whose defaults are ONNX's for that operator. Throws
/// Error(kInvalidGraph) for a name that is not one of them.
kernels::Activation parse_activation(const Node& node);

}  // namespace attune::ops
