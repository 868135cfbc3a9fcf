// 3x3 convolution with stride 1 by Winograd's F(4x4, 3x3) and F(2x2, 3x3): a 6x6 tile of input gives a 4x4 tile of
// output with 36 products for each pair of channels instead of 144, a 4x4 tile of input 2x2 outputs with 16 instead
// of 36. `tile` is 4 or 2, the output rows and columns of a tile.
//
// Internal to the convolution kernels: conv.h is the interface and says what holds of bits, rows and threads. Tiles are
// anchored at output row 0, so rows are computed from the same numbers in whatever call they are asked for; the input
// rows of whole tiles must be there.
//
// The interpolation points of tiles of 4 are 0, +-3/4, +-3/2 and infinity. Every constant of the input and output
// transforms is exact in binary, and the error is several times smaller than with the usual 0, +-1, +-2: B. Barabasz et
// al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020. Tiles of 2
// have 0, +-1 and infinity.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/conv.h"

namespace attune::kernels {

int64_t packed_winograd_size(const ConvShape& shape, int64_t tile);

/// Transforms weights in double precision and packs them to [panel][point][in_channels][the panel's output channels].
void pack_winograd(const ConvShape& shape, int64_t tile, const float* weights, float* packed, Parallel& parallel);

int64_t winograd_workspace_size(const ConvShape& shape, int64_t tile, int threads);

void run_winograd(const ConvShape& shape, int64_t tile, const float* packed, const ConstImage& in, const Image& out,
                  const ConvEpilogue& epilogue, RowRange rows, float* workspace, Parallel& parallel);

}  // namespace attune::kernels
