// A convolution as a layer of a chain (conv_chain.h).
#pragma once

#include "kernels/activation.h"
#include "kernels/conv.h"
#include "ops/image_view.h"

namespace attune::ops {

/// What kernels need to compute a convolution; the bias, the images and the residual come with the run.
struct ConvLayer {
  kernels::ConvShape shape;
  kernels::ConvKernel kernel = kernels::ConvKernel::kDirect;
  const float* packed = nullptr;
  kernels::Activation activation;
};

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
