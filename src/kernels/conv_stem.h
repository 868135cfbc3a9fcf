// Convolution of plain (NCHW) images of few channels into blocked output: the first layer of most networks, whose input
// would otherwise be spread over blocks that are mostly padding.
//
// Internal to the convolution kernels: conv.h is the interface and says what holds of bits, rows and threads.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv.h"

namespace attune::kernels {

/// The most floats of the input that a tile beside the border may see: it gets a copy, on the stack.
inline constexpr int64_t kStemPatchFloats = 4096;

/// Whether the layer suits this kernel; reads what select_conv_kernel() may read.
bool stem_fits(const ConvShape& shape);

int64_t packed_stem_size(const ConvShape& shape);

/// Packs to [panel][in_channels][kernel_h][kernel_w][the panel's output channels].
void pack_stem(const ConvShape& shape, const float* weights, float* packed);

void run_stem(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
              const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel);

}  // namespace attune::kernels
