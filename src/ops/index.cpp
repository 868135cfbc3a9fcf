#include "ops/index.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "graph/symbols.h"
#include "ops/movement.h"

namespace attune::ops {

void throw_index_outside(int64_t index, int64_t extent) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("indices element out of data bounds, idx={} must be within the inclusive range [{},{}]",
                          index, -extent, extent - 1));
}

void check_indexed_shapes(const Shape& data, const Shape& indices, int axis) {
  bool fits = data.rank() == indices.rank();
  for (int i = 0; fits && i < data.rank(); ++i) {
    fits = i == axis || !is_known(data[i]) || !is_known(indices[i]) || indices[i] <= data[i];
  }
  if (fits) return;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("indices of shape {} do not fit data of shape {} along axis {}.",
                                                    indices.to_string(), data.to_string(), axis));
}

IndexedRows::IndexedRows(const Shape& data, const Shape& indices, int axis) : dims_(indices) {
  const int last = indices.rank() - 1;
  const Shape strides = strides_of(data);
  length_ = indices[last];
  count_ = indices.product(0, last);
  extent_ = data[axis];
  axis_stride_ = strides[axis];
  step_ = axis == last ? 0 : 1;
  strides_ = strides;
  strides_[axis] = 0;
  dims_.erase(last);
}

int64_t IndexedRows::offset(int64_t row) const {
  int64_t offset = 0;
  for (int i = dims_.rank() - 1; i >= 0; --i) {
    offset += row % dims_[i] * strides_[i];
    row /= dims_[i];
  }
  return offset;
}

}  // namespace attune::ops
