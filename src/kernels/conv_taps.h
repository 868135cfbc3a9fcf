// The core that convolution and transposed convolution share: sums over the taps of a kernel and over input channels,
// of blocked images, in register tiles of some output blocks by some pixels.
//
// Internal to the convolution kernels; conv.h says what holds of bits and threads.
//
// An output axis is a grid: output coordinate g of the grid is `out_first + g * out_step`, and tap t of it reads input
// coordinate `g * in_step + tap_first + t * tap_step` with kernel coordinate `kernel_first + t * kernel_step`. For a
// convolution the grid is the output itself; for a transposed one there is a grid for each phase of the stride.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/parallel.h"
#include "kernels/conv.h"
#include "kernels/image.h"

namespace attune::kernels {

struct TapAxis {
  int64_t out_first = 0;
  int64_t out_step = 1;
  int64_t out_count = 0;
  int64_t in_step = 1;
  int64_t taps = 0;
  int64_t tap_first = 0;
  int64_t tap_step = 1;
  int64_t kernel_first = 0;
  int64_t kernel_step = 1;
};

struct TapGrid {
  TapAxis y;
  TapAxis x;
};

/// What fixes the packing of weights: channels and kernel, no image size.
struct TapLayer {
  int64_t groups = 1;
  int64_t in_channels = 1;   ///< of one group
  int64_t out_channels = 1;  ///< of one group
  int64_t kernel_h = 1;
  int64_t kernel_w = 1;
};

/// How the weights of a layer are cut. A panel is some neighbouring output blocks of a group; its weights are
/// [chunk of input channels][kernel_h][kernel_w][channel of the chunk][its blocks * block].
///
/// The blocks of a group are counted from its own first channel. Where its output channels are not whole blocks, they
/// are not the blocks of the output, which then belong to several groups.
struct TapBlocking {
  int64_t block = 0;           ///< channels of a block
  int64_t blocks = 0;          ///< of one group; the last block's unused channels have zeros for weights
  int64_t panels = 0;          ///< of one group
  int64_t chunk_channels = 0;  ///< input channels of a chunk; the last may have fewer
  bool shared_blocks = false;  ///< output blocks belong to several groups
};

/// The first block of a panel in its group; the panels of a group differ in size by at most one block.
inline int64_t panel_begin(const TapBlocking& blocking, int64_t panel) {
  return blocking.blocks * panel / blocking.panels;
}

TapBlocking tap_blocking(const TapLayer& layer);

/// The floats of packed weights.
int64_t packed_taps_size(const TapLayer& layer);

/// Packs weights; `out_stride` and `in_stride` are the distances in `weights` between output and input channels of a
/// group. A group's weights are contiguous, as are the kernel_h * kernel_w weights of a pair of channels.
void pack_taps(const TapLayer& layer, const float* weights, int64_t out_stride, int64_t in_stride, float* packed,
               Parallel& parallel);

struct TapRun {
  TapLayer layer;
  int64_t batch = 1;
  int64_t in_h = 1;
  int64_t in_w = 1;
  const float* packed = nullptr;
  ConstImage in;
  Image out;
  const ConvEpilogue* epilogue = nullptr;
};

/// Computes the pixels of the grids grid(0), ..., grid(phases - 1). A tap that reads outside of the input's in_h rows
/// and in_w columns adds zero.
void run_taps(const TapRun& run, int64_t phases, FunctionRef<TapGrid(int64_t phase)> grid, Parallel& parallel);

}  // namespace attune::kernels
