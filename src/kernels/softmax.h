// Softmax and log-softmax of float tensors. Thread-safe; `y` may be `x`.
//
// The maximum is subtracted first. A row that is -infinity throughout, or that holds NaN or +infinity, gives NaN, as
// onnxruntime does. Sums are made in the lanes of vectors, in an order that depends on the length of the axis and the
// target alone.
#pragma once

#include <cstdint>

#include "base/parallel.h"

namespace attune::kernels {

enum class SoftmaxKind : uint8_t {
  kSoftmax,     ///< exp(x - max) / sum
  kLogSoftmax,  ///< x - max - log(sum)
};

/// Along the last, contiguous axis: `rows` rows of `columns` floats, dense.
void softmax_rows(SoftmaxKind kind, const float* x, float* y, int64_t rows, int64_t columns, Parallel& parallel);

/// Along the middle axis of a dense [outer, axis, inner] tensor. With inner = 1 the same bits as softmax_rows().
void softmax_axis(SoftmaxKind kind, const float* x, float* y, int64_t outer, int64_t axis, int64_t inner,
                  Parallel& parallel);

}  // namespace attune::kernels
