#include "kernels/conv.h"

#include "kernels/conv_stem.h"
#include "kernels/conv_taps.h"
#include "kernels/conv_window.h"
#include "kernels/depthwise.h"
#include "kernels/simd.h"
#include "kernels/winograd.h"

namespace attune::kernels {
namespace {

constexpr int64_t kWinogradChannels = 32;
constexpr int64_t kWinogradPairs = 256 * 256;
constexpr int64_t kWinogradTilePixels = kWinogradTile * kWinogradTile;

// The rule that conv.h states.
bool winograd_pays(const ConvShape& shape, int64_t out_pixels) {
  const bool fits = shape.groups == 1 && shape.kernel_h == 3 && shape.kernel_w == 3 && shape.stride_h == 1 &&
                    shape.stride_w == 1 && shape.dilation_h == 1 && shape.dilation_w == 1;
  if (!fits || shape.in_channels < kWinogradChannels || shape.out_channels < kWinogradChannels) return false;
  if (out_pixels != 0 && out_pixels < 9 * kWinogradTilePixels) return false;
  return shape.in_channels * shape.out_channels <= kWinogradPairs || out_pixels >= 25 * kWinogradTilePixels;
}

TapLayer tap_layer(const ConvShape& shape) {
  return {shape.groups, shape.in_channels / shape.groups, shape.out_channels / shape.groups, shape.kernel_h,
          shape.kernel_w};
}

}  // namespace

ConvKernel select_conv_kernel(const ConvShape& shape, ImageLayout input, int64_t out_pixels, bool allow_winograd) {
  if (input == ImageLayout::kPlain && stem_fits(shape)) return ConvKernel::kStem;
  if (shape.groups > 1) {
    if (shape.groups == shape.in_channels && shape.groups == shape.out_channels) return ConvKernel::kDepthwise;
    const bool whole_blocks = shape.out_channels / shape.groups % block_channels() == 0;
    return whole_blocks ? ConvKernel::kDirect : ConvKernel::kGrouped;
  }
  if (allow_winograd && winograd_pays(shape, out_pixels)) return ConvKernel::kWinograd;
  const bool padded = shape.pad_top != 0 || shape.pad_left != 0 || shape.pad_bottom != 0 || shape.pad_right != 0;
  return shape.kernel_h == 1 && shape.kernel_w == 1 && !padded ? ConvKernel::kPointwise : ConvKernel::kDirect;
}

int64_t packed_conv_weights_size(const ConvShape& shape, ConvKernel kernel) {
  switch (kernel) {
    case ConvKernel::kDepthwise:
      return packed_depthwise_size(shape);
    case ConvKernel::kStem:
      return packed_stem_size(shape);
    case ConvKernel::kWinograd:
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
    case ConvKernel::kWinograd:
      return pack_winograd(shape, weights, packed, parallel);
    default: {
      const int64_t taps = shape.kernel_h * shape.kernel_w;
      pack_taps(tap_layer(shape), weights, shape.in_channels / shape.groups * taps, taps, packed, parallel);
    }
  }
}

int64_t conv_workspace_size(const ConvShape& shape, ConvKernel kernel, int threads) {
  return kernel == ConvKernel::kWinograd ? winograd_workspace_size(shape, threads) : 0;
}

RowRange conv_input_rows(const ConvShape& shape, ConvKernel kernel, RowRange rows) {
  if (kernel == ConvKernel::kWinograd) {
    rows.begin -= rows.begin % kWinogradTile;
    rows.end = count_blocks(rows.end, kWinogradTile) * kWinogradTile;  // may lie beyond the output
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
  if (kernel == ConvKernel::kWinograd) {
    return run_winograd(shape, packed, in, out, epilogue, rows, workspace, parallel);
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
