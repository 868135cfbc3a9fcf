#include "kernels/conv_transpose.h"

#include <algorithm>
#include <numeric>

#include "kernels/conv_taps.h"

namespace attune::kernels {
namespace {

TapLayer tap_layer(const ConvTransposeShape& shape) {
  return {shape.groups, shape.in_channels / shape.groups, shape.out_channels / shape.groups, shape.kernel_h,
          shape.kernel_w};
}

// One axis of a transposed convolution: input i adds to output i * stride - pad + k * dilation through kernel
// coordinate k.
struct TransposedAxis {
  int64_t in_size;
  int64_t kernel;
  int64_t stride;
  int64_t dilation;
  int64_t pad;
};

// The outputs in [begin, end) that are `phase` modulo the stride, as a grid. With o = out_first + g * stride, a tap k
// reads input (o + pad - k * dilation) / stride where that is whole: every step-th k from the first such one.
TapAxis phase_axis(const TransposedAxis& axis, int64_t phase, int64_t begin, int64_t end) {
  TapAxis grid;
  grid.out_step = axis.stride;
  grid.out_first = begin + (phase - begin % axis.stride + axis.stride) % axis.stride;
  grid.out_count = grid.out_first < end ? (end - grid.out_first - 1) / axis.stride + 1 : 0;
  grid.in_step = 1;
  const int64_t origin = grid.out_first + axis.pad;
  const int64_t step = axis.stride / std::gcd(axis.stride, axis.dilation);
  int64_t first = 0;
  const int64_t candidates = std::min(step, axis.kernel);
  while (first < candidates && (origin - first * axis.dilation) % axis.stride != 0) ++first;
  if (first == candidates) return grid;  // no tap reaches this phase: taps = 0, outputs are the bias
  grid.kernel_first = first;
  grid.kernel_step = step;
  grid.taps = (axis.kernel - first - 1) / step + 1;
  grid.tap_first = (origin - first * axis.dilation) / axis.stride;
  grid.tap_step = -(step * axis.dilation / axis.stride);
  return grid;
}

TransposedAxis vertical_axis(const ConvTransposeShape& shape) {
  return {shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
}

}  // namespace

int64_t packed_conv_transpose_weights_size(const ConvTransposeShape& shape) {
  return packed_taps_size(tap_layer(shape));
}

void pack_conv_transpose_weights(const ConvTransposeShape& shape, const float* weights, float* packed,
                                 Parallel& parallel) {
  const int64_t taps = shape.kernel_h * shape.kernel_w;
  pack_taps(tap_layer(shape), weights, taps, shape.out_channels / shape.groups * taps, packed, parallel);
}

RowRange conv_transpose_input_rows(const ConvTransposeShape& shape, RowRange rows) {
  if (rows.begin >= rows.end) return {0, 0};
  const TransposedAxis axis = vertical_axis(shape);
  const auto floor_divide = [](int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); };
  // Rounded outwards: the rows at the ends may not be whole multiples of the stride.
  const int64_t lowest = floor_divide(rows.begin + axis.pad - (axis.kernel - 1) * axis.dilation, axis.stride);
  const int64_t highest = floor_divide(rows.end - 1 + axis.pad, axis.stride);
  const int64_t begin = std::clamp<int64_t>(lowest, 0, axis.in_size);
  return {begin, std::clamp<int64_t>(highest + 1, begin, axis.in_size)};
}

void run_conv_transpose(const ConvTransposeShape& shape, const float* packed, const ConstImage& in, const Image& out,
                        const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel) {
  TapRun run;
  run.layer = tap_layer(shape);
  run.batch = shape.batch;
  run.in_h = shape.in_h;
  run.in_w = shape.in_w;
  run.packed = packed;
  run.in = in;
  run.out = out;
  run.epilogue = &epilogue;
  const TransposedAxis y = vertical_axis(shape);
  const TransposedAxis x{shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w, shape.pad_left};
  const auto grid = [&](int64_t phase) {
    return TapGrid{phase_axis(y, phase / shape.stride_w, rows.begin, rows.end),
                   phase_axis(x, phase % shape.stride_w, 0, shape.out_w)};
  };
  run_taps(run, shape.stride_h * shape.stride_w, grid, parallel);
}

}  // namespace attune::kernels
