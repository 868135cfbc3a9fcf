// Index arithmetic of the operators that address elements by tensors of indices. Thread safety: pure functions and
// immutable values.
#pragma once

#include <cstdint>

#include "attune/tensor.h"

namespace attune::ops {

[[noreturn]] void throw_index_outside(int64_t index, int64_t extent);

/// `index` in [-extent, extent) counted from the front. Throws Error(kInvalidArgument) when it is outside.
inline int64_t resolve_index(int64_t index, int64_t extent) {
  if (static_cast<uint64_t>(index) < static_cast<uint64_t>(extent)) return index;  // one comparison for nearly all
  if (index < -extent || index >= extent) throw_index_outside(index, extent);
  return index + extent;
}

/// GatherElements and ScatterElements: as many dimensions, and none of the indices' larger than the data's but along
/// `axis`. Throws Error(kInvalidGraph); unknown dimensions pass.
void check_indexed_shapes(const Shape& data, const Shape& indices, int axis);

/// The tensor of indices as rows along its last dimension. Element i of a row addresses the element of the data at
/// offset(row) + i * step() + index * axis_stride(). Shapes must be concrete and of rank 1 or more.
class IndexedRows {
 public:
  IndexedRows(const Shape& data, const Shape& indices, int axis);

  int64_t count() const { return count_; }
  int64_t length() const { return length_; }
  /// Of the data along the axis: what indices must lie in.
  int64_t extent() const { return extent_; }
  int64_t step() const { return step_; }
  int64_t axis_stride() const { return axis_stride_; }
  int64_t offset(int64_t row) const;

 private:
  Shape dims_;     ///< of the indices but the last
  Shape strides_;  ///< of the data for those, 0 along the axis
  int64_t count_;
  int64_t length_;
  int64_t extent_;
  int64_t step_;
  int64_t axis_stride_;
};

}  // namespace attune::ops
