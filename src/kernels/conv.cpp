#include "kernels/conv.h"

#include <algorithm>

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
// Reading a float of weights from memory takes a core about as long as 20 products; memory is held worth a tenth of a
// millisecond for each MiB, which is 40 products of two cores.
constexpr double kProductsPerWeight = 60.0;

// The rows and columns of a Winograd kernel's tile; 0 for all other kernels.
int64_t winograd_tile(ConvKernel kernel) {
  if (kernel == ConvKernel::kWinograd4) return 4;
  return kernel == ConvKernel::kWinograd2 ? 2 : 0;
}

// The cheapest of the three ways to compute a 3x3 layer, by the rule that conv.h states; kDirect for other layers.
ConvKernel select_winograd(const ConvShape& shape, int64_t out_height, int64_t out_width) {
  const bool fits = shape.groups == 1 && shape.kernel_h == 3 && shape.kernel_w == 3 && shape.stride_h == 1 &&
                    shape.stride_w == 1 && shape.dilation_h == 1 && shape.dilation_w == 1;
  if (!fits || shape.in_channels < kWinogradChannels || shape.out_channels < kWinogradChannels) {
    return ConvKernel::kDirect;
  }
  const int64_t free_size = shape.in_channels * shape.out_channels >= kDeepPairs ? kDeepFreeSize : kFreeSize;
  if (out_height == 0) out_height = free_size;
  if (out_width == 0) out_width = free_size;
  // Transforming a tile's block of channels takes as long as about four times its points in products of vectors.
  const double transforms =
      1.0 + 4.0 / static_cast<double>(shape.in_channels) + 4.0 / static_cast<double>(shape.out_channels);
  const auto cost = [&](int64_t tile) {
    const auto points = static_cast<double>((tile + 2) * (tile + 2));
    const auto tiles = static_cast<double>(count_blocks(out_height, tile) * count_blocks(out_width, tile));
    return points * (tiles * transforms + kProductsPerWeight);
  };
  const double direct = 9.0 * (static_cast<double>(out_height) * static_cast<double>(out_width) + kProductsPerWeight);
  const double large = cost(4);
  const double small = cost(2);
  if (direct <= std::min(large, small)) return ConvKernel::kDirect;
  return large < small ? ConvKernel::kWinograd4 : ConvKernel::kWinograd2;
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
  if (allow_winograd) {
    const ConvKernel winograd = select_winograd(shape, out_height, out_width);
    if (winograd != ConvKernel::kDirect) return winograd;
  }
  const bool padded = shape.pad_top != 0 || shape.pad_left != 0 || shape.pad_bottom != 0 || shape.pad_right != 0;
  return shape.kernel_h == 1 && shape.kernel_w == 1 && !padded ? ConvKernel::kPointwise : ConvKernel::kDirect;
}

int64_t packed_conv_weights_size(const ConvShape& shape, ConvKernel kernel) {
  switch (kernel) {
    case ConvKernel::kDepthwise:
      return packed_depthwise_size(shape);
    case ConvKernel::kStem:
      return packed_stem_size(shape);
    case ConvKernel::kWinograd4:
    case ConvKernel::kWinograd2:
      return packed_winograd_size(shape, winograd_tile(kernel));
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
    case ConvKernel::kWinograd4:
    case ConvKernel::kWinograd2:
      return pack_winograd(shape, winograd_tile(kernel), weights, packed, parallel);
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
    rows.begin -= rows.begin % tile;
    rows.end = count_blocks(rows.end, tile) * tile;  // may lie beyond the output
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
  run.epilogue = &epilogue;
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
