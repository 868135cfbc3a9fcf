// Sequences as operators read and make them: see Tensor::sequence().
#pragma once

#include <cstdint>
#include <span>

#include "ops/operator.h"

namespace attune::ops {

/// The tensors of a sequence.
std::span<const Tensor> sequence_elements(const TensorView& sequence);

/// The view's elements in memory of their own, as those of a sequence must be.
Tensor own(const TensorView& view);

/// `position` counted from the front, in [0, size) or, to insert, [0, size]. Throws Error(kInvalidArgument) when it is
/// outside.
size_t sequence_position(const TensorView& position, size_t size, bool inserts);

/// Output `output` is a sequence of tensors of `type`.
void set_sequence_output(InferContext& context, int output, DataType type);

}  // namespace attune::ops
