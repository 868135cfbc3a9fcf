// Resizing of the height and width of fp32 images, plain or blocked (image.h), by tables of source pixels and weights.
//
// ONNX's coordinate and rounding modes, cubic coefficients and antialiasing differ only in the table of an axis; the
// kernels know none of them. A table depends on shapes alone and is made once for each.
//
// Thread safety: make_resize_axis() and run_resize() are pure functions of their arguments.
#pragma once

#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "kernels/image.h"

namespace attune::kernels {

/// ONNX Resize's coordinate_transformation_mode.
enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kTfCropAndResize,
  kTfHalfPixelForNn,  ///< opset 10 to 12
};

/// ONNX Resize's nearest_mode.
enum class ResizeRounding : uint8_t { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

enum class ResizeMode : uint8_t { kNearest, kLinear, kCubic };

/// How one axis is resized.
struct ResizeAxisSpec {
  int64_t in_size = 1;
  int64_t out_size = 1;
  float scale = 1.0F;  ///< as the model gives it; out_size / in_size if it gives sizes
  ResizeMode mode = ResizeMode::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  ResizeRounding rounding = ResizeRounding::kRoundPreferFloor;  ///< kNearest only
  float cubic_coefficient = -0.75F;                             ///< kCubic only
  bool exclude_outside = false;                                 ///< kCubic only
  bool antialias = false;                                       ///< kLinear and kCubic, when shrinking
  float roi_begin = 0.0F;                                       ///< kTfCropAndResize only, as a share of the input
  float roi_end = 1.0F;
};

/// For each output coordinate `taps` source coordinates, each in [0, in_size), and their weights.
struct ResizeAxis {
  int64_t in_size = 0;
  int64_t out_size = 0;
  int64_t taps = 0;              ///< 1 nearest, 2 linear, 4 cubic, more with antialiasing
  std::vector<int32_t> index;    ///< [taps][out_size]
  std::vector<float> weight;     ///< [taps][out_size]; empty for nearest, whose weights are 1
  std::vector<uint8_t> outside;  ///< [out_size], 1 where kTfCropAndResize extrapolates; empty if nowhere
};

/// Coordinates are computed in single precision and in onnxruntime's order of operations, so that a coordinate between
/// two pixels rounds to the same side.
ResizeAxis make_resize_axis(const ResizeAxisSpec& spec);

/// The input rows that output rows `rows` read.
RowRange resize_input_rows(const ResizeAxis& height, RowRange rows);

/// Resizes rows `rows` of `batch` images of `channels` channels. Both images have `layout`; `in` and `out` are the
/// addresses of row 0 even if that row is not in memory. Pixels outside are `extrapolation_value`.
void run_resize(int64_t batch, int64_t channels, const ResizeAxis& height, const ResizeAxis& width, ImageLayout layout,
                const ConstImage& in, const Image& out, float extrapolation_value, RowRange rows, Parallel& parallel);

}  // namespace attune::kernels
