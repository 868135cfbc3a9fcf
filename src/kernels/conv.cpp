#include "kernels/conv.h"

#include <algorithm>

#include "kernels/conv_taps.h"
#include "kernels/simd.h"

namespace attune::kernels {
namespace {

TapLayer tap_layer(const ConvShape& shape) {
  return {shape.groups, shape.in_channels / shape.groups, shape.out_channels / shape.groups, shape.kernel_h,
          shape.kernel_w};
}

}  // namespace

ConvKernel select_conv_kernel(const ConvShape& shape, ImageLayout) {
  if (shape.groups > 1) {
    const bool whole_blocks = shape.out_channels / shape.groups % block_channels() == 0;
    return whole_blocks ? ConvKernel::kDirect : ConvKernel::kGrouped;
  }
  return shape.kernel_h == 1 && shape.kernel_w == 1 ? ConvKernel::kPointwise : ConvKernel::kDirect;
}

int64_t packed_conv_weights_size(const ConvShape& shape, ConvKernel) { return packed_taps_size(tap_layer(shape)); }

void pack_conv_weights(const ConvShape& shape, ConvKernel, const float* weights, float* packed, Parallel& parallel) {
  const int64_t taps = shape.kernel_h * shape.kernel_w;
  pack_taps(tap_layer(shape), weights, shape.in_channels / shape.groups * taps, taps, packed, parallel);
}

int64_t conv_workspace_size(const ConvShape&, ConvKernel, int) { return 0; }

RowRange conv_input_rows(const ConvShape& shape, RowRange rows) {
  if (rows.begin >= rows.end) return {0, 0};
  const int64_t begin = rows.begin * shape.stride_h - shape.pad_top;
  const int64_t end = (rows.end - 1) * shape.stride_h - shape.pad_top + (shape.kernel_h - 1) * shape.dilation_h + 1;
  const int64_t first = std::clamp<int64_t>(begin, 0, shape.in_h);
  return {first, std::max(first, std::min(end, shape.in_h))};
}

void run_conv(const ConvShape& shape, ConvKernel, const float* packed, const ConstImage& in, const Image& out,
              const ConvEpilogue& epilogue, RowRange rows, float*, Parallel& parallel) {
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
