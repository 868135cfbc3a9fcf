#include "ops/axes.h"

#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"

namespace attune::ops {

int resolve_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("axis {} is not in valid range [-{},{}]", axis, rank, rank - 1));
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int> resolve_axes(std::span<const int64_t> axes, int rank) {
  std::vector<int> resolved;
  for (const int64_t given : axes) {
    const int axis = resolve_axis(given, rank);
    if (std::find(resolved.begin(), resolved.end(), axis) != resolved.end()) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("'axes' has a duplicate axis {}", axis));
    }
    resolved.push_back(axis);
  }
  return resolved;
}

int64_t multiply_dims(InferContext& context, int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  if (a == 1) return b;
  if (b == 1) return a;
  if (!is_known(a) || !is_known(b)) return context.fresh_dim();
  return Shape{a, b}.elements();  // checks for overflow
}

int64_t multiply_dims(InferContext& context, const Shape& shape, int from, int to) {
  // Known dimensions first, so that {2, batch, 3} costs one fresh symbol and {1, batch, 1} none.
  int64_t known = 1;
  for (int axis = from; axis < to; ++axis) {
    if (is_known(shape[axis])) known = multiply_dims(context, known, shape[axis]);
  }
  int64_t product = known;
  for (int axis = from; axis < to; ++axis) {
    if (!is_known(shape[axis])) product = multiply_dims(context, product, shape[axis]);
  }
  return product;
}

int64_t agree_dims(int64_t a, int64_t b, std::string_view what) {
  if (is_known(a) && is_known(b) && a != b) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("{}: {} and {} differ.", what, a, b));
  }
  if (is_known(a)) return a;
  return is_known(b) || a == kUnknownDim ? b : a;
}

bool may_be_same(const Shape& a, const Shape& b) {
  bool same = a.rank() == b.rank();
  for (int axis = 0; same && axis < a.rank(); ++axis) {
    same = !is_known(a[axis]) || !is_known(b[axis]) || a[axis] == b[axis];
  }
  return same;
}

int64_t broadcast_dims(InferContext& context, int64_t a, int64_t b) {
  if (a == 1 || same_dim(a, b)) return b;
  if (b == 1) return a;
  if (is_known(a) && is_known(b)) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Incompatible dimensions: {} by {} cannot be broadcast.", a, b));
  }
  // The unknown one is either 1 or equal to the known one.
  if (is_known(a)) return a;
  if (is_known(b)) return b;
  return context.fresh_dim();
}

}  // namespace attune::ops
