// 3x3 convolution with stride 1 by Winograd's F(6x6, 3x3), F(4x4, 3x3) and F(2x2, 3x3). A tile of input gives a tile of
// output, two rows and columns smaller, by one product for each of the input's points and pair of channels: 64 instead
// of 324, 36 instead of 144, 16 instead of 36. `tile` is 6, 4 or 2, the output rows and columns of a tile.
// winograd_points.h has the mathematics. With dilation d, the pixels d apart in both directions form images of their
// own, which are computed as if there were no dilation.
//
// Internal to the convolution kernels: conv.h is the interface and says what holds of bits, rows and threads. Tiles are
// anchored at output row 0 (each of the d images at its own), so rows are computed from the same numbers in whatever
// call they are asked for; the input rows of whole tiles must be there.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv.h"

namespace attune::kernels {

/// The tiles of `tile` outputs along an axis of `size` outputs.
int64_t winograd_tiles(int64_t size, int64_t tile, int64_t dilation);

/// The floats of packed weights: the layer's own, those of the last block's unused output channels as zeros. They are
/// transformed in each run, so that Winograd takes no more memory than the direct sum.
int64_t packed_winograd_size(const ConvShape& shape);

/// Packs weights to [panel][in_channels][tap][the panel's output channels].
void pack_winograd(const ConvShape& shape, const float* weights, float* packed, Parallel& parallel);

int64_t winograd_workspace_size(const ConvShape& shape, int64_t tile, int threads);

void run_winograd(const ConvShape& shape, int64_t tile, const float* packed, const ConstImage& in, const Image& out,
                  const ConvEpilogue& epilogue, RowRange rows, float* workspace, Parallel& parallel);

}  // namespace attune::kernels
