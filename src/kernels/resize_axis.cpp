// Tables of source coordinates and weights; the formulas are those of ONNX's Resize.
#include <algorithm>
#include <cmath>

#include "kernels/resize.h"

namespace attune::kernels {
namespace {

float source_coordinate(const ResizeAxisSpec& spec, int64_t out) {
  const float x = static_cast<float>(out);
  const float in_size = static_cast<float>(spec.in_size);
  const float out_size = static_cast<float>(spec.out_size);
  if (spec.scale == 1.0F && spec.coordinates != ResizeCoordinates::kTfCropAndResize && spec.in_size == spec.out_size) {
    return x;
  }
  switch (spec.coordinates) {
    case ResizeCoordinates::kHalfPixel:
      return (x + 0.5F) / spec.scale - 0.5F;
    case ResizeCoordinates::kHalfPixelSymmetric: {
      // The scale asked for and the whole number of pixels differ: keep the centre in place.
      const float adjustment = out_size / (spec.scale * in_size);
      const float offset = in_size / 2.0F * (1.0F - adjustment);
      return static_cast<float>(offset + (x + 0.5) / spec.scale - 0.5);  // in double, as in onnxruntime
    }
    case ResizeCoordinates::kPytorchHalfPixel:
      return spec.out_size > 1 ? (x + 0.5F) / spec.scale - 0.5F : 0.0F;
    case ResizeCoordinates::kAlignCorners:
      return spec.out_size == 1 ? 0.0F : x * (in_size - 1.0F) / (out_size - 1.0F);
    case ResizeCoordinates::kAsymmetric:
      return x / spec.scale;
    case ResizeCoordinates::kTfHalfPixelForNn:
      return (x + 0.5F) / spec.scale;
    case ResizeCoordinates::kTfCropAndResize:
      break;
  }
  if (spec.out_size == 1) return 0.5F * (spec.roi_begin + spec.roi_end) * (in_size - 1.0F);
  return spec.roi_begin * (in_size - 1.0F) + x * (spec.roi_end - spec.roi_begin) * (in_size - 1.0F) / (out_size - 1.0F);
}

/// A half in exact arithmetic is one here, though the scale was rounded: as in onnxruntime.
bool is_half(float x) { return std::abs(x - std::floor(x) - 0.5F) <= 1e-6F; }

int64_t round_coordinate(ResizeRounding rounding, float x) {
  switch (rounding) {
    case ResizeRounding::kRoundPreferFloor:
      return static_cast<int64_t>(is_half(x) ? std::floor(x) : std::ceil(x - 0.5F));
    case ResizeRounding::kRoundPreferCeil:
      return static_cast<int64_t>(is_half(x) ? std::ceil(x) : std::floor(x + 0.5F));
    case ResizeRounding::kFloor:
      return static_cast<int64_t>(std::floor(x));
    case ResizeRounding::kCeil:
      break;
  }
  return static_cast<int64_t>(std::ceil(x));
}

float triangle_filter(float x) { return std::max(0.0F, 1.0F - std::abs(x)); }

// Keys' cubic convolution kernel.
float cubic_filter(float x, float a) {
  x = std::abs(x);
  if (x < 1.0F) return ((a + 2.0F) * x - (a + 3.0F)) * x * x + 1.0F;
  if (x < 2.0F) return ((a * x - 5.0F * a) * x + 8.0F * a) * x - 4.0F * a;
  return 0.0F;
}

// Not finite, or larger than any image, where a scale is tiny: any coordinate outside does.
float bound_coordinate(float x) { return std::isnan(x) ? 0.0F : std::clamp(x, -1e9F, 1e9F); }

class AxisBuilder {
 public:
  explicit AxisBuilder(const ResizeAxisSpec& spec) : spec_(spec) {
    // Shrinking with antialiasing widens the filter to as many pixels as an output stands for.
    const bool widened = spec.antialias && spec.mode != ResizeMode::kNearest && spec.scale < 1.0F;
    filter_scale_ = widened ? spec.scale : 1.0F;
    const float reach = spec.mode == ResizeMode::kCubic ? 2.0F : 1.0F;
    // An output is one pixel of at most in_size: a smaller scale comes with no outputs.
    support_ = std::min(reach / filter_scale_, reach * static_cast<float>(spec.in_size) + 2.0F);
    axis_.in_size = spec.in_size;
    axis_.out_size = spec.out_size;
    if (spec.mode == ResizeMode::kNearest) {
      axis_.taps = 1;
    } else {
      axis_.taps = widened ? static_cast<int64_t>(std::ceil(2.0F * support_)) + 1 : static_cast<int64_t>(2.0F * reach);
    }
    axis_.index.resize(static_cast<size_t>(axis_.taps * spec.out_size));
    if (spec.mode != ResizeMode::kNearest) axis_.weight.resize(axis_.index.size());
  }

