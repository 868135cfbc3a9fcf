// Runs one operator outside a plan: constant folding, shape arithmetic while binding, tests.
#pragma once

#include <span>
#include <vector>

#include "attune/tensor.h"
#include "base/parallel.h"
#include "ops/operator.h"

namespace attune {

/// Prepares, infers and runs `op` on concrete plain tensors. An undefined tensor
/// is an absent input. Returns `output_count` tensors. Throws what the operator throws.
std::vector<Tensor> evaluate(Operator& op, std::span<const Tensor> inputs, int output_count, Parallel& parallel);

/// The same for an operator that was prepared, or that needs no preparation.
std::vector<Tensor> evaluate_prepared(const Operator& op, std::span<const Tensor> inputs, int output_count,
                                      Parallel& parallel);

}  // namespace attune
