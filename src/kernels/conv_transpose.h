// Transposed two-dimensional convolution of fp32 blocked images (NCHWc, see image.h), without a column buffer.
//
// Output pixels whose coordinates have the same remainder modulo the stride see the same taps of the kernel, so each
// such phase is an ordinary convolution with some of the taps and stride 1, whose outputs are written `stride` apart.
// A 2x2 kernel with stride 2 is four matrix products.
//
// What conv.h says of packed weights, bits, threads and errors holds here.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv.h"
#include "kernels/image.h"

namespace attune::kernels {

/// Pads and output padding as ONNX has them: the output is
/// stride * (in - 1) + output_padding + dilation * (kernel - 1) + 1 - pad_begin - pad_end. The caller works out
/// auto_pad and output_shape into these. Pads at the end and output padding only show in the size, hence out_h and
/// out_w.
struct ConvTransposeShape {
  int64_t batch = 1;
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;
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
};

int64_t packed_conv_transpose_weights_size(const ConvTransposeShape& shape);

/// Packs weights given in ONNX's order [in_channels][out_channels / groups][kernel_h][kernel_w].
void pack_conv_transpose_weights(const ConvTransposeShape& shape, const float* weights, float* packed,
                                 Parallel& parallel);

/// The input rows that output rows `rows` read; empty if none.
RowRange conv_transpose_input_rows(const ConvTransposeShape& shape, RowRange rows);

/// Computes rows `rows` of the output; as run_conv().
void run_conv_transpose(const ConvTransposeShape& shape, const float* packed, const ConstImage& in, const Image& out,
                        const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel);

}  // namespace attune::kernels
