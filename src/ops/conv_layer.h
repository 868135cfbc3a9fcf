// A convolution as a layer of a chain (conv_chain.h).
#pragma once

#include "kernels/activation.h"
#include "kernels/conv.h"
#include "kernels/simd.h"
#include "ops/image_view.h"

namespace attune::ops {

/// What kernels need to compute a convolution; the bias, the images and the residual come with the run.
struct ConvLayer {
  kernels::ConvShape shape;
  kernels::ConvKernel kernel = kernels::ConvKernel::kDirect;
  const float* packed = nullptr;
  kernels::Activation activation;
};

/// The floats of a row of the blocked image that a layer gives.
inline int64_t output_row_floats(const kernels::ConvShape& shape) {
  return kernels::blocked_size(1, shape.out_channels, 1, shape.out_w(), kernels::block_channels());
}

/// Multiply-adds for a row of one image.
inline double row_products(const kernels::ConvShape& shape) {
  const int64_t terms = shape.in_channels / shape.groups * shape.kernel_h * shape.kernel_w;
  return static_cast<double>(shape.out_w() * shape.out_channels) * static_cast<double>(terms);
}

/// Floating-point operations for all images.
inline double layer_flops(const kernels::ConvShape& shape) {
  return 2 * row_products(shape) * static_cast<double>(shape.batch * shape.out_h());
}

/// What an Operator is besides, if it may be a layer of a chain: Conv. Call after Operator::prepare().
class IsConvLayer {
 public:
  virtual ~IsConvLayer() = default;

  /// Channels, groups and kernel; `packed` is null unless the weights are constant, of rank 4 and packed. The size of
  /// the images is left open.
  virtual ConvLayer layer() const = 0;
  /// The same for images of a size, with the padding that it leads to. Requires layer().packed.
  virtual ConvLayer layer_for(const ImageSize& input) const = 0;
};

}  // namespace attune::ops
