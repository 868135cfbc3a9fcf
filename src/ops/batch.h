// What operators answer when the planner asks which inputs hold the batch: Operator::batch_inputs().
//
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor_view.h"

namespace attune::ops {

/// The samples that every output has along dimension 0; 0 when they have not the same number, or less than two.
int64_t output_samples(std::span<const TensorView> outputs);

/// For an operator that broadcasts as numpy does: the inputs that have a dimension for the output's dimension 0, and
/// are not repeated along it.
uint64_t broadcast_batch(std::span<const TensorView> inputs, std::span<const TensorView> outputs);

/// The same bits as `candidates`, without those of absent inputs, when each of these inputs has the outputs' samples;
/// else 0.
uint64_t batch_among(uint64_t candidates, std::span<const TensorView> inputs, std::span<const TensorView> outputs);

/// Input 0 alone.
inline uint64_t batch_of_first(std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  return batch_among(1, inputs, outputs);
}

}  // namespace attune::ops
