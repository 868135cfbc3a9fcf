#include "kernels/conv.h"

#include <algorithm>
#include <limits>

#include "kernels/conv_stem.h"
#include "kernels/conv_taps.h"
#include "kernels/conv_window.h"
#include "kernels/depthwise.h"
#include "kernels/simd.h"
#include "kernels/winograd.h"

namespace attune::kernels {
namespace {

// Below this, transforming the images takes longer than the products that it saves.
constexpr int64_t kWinogradChannels = 16;
// What is assumed of images of free size: layers of many channels are deep in a network, where images are small.
constexpr int64_t kFreeSize = 40;
constexpr int64_t kDeepFreeSize = 20;
constexpr int64_t kDeepPairs = 256 * 256;
// Multiplying with fewer tiles than this takes no less time: the products wait for their weights.
constexpr int64_t kLeastTiles = 4;
// Transforming a tile of a channel takes as long as this many products for each of its points, with tiles of 6 more.
// These and the next are measured: conv_bench.cpp computes each of its layers with all sizes of tiles.
constexpr double kTransformProducts = 12.0;
constexpr double kLargeTransformProducts = 18.0;
// The same of the weights of a pair of channels.
constexpr double kWeightProducts = 4.0;
// The error of tiles of 6 is that of tiles of 4 several times: they must save at least this part of the time.
constexpr double kLargeTilesSave = 0.06;

// The rows and columns of a Winograd kernel's tile; 0 for all other kernels.
int64_t winograd_tile(ConvKernel kernel) {
  if (kernel == ConvKernel::kWinograd6) return 6;
  if (kernel == ConvKernel::kWinograd4) return 4;
  return kernel == ConvKernel::kWinograd2 ? 2 : 0;
}

bool winograd_fits(const ConvShape& shape) {
  return shape.groups == 1 && shape.kernel_h == 3 && shape.kernel_w == 3 && shape.stride_h == 1 &&
         shape.stride_w == 1 && shape.in_channels >= kWinogradChannels && shape.out_channels >= kWinogradChannels;
}

// The cheapest Winograd kernel for a layer that winograd_fits(), if it takes less than `most` products for each pair of
// channels, else kDirect.
ConvKernel select_winograd(const ConvShape& shape, int64_t out_height, int64_t out_width, double most) {
  const double per_channel =
      1.0 / static_cast<double>(shape.in_channels) + 1.0 / static_cast<double>(shape.out_channels);
  ConvKernel best = ConvKernel::kDirect;
  for (const ConvKernel kernel : {ConvKernel::kWinograd2, ConvKernel::kWinograd4, ConvKernel::kWinograd6}) {
    const int64_t tile = winograd_tile(kernel);
    const auto points = static_cast<double>((tile + 2) * (tile + 2));
    const int64_t rows = winograd_tiles(out_height, tile, shape.dilation_h);
    const int64_t tiles = std::max(rows * winograd_tiles(out_width, tile, shape.dilation_w), kLeastTiles);
    const double products = 1.0 + per_channel * (tile == 6 ? kLargeTransformProducts : kTransformProducts);
    const double cost = points * (static_cast<double>(tiles) * products + kWeightProducts);
    if (cost >= (tile == 6 ? (1.0 - kLargeTilesSave) * most : most)) continue;
    best = kernel;
    most = cost;
  }
  return best;
}

// The products along an axis of `out` outputs that see an input and not the padding.
int64_t taps_within(int64_t out, int64_t kernel, int64_t dilation, int64_t pad_begin, int64_t pad_end) {
  const int64_t in = out + dilation * (kernel - 1) - pad_begin - pad_end;
  int64_t taps = 0;
  for (int64_t i = 0; i < kernel; ++i) {
    const int64_t first = i * dilation - pad_begin;  // the input that the first output multiplies
    taps += std::max<int64_t>(0, std::min(out, in - first) - std::max<int64_t>(0, -first));
  }
  return taps;
}

TapLayer tap_layer(const ConvShape& shape) {
  return {shape.groups, shape.in_channels / shape.groups, shape.out_channels / shape.groups, shape.kernel_h,
          shape.kernel_w};
}

}  // namespace

ConvKernel select_conv_kernel(const ConvShape& shape, ImageLayout input, int64_t out_height, int64_t out_width,
                              bool allow_winograd) {
  if (input == ImageLayout::kPlain && stem_fits(shape)) return ConvKernel::kStem;
  if (shape.groups > 1) {
    if (shape.groups == shape.in_channels && shape.groups == shape.out_channels) return ConvKernel::kDepthwise;
    const bool whole_blocks = shape.out_channels / shape.groups % block_channels() == 0;
    return whole_blocks ? ConvKernel::kDirect : ConvKernel::kGrouped;
  }
  if (allow_winograd && winograd_fits(shape)) {
    const int64_t free_size = shape.in_channels * shape.out_channels >= kDeepPairs ? kDeepFreeSize : kFreeSize;
    const int64_t height = out_height == 0 ? free_size : out_height;
    const int64_t width = out_width == 0 ? free_size : out_width;
    const int64_t direct = taps_within(height, shape.kernel_h, shape.dilation_h, shape.pad_top, shape.pad_bottom) *
                           taps_within(width, shape.kernel_w, shape.dilation_w, shape.pad_left, shape.pad_right);
    return select_winograd(shape, height, width, static_cast<double>(direct));
  }
  const bool padded = shape.pad_top != 0 || shape.pad_left != 0 || shape.pad_bottom != 0 || shape.pad_right != 0;
  return shape.kernel_h == 1 && shape.kernel_w == 1 && !padded ? ConvKernel::kPointwise : ConvKernel::kDirect;
}

ConvKernel conv_kernel_for_images(const ConvShape& shape, ConvKernel kernel) {
  if (winograd_tile(kernel) == 0) return kernel;
  return select_winograd(shape, shape.out_h(), shape.out_w(), std::numeric_limits<double>::infinity());
}

int64_t packed_conv_weights_size(const ConvShape& shape, ConvKernel kernel) {
  switch (kernel) {
    case ConvKernel::kDepthwise:
      return packed_depthwise_size(shape);
    case ConvKernel::kStem:
      return packed_stem_size(shape);
    case ConvKernel::kWinograd6:
    case ConvKernel::kWinograd4:
    case ConvKernel::kWinograd2:
      return packed_winograd_size(shape);
    default:
      return packed_taps_size(tap_layer(shape));
  }
}

void pack_conv_weights(const ConvShape& shape, ConvKernel kernel, const float* weights, float* packed,
                       Parallel& parallel) {
  switch (kernel) {
    case ConvKernel::kDepthwise:
      return pack_depthwise(shape, weights, packed);
    case ConvKernel::kStem:
      return pack_stem(shape, weights, packed);
    case ConvKernel::kWinograd6:
    case ConvKernel::kWinograd4:
    case ConvKernel::kWinograd2:
      return pack_winograd(shape, weights, packed, parallel);
    default: {
      const int64_t taps = shape.kernel_h * shape.kernel_w;
      pack_taps(tap_layer(shape), weights, shape.in_channels / shape.groups * taps, taps, packed, parallel);
    }
  }
}

int64_t conv_workspace_size(const ConvShape& shape, ConvKernel kernel, int threads) {
  const int64_t tile = winograd_tile(kernel);
  return tile == 0 ? 0 : winograd_workspace_size(shape, tile, threads);
}

RowRange conv_input_rows(const ConvShape& shape, ConvKernel kernel, RowRange rows) {
  if (const int64_t tile = winograd_tile(kernel); tile != 0) {
    const int64_t tile_rows = tile * shape.dilation_h;
    rows.begin -= rows.begin % tile_rows;
    rows.end = count_blocks(rows.end, tile_rows) * tile_rows;  // may lie beyond the output
  }
  const WindowAxis axis{shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
  const WindowRange range = window_input(axis, rows.begin, rows.end);
  return {range.begin, range.end};
}

void run_conv(const ConvShape& shape, ConvKernel kernel, const float* packed, const ConstImage& in, const Image& out,
              const ConvEpilogue& epilogue, RowRange rows, float* workspace, Parallel& parallel) {
  if (rows.begin >= rows.end) return;
  if (kernel == ConvKernel::kDepthwise) return run_depthwise(shape, packed, in, out, epilogue, rows, parallel);
  if (kernel == ConvKernel::kStem) return run_stem(shape, packed, in, out, epilogue, rows, parallel);
  if (const int64_t tile = winograd_tile(kernel); tile != 0) {
    return run_winograd(shape, tile, packed, in, out, epilogue, rows, workspace, parallel);
  }
  TapRun run;
  run.layer = tap_layer(shape);
  run.batch = shape.batch;
  run.in_h = shape.in_h;
  run.in_w = shape.in_w;
  run.packed = packed;
  run.in = in;
  run.out = out;
  ConvEpilogue own_epilogue = epilogue;
  run.epilogue = &own_epilogue;
  if (kernel == ConvKernel::kPointwise && rows.begin > 0) {
    // Rows do not see each other: those wanted are an image of their own, which is as dense as the whole.
    run.in.data += rows.begin * shape.stride_h * in.row_stride;
    run.out.data += rows.begin * out.row_stride;
    if (epilogue.residual.data != nullptr) own_epilogue.residual.data += rows.begin * epilogue.residual.row_stride;
    run.in_h -= rows.begin * shape.stride_h;
    rows = {0, rows.end - rows.begin};
  }
  TapGrid grid;
  grid.y = {rows.begin,
            1,
            rows.end - rows.begin,
            shape.stride_h,
            shape.kernel_h,
            rows.begin * shape.stride_h - shape.pad_top,
            shape.dilation_h,
            0,
            1};
  grid.x = {0, 1, shape.out_w(), shape.stride_w, shape.kernel_w, -shape.pad_left, shape.dilation_w, 0, 1};
  run_taps(
      run, 1, [&](int64_t) { return grid; }, parallel);
}

}  // namespace attune::kernels
