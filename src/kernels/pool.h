// Maximum and average pooling of fp32 images, plain or blocked (image.h).
//
// A window's sum runs over its rows, then its columns; a global average in a fixed number of interleaved partial sums
// that the image's size alone fixes. Bits do not depend on threads, batch or the cut into rows.
//
// Thread safety: pure functions of their arguments. Errors: none; shapes are checked where operators infer them.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/image.h"

namespace attune::kernels {

enum class PoolKind : uint8_t {
  kMax,                ///< padding is no candidate
  kAverage,            ///< padding does not count in the divisor (count_include_pad = 0)
  kAverageIncludePad,  ///< padding counts, but not what ceil_mode adds beyond it
};

/// The caller works out auto_pad and ceil_mode into out_h and out_w. 1-D pooling has in_h = kernel_h = 1.
struct PoolShape {
  int64_t batch = 1;
  int64_t channels = 1;
  int64_t in_h = 1;
  int64_t in_w = 1;
  int64_t out_h = 1;
  int64_t out_w = 1;
  int64_t kernel_h = 1;
  int64_t kernel_w = 1;
  int64_t stride_h = 1;
  int64_t stride_w = 1;
  int64_t dilation_h = 1;
  int64_t dilation_w = 1;
  int64_t pad_top = 0;
  int64_t pad_left = 0;
  int64_t pad_bottom = 0;
  int64_t pad_right = 0;
};

/// The input rows that output rows `rows` read; empty if they see padding only.
RowRange pool_input_rows(const PoolShape& shape, RowRange rows);

/// Computes rows `rows` of every image and channel. Both images have `layout`; `in` and `out` are the addresses of row
/// 0 even if that row is not in memory. A maximum over padding alone is the lowest finite float, an average over it
/// NaN.
void run_pool(const PoolShape& shape, PoolKind kind, ImageLayout layout, const ConstImage& in, const Image& out,
              RowRange rows, Parallel& parallel);

/// The maximum or average (kAverage or kAverageIncludePad, the same here) over each channel of `in_h` x `in_w` pixels;
/// the output's height and width are 1.
void run_global_pool(int64_t batch, int64_t channels, int64_t in_h, int64_t in_w, PoolKind kind, ImageLayout layout,
                     const ConstImage& in, const Image& out, Parallel& parallel);

}  // namespace attune::kernels
