// Transposed convolution of blocked images (see image.h) into plain ones, where each input pixel gives a patch of its
// own: the kernel is as large as the stride. With few output channels, as in the last layer of a segmentation network,
// a whole patch fits into one block, while blocked output would compute and store lanes that nobody wants.
//
// What conv.h says of packed weights, bits, threads and errors holds here.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv_transpose.h"

namespace attune::kernels {

/// Whether a layer is one for this kernel: no dilation, one group, kernel and stride alike, and at most
/// block_channels() outputs for an input pixel. Reads nothing else of `shape`; the caller sees to it that there are no
/// pads, and that the output is `stride` times the input.
bool patches_fit(const ConvTransposeShape& shape);

int64_t packed_patches_size(const ConvTransposeShape& shape);

/// Packs weights given in ONNX's order [in_channels][out_channels][kernel_h][kernel_w].
void pack_patches(const ConvTransposeShape& shape, const float* weights, float* packed);

/// Computes rows `rows` of the output. `in` is blocked, `out` plain; the epilogue has no residual.
void run_patches(const ConvTransposeShape& shape, const float* packed, const ConstImage& in, const Image& out,
                 const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel);

}  // namespace attune::kernels
