// Equal tensors, one behind another along a new first axis, while nobody knows how many there will be.
#pragma once

#include <cstdint>

#include "attune/tensor.h"

namespace attune::ops {

class StackedTensors {
 public:
  int64_t count() const { return count_; }

  /// Copies the tensor's elements. Throws Error(kInvalidArgument) when its type or shape is not that of the first one.
  void append(const Tensor& tensor);

  /// Of shape [count, ...]; to be asked once, after at least one append().
  Tensor finish();

 private:
  void grow();

  Shape shape_;  // of one tensor
  DataType type_ = DataType::kUndefined;
  Tensor memory_;  // one dimension, of all elements that there is room for
  int64_t each_ = 0;
  int64_t capacity_ = 0;
  int64_t count_ = 0;
};

}  // namespace attune::ops
