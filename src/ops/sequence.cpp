#include "ops/sequence.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "ops/subgraph.h"

namespace attune::ops {

std::span<const Tensor> sequence_elements(const TensorView& sequence) {
  if (sequence.type != DataType::kSequence) throw Error(ErrorCode::kInvalidArgument, "The sequence is missing.");
  return {static_cast<const Tensor*>(sequence.data), static_cast<size_t>(sequence.dim(0))};
}

Tensor own(const TensorView& view) { return borrow(view).copied(); }

size_t sequence_position(const TensorView& position, size_t size, bool inserts) {
  if (position.elements() != 1) throw Error(ErrorCode::kInvalidArgument, "The position is not one number.");
  const int64_t given = position.integer(0);
  const auto count = static_cast<int64_t>(size);
  const int64_t place = given < 0 ? given + count : given;
  if (place < 0 || place >= count + (inserts ? 1 : 0)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("Invalid sequence index ({}) specified for sequence of size ({})", given, count));
  }
  return static_cast<size_t>(place);
}

void set_sequence_output(InferContext& context, int output, DataType type) {
  context.set_output_type(output, type, ValueKind::kSequence);
}

}  // namespace attune::ops
