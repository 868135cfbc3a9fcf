// Copies of stretches along one axis of tensors whose other axes agree.
#pragma once

#include <cstdint>

#include "attune/tensor.h"

namespace attune::ops {

/// A tensor as a stretch along an axis: [outer, count, inner].
struct AxisView {
  int64_t outer = 1;
  int64_t count = 1;
  int64_t inner = 1;  ///< elements

  AxisView(const Shape& shape, int axis);
  /// The same with another extent along the axis.
  AxisView with_count(int64_t other) const;
};

/// Copies `count` places along the axis, from `from_first` to `to_first`. `from` and `to` are of the element type, with
/// equal `outer` and `inner`.
void copy_along_axis(DataType type, const AxisView& from_view, const void* from, int64_t from_first,
                     const AxisView& to_view, void* to, int64_t to_first, int64_t count);

}  // namespace attune::ops
