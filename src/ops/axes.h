// Axes and dimensions as attributes and inference give them. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/tensor.h"
#include "ops/operator.h"

namespace attune::ops {

/// `axis` in [-rank, rank) counted from the front. Throws Error(kInvalidGraph) when it is outside.
int resolve_axis(int64_t axis, int rank);

/// Each axis counted from the front, in the given order. Throws Error(kInvalidGraph) also when one appears twice.
std::vector<int> resolve_axes(std::span<const int64_t> axes, int rank);

/// The product of two dimensions: known when both are, a symbol times 1 stays that symbol, otherwise a fresh dimension.
/// Throws Error(kInvalidArgument) when it exceeds 2^62.
int64_t multiply_dims(InferContext& context, int64_t a, int64_t b);

/// The product of dimensions [from, to) of a shape.
int64_t multiply_dims(InferContext& context, const Shape& shape, int from, int to);

/// What is known of a dimension that two values share: the known one, else the first. Throws Error(kInvalidGraph) when
/// both are known and differ; `what` begins the message.
int64_t agree_dims(int64_t a, int64_t b, std::string_view what);

/// Whether two shapes can be the same: of equal rank, and no dimension is known in both and differs.
bool may_be_same(const Shape& a, const Shape& b);

/// The dimension of a broadcast of `a` with `b`. Throws Error(kInvalidGraph) when they cannot be.
int64_t broadcast_dims(InferContext& context, int64_t a, int64_t b);

}  // namespace attune::ops
