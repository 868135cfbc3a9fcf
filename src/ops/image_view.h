// Tensors of rank 3 ([N, C, W], height 1) and 4 ([N, C, H, W]) as the images that kernels work on.
#pragma once

#include <cstdint>

#include "kernels/image.h"
#include "tensor/tensor_view.h"

namespace attune::ops {

struct ImageSize {
  int64_t batch = 1;
  int64_t channels = 1;
  int64_t height = 1;
  int64_t width = 1;
};

/// `shape` has rank 3 or 4.
inline ImageSize image_size(const Shape& shape) {
  return {shape[0], shape[1], shape.rank() == 4 ? shape[2] : 1, shape[shape.rank() - 1]};
}

inline kernels::ImageLayout image_layout(Layout layout) {
  return layout == Layout::kBlocked ? kernels::ImageLayout::kBlocked : kernels::ImageLayout::kPlain;
}

/// A dense float tensor of rank 3 or 4 in its layout.
inline kernels::Image image_of(const TensorView& view) {
  const ImageSize size = image_size(view.shape());
  auto* data = static_cast<float*>(view.data);
  return view.layout == Layout::kBlocked
             ? kernels::blocked_image(data, size.channels, size.height, size.width, view.block)
             : kernels::plain_image(data, size.channels, size.height, size.width);
}

}  // namespace attune::ops