  ResizeAxis build() {
    for (int64_t out = 0; out < spec_.out_size; ++out) {
      const float x = bound_coordinate(source_coordinate(spec_, out));
      if (spec_.coordinates == ResizeCoordinates::kTfCropAndResize &&
          (x < 0.0F || x > static_cast<float>(spec_.in_size - 1))) {
        axis_.outside.resize(static_cast<size_t>(spec_.out_size));
        axis_.outside[static_cast<size_t>(out)] = 1;
      }
      if (spec_.mode == ResizeMode::kNearest) {
        set_index(0, out, round_coordinate(spec_.rounding, x));
      } else if (spec_.mode == ResizeMode::kLinear && filter_scale_ == 1.0F) {
        set_linear(out, x);
      } else {
        set_filtered(out, x);
      }
    }
    return std::move(axis_);
  }

 private:
  size_t at(int64_t tap, int64_t out) const { return static_cast<size_t>(tap * spec_.out_size + out); }

  void set_index(int64_t tap, int64_t out, int64_t in) {
    axis_.index[at(tap, out)] = static_cast<int32_t>(std::clamp<int64_t>(in, 0, spec_.in_size - 1));
  }

  void set_linear(int64_t out, float x) {
    x = std::clamp(x, 0.0F, static_cast<float>(spec_.in_size - 1));
    const int64_t low = static_cast<int64_t>(x);
    const float share = x - static_cast<float>(low);
    set_index(0, out, low);
    set_index(1, out, low + 1);
    axis_.weight[at(0, out)] = 1.0F - share;
    axis_.weight[at(1, out)] = share;
  }

  // Source pixels around x weighted by the filter; those beyond the border count as the border pixel, or not at all.
  void set_filtered(int64_t out, float x) {
    const bool widened = filter_scale_ != 1.0F;
    const int64_t first = widened ? static_cast<int64_t>(std::floor(x - support_ + 1.0F))
                                  : static_cast<int64_t>(std::floor(x)) - axis_.taps / 2 + 1;
    float total = 0.0F;
    for (int64_t tap = 0; tap < axis_.taps; ++tap) {
      const int64_t in = first + tap;
      const float distance = (static_cast<float>(in) - x) * filter_scale_;
      float weight = spec_.mode == ResizeMode::kCubic ? cubic_filter(distance, spec_.cubic_coefficient)
                                                      : triangle_filter(distance);
      if (spec_.exclude_outside && (in < 0 || in >= spec_.in_size)) weight = 0.0F;
      set_index(tap, out, in);
      axis_.weight[at(tap, out)] = weight;
      total += weight;
    }
    if ((widened || spec_.exclude_outside) && total != 0.0F) {
      for (int64_t tap = 0; tap < axis_.taps; ++tap) axis_.weight[at(tap, out)] /= total;
    }
  }

  const ResizeAxisSpec& spec_;
  float filter_scale_ = 1.0F;
  float support_ = 1.0F;
  ResizeAxis axis_;
};

}  // namespace

ResizeAxis make_resize_axis(const ResizeAxisSpec& spec) { return AxisBuilder(spec).build(); }

RowRange resize_input_rows(const ResizeAxis& height, RowRange rows) {
  if (rows.begin >= rows.end || height.in_size == 0) return {0, 0};
  RowRange needed{height.in_size, 0};
  for (int64_t tap = 0; tap < height.taps; ++tap) {
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      const int64_t in = height.index[static_cast<size_t>(tap * height.out_size + y)];
      needed.begin = std::min(needed.begin, in);
      needed.end = std::max(needed.end, in + 1);
    }
  }
  return needed;
}

}  // namespace attune::kernels
