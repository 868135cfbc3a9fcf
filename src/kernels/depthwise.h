// Depthwise convolution: one input and one output channel a group. Blocked input and output; a vector's lanes are
// channels, so that nothing is summed across lanes and nothing is packed but the weights.
//
// Internal to the convolution kernels: conv.h is the interface and says what holds of bits, rows and threads.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv.h"

namespace attune::kernels {

int64_t packed_depthwise_size(const ConvShape& shape);

/// `weights` is [channels][kernel_h][kernel_w]; packed is [block of channels][kernel_h][kernel_w][lane].
void pack_depthwise(const ConvShape& shape, const float* weights, float* packed);

void run_depthwise(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
                   const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel);

}  // namespace attune::kernels
