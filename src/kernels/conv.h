// Two-dimensional convolution of fp32 images with bias, residual addition and activation in the same pass.
//
// Output is blocked (NCHWc, see image.h); input is blocked too, except for kStem. A convolution is prepared once for
// each layer: select_conv_kernel(), then pack_conv_weights(). Packed weights belong to the target that was active when
// they were packed (simd.h).
//
// Bits of the output depend on the layer and the target alone: not on the number of threads, on the batch around an
// image, or on how the rows are cut into calls. Sums run over kernel rows, columns and input channels in an order that
// the weights' shape fixes. A tap in the padding may or may not be multiplied by its weight (0 * infinity), but the
// same way for a pixel in every call.
//
// Thread safety: the functions share nothing; one set of packed weights may be used by any number of calls at once.
// Errors: none of these functions throws; shapes are checked where operators infer them.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/activation.h"
#include "kernels/image.h"

namespace attune::kernels {

/// A 1-D convolution has in_h = kernel_h = 1. Pads may be negative only if ONNX allowed it, which it does not.
struct ConvShape {
  int64_t batch = 1;
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;  ///< divides both numbers of channels
  int64_t in_h = 1;
  int64_t in_w = 1;
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

  int64_t out_h() const { return (in_h + pad_top + pad_bottom - dilation_h * (kernel_h - 1) - 1) / stride_h + 1; }
  int64_t out_w() const { return (in_w + pad_left + pad_right - dilation_w * (kernel_w - 1) - 1) / stride_w + 1; }
};

/// Applied to each output before it is stored: activation(sum + bias + residual), or with `act_before_add`
/// activation(sum + bias) + residual.
struct ConvEpilogue {
  const float* bias = nullptr;  ///< [out_channels], or null for none
  /// Blocked, shape of the output; data null for none. May be the output itself (same address and strides): the sum is
  /// then accumulated in place.
  ConstImage residual;
  Activation activation;
  bool act_before_add = false;
};

enum class ConvKernel : uint8_t {
  kDirect,     ///< any kernel, stride and dilation; channels of a group are whole blocks, or there is one group
  kPointwise,  ///< 1x1 without padding, stride 1 or more: a matrix product over all pixels
  kDepthwise,  ///< one input and one output channel a group
  kStem,       ///< plain (NCHW) input of few channels, one group: the first layer of most networks
  kGrouped,    ///< the rest: groups of any number of channels
  kWinograd6,  ///< 3x3, stride 1: 6x6 outputs from 64 products for a pair of channels instead of 324
  kWinograd4,  ///< the same: 4x4 outputs from 36 products instead of 144
  kWinograd2,  ///< the same: 2x2 outputs from 16 products instead of 36
};

/// The kernel for a layer. Reads nothing of `shape` but channels, groups, kernel, strides, dilations and whether there
/// is padding, so a layer has one kernel whatever its images. `input` is the layout at hand: kStem is chosen for plain
/// input only, every other kernel wants its input blocked, and the caller reorders if it is not.
///
/// 3x3 layers with stride 1 may be computed directly or by Winograd with tiles of 6, 4 or 2. What decides is the
/// products for each pair of channels and image, the transforms of images and weights counted in; none of them takes
/// more memory for weights than the others. `out_height` and `out_width` are the output's where the model fixes them, 0
/// where it leaves them free: 40 is assumed then, 20 in layers of 256 * 256 pairs of channels or more.
/// `allow_winograd` false rules Winograd out: its error is larger than that of the direct sum but with tiles of 2,
/// where it is smaller (conv_bench.cpp measures it).
ConvKernel select_conv_kernel(const ConvShape& shape, ImageLayout input, int64_t out_height = 0, int64_t out_width = 0,
                              bool allow_winograd = true);

/// The Winograd kernels share one form of packed weights: of them, the one that takes the least time for images of the
/// size in `shape`. Any other `kernel` is returned as it is.
ConvKernel conv_kernel_for_images(const ConvShape& shape, ConvKernel kernel);

/// The layout in which a kernel reads its input.
inline ImageLayout conv_input_layout(ConvKernel kernel) {
  return kernel == ConvKernel::kStem ? ImageLayout::kPlain : ImageLayout::kBlocked;
}

/// The floats of a layer's packed weights: its weights, the last block's unused output channels as zeros.
int64_t packed_conv_weights_size(const ConvShape& shape, ConvKernel kernel);

/// Packs weights given in ONNX's order [out_channels][in_channels / groups][kernel_h][kernel_w].
void pack_conv_weights(const ConvShape& shape, ConvKernel kernel, const float* weights, float* packed,
                       Parallel& parallel);

/// The floats of scratch memory that run_conv() needs where its parallel.threads() is `threads`; 0 for all but
/// Winograd.
int64_t conv_workspace_size(const ConvShape& shape, ConvKernel kernel, int threads);

/// The input rows that output rows `rows` read; empty if they see padding only. Winograd computes whole tiles of rows,
/// counted from row 0, and reads what they need: stripes of a multiple of twelve rows, times the dilation, lose
/// nothing.
RowRange conv_input_rows(const ConvShape& shape, ConvKernel kernel, RowRange rows);

/// Computes rows `rows` of every image and channel of the output. `in` and `out` are the addresses of row 0 even if
/// that row is not in memory; only conv_input_rows() of the input and `rows` of the output are touched. `out` must not
/// overlap `in`. Lanes of the output after the last channel are written with meaningless values.
void run_conv(const ConvShape& shape, ConvKernel kernel, const float* packed, const ConstImage& in, const Image& out,
              const ConvEpilogue& epilogue, RowRange rows, float* workspace, Parallel& parallel);

}  // namespace attune::kernels
