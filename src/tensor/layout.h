// How a tensor's elements lie in memory.
#pragma once

#include <cstdint>

#include "attune/tensor.h"

namespace attune {

/// A value's logical shape is always ONNX's; the layout says where element (n, c, h, w) lies.
enum class Layout : uint8_t {
  kPlain,    ///< Row-major, as ONNX defines it.
  kBlocked,  ///< Rank 4 only: [N][ceil(C / b)][H][W][b], b = kernels::block_channels(). What the lanes past C hold is
             ///< unspecified: no operator may let them influence a real channel.
};

/// The dimensions of the memory: the shape itself, or {N, ceil(C / block), H, W, block}.
inline Shape physical_shape(const Shape& shape, Layout layout, int64_t block) {
  if (layout == Layout::kPlain) return shape;
  return Shape{shape[0], (shape[1] + block - 1) / block, shape[2], shape[3], block};
}

}  // namespace attune
