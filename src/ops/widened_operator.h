// float16 and bfloat16 in operators that compute in float: an Operator that converts what goes in and out of another.
//
// make_node_operator() wraps an operator when a parameter's type is one that its TypeSet widens. The operator inside
// sees float only. Its weights become float once, when it packs them; other tensors are converted beside the memory
// plan's tensors, in the workspace, so that half types halve the memory of all tensors that live longer than one node.
#pragma once

#include <memory>
#include <vector>

#include "ops/operator.h"

namespace attune {

/// `inputs` and `outputs`: kFloat16 or kBfloat16 for those to convert, anything else for those to leave alone.
std::unique_ptr<Operator> widen_operator(std::unique_ptr<Operator> inner, std::vector<DataType> inputs,
                                         std::vector<DataType> outputs);

}  // namespace attune
