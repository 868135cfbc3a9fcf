// DeformConv: https://onnx.ai/onnx/operators/onnx__DeformConv.html, versions 19 to 22, two spatial axes.
// RoiAlign: https://onnx.ai/onnx/operators/onnx__RoiAlign.html, versions 10 to 22. Both read images between pixels.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/element_types.h"
#include "ops/op_def.h"
#include "ops/window.h"

namespace attune::ops {
namespace {

/// Four pixels and their weights.
template <class T>
struct Corners {
  std::array<int64_t, 4> offset{};
  std::array<T, 4> weight{};

  T interpolate(const T* image) const {
    return weight[0] * image[offset[0]] + weight[1] * image[offset[1]] + weight[2] * image[offset[2]] +
           weight[3] * image[offset[3]];
  }
  T largest(const T* image) const {
    return std::max({weight[0] * image[offset[0]], weight[1] * image[offset[1]], weight[2] * image[offset[2]],
                     weight[3] * image[offset[3]]});
  }
};

class DeformConv final : public Operator {
 public:
  explicit DeformConv(const Node& node)
      : window_(Window::parse(node)), groups_(parse_groups(node)), offset_groups_(parse_groups(node, "offset_group")) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0) || !context.has_shape(1) || !context.has_shape(2)) return;
    const Shape& x = context.shape(0);
    const Shape& w = context.shape(1);
    const Shape& offset = context.shape(2);
    if (x.rank() != 4 || w.rank() != 4 || offset.rank() != 4) {
      throw Error(x.rank() == w.rank() ? ErrorCode::kNotImplemented : ErrorCode::kInvalidGraph,
                  fmt::format("DeformConv of shapes {}, {} and {}: two spatial axes are supported.", x.to_string(),
                              w.to_string(), offset.to_string()));
    }
    window_.check_rank(2);
    if (x.is_concrete() && w.is_concrete() && offset.is_concrete()) {
      return context.set_output(0, context.type(0), resolve(x, w, offset).output);
    }
    context.set_output(0, context.type(0), Shape{x[0], w[0], offset[2], offset[3]});
  }

  void run(RunContext& context) const override {
    const Problem problem = resolve(context.input(0).shape(), context.input(1).shape(), context.input(2).shape());
    const Shape& y = problem.output;
    if (context.has_input(3)) check_input(context.input(3), Shape{y[1]}, "bias");
    if (context.has_input(4)) {
      check_input(context.input(4), Shape{y[0], offset_groups_ * problem.taps, y[2], y[3]}, "mask");
    }
    visit_type<float, double>(context.input(0).type,
                              [&](auto tag) { convolve<typename decltype(tag)::type>(context, problem); });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(inputs[1].shape().product(1, 4));
  }

 private:
  struct Problem {
    Shape output;
    WindowAxis vertical;
    WindowAxis horizontal;
    int64_t taps;
  };

  static void check_input(const TensorView& view, const Shape& wanted, std::string_view name) {
    if (view.shape() == wanted) return;
    throw Error(ErrorCode::kInvalidArgument, fmt::format("DeformConv: the {} has shape {}, not {}.", name,
                                                         view.shape().to_string(), wanted.to_string()));
  }

  Problem resolve(const Shape& x, const Shape& w, const Shape& offset) const {
    Problem problem{{}, window_.resolve(0, w[2], x[2]), window_.resolve(1, w[3], x[3]), w[2] * w[3]};
    problem.output = Shape{x[0], w[0], problem.vertical.output, problem.horizontal.output};
    const bool may_divide = std::max(groups_, offset_groups_) <= std::max<int64_t>(x[1], 1);
    const Shape wanted{x[0], may_divide ? offset_groups_ * problem.taps * 2 : 0, problem.output[2], problem.output[3]};
    if (!may_divide || !(offset == wanted) || x[1] != w[1] * groups_ || w[0] % groups_ != 0 ||
        x[1] % offset_groups_ != 0) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("DeformConv: X {}, W {}, offset {} with group {} and offset_group {}.", x.to_string(),
                              w.to_string(), offset.to_string(), groups_, offset_groups_));
    }
    return problem;
  }

  /// Zero beyond the image.
  template <class T>
  static Corners<T> corners_at(T row, T column, int64_t height, int64_t width, T factor) {
    Corners<T> corners;
    if (!(row > T{-1} && column > T{-1} && row < static_cast<T>(height) && column < static_cast<T>(width)))
      return corners;
    const T top = std::floor(row);
    const T left = std::floor(column);
    const T down = row - top;
    const T right = column - left;
    const std::array<T, 4> weights{(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right};
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t y = static_cast<int64_t>(top) + i / 2;
      const int64_t x = static_cast<int64_t>(left) + i % 2;
      if (y < 0 || x < 0 || y >= height || x >= width) continue;
      corners.offset[static_cast<size_t>(i)] = y * width + x;
      corners.weight[static_cast<size_t>(i)] = weights[static_cast<size_t>(i)] * factor;
    }
    return corners;
  }

  template <class T>
  void convolve(RunContext& context, const Problem& problem) const {
    const TensorView& x = context.input(0);
    const TensorView& w = context.input(1);
    const Shape& y = problem.output;
    const int64_t pixels = y[2] * y[3];
    const int64_t image = x.dim(2) * x.dim(3);
    const int64_t channels = x.dim(1);
    const int64_t each = channels / offset_groups_;
    const int64_t columns = channels * problem.taps;
    const int64_t group_columns = columns / groups_;
    const int64_t group_outputs = y[1] / groups_;
    const T* offsets = context.input(2).as<T>();
    const T* masks = context.has_input(4) ? context.input(4).as<T>() : nullptr;
    for_ranges(context.parallel(), y[0] * pixels,
               std::max<int64_t>(1, 65536 / std::max<int64_t>(columns * group_outputs, 1)),
               [&](int64_t begin, int64_t end, int) {
                 std::vector<T> sampled(static_cast<size_t>(columns));
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t sample = i / pixels;
                   const int64_t pixel = i % pixels;
                   for (int64_t group = 0; group < offset_groups_; ++group) {
                     for (int64_t tap = 0; tap < problem.taps; ++tap) {
                       const int64_t place = (sample * offset_groups_ + group) * problem.taps + tap;
                       const int64_t y_row = pixel / y[3];
                       const int64_t tap_row = tap / problem.horizontal.kernel;
                       const T row = static_cast<T>(y_row * problem.vertical.stride - problem.vertical.pad_begin +
                                                    tap_row * problem.vertical.dilation) +
                                     offsets[place * 2 * pixels + pixel];
                       const T column =
                           static_cast<T>(pixel % y[3] * problem.horizontal.stride - problem.horizontal.pad_begin +
                                          tap % problem.horizontal.kernel * problem.horizontal.dilation) +
                           offsets[(place * 2 + 1) * pixels + pixel];
                       const T factor = masks == nullptr ? T{1} : masks[place * pixels + pixel];
                       const Corners<T> corners = corners_at(row, column, x.dim(2), x.dim(3), factor);
                       for (int64_t c = group * each; c < (group + 1) * each; ++c) {
                         sampled[static_cast<size_t>(c * problem.taps + tap)] =
                             image == 0 ? T{0} : corners.interpolate(x.as<T>() + (sample * channels + c) * image);
                       }
                     }
                   }
                   for (int64_t m = 0; m < y[1]; ++m) {
                     T sum = context.has_input(3) ? context.input(3).as<T>()[m] : T{0};
                     const T* in = sampled.data() + m / group_outputs * group_columns;
                     const T* weights = w.as<T>() + m * group_columns;
                     for (int64_t k = 0; k < group_columns; ++k) sum += weights[k] * in[k];
                     context.output(0).as<T>()[(sample * y[1] + m) * pixels + pixel] = sum;
                   }
                 }
               });
  }

  Window window_;
  int64_t groups_;
  int64_t offset_groups_;
};

class RoiAlign final : public Operator {
 public:
  explicit RoiAlign(const Node& node)
      : height_(node.attributes.get_int("output_height", 1)),
        width_(node.attributes.get_int("output_width", 1)),
        samples_(node.attributes.get_int("sampling_ratio", 0)),
        scale_(node.attributes.get_float("spatial_scale", 1.0F)) {
    const std::string mode = node.attributes.get_string("mode", "avg");
    is_max_ = mode == "max";
    // Before version 16 there was no half pixel to shift by.
    const std::string transform = node.attributes.get_string("coordinate_transformation_mode",
                                                             node.version >= 16 ? "half_pixel" : "output_half_pixel");
    half_pixel_ = transform == "half_pixel";
    if ((!is_max_ && mode != "avg") || (!half_pixel_ && transform != "output_half_pixel")) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("RoiAlign: mode '{}', coordinates '{}'.", mode, transform));
    }
    constexpr int64_t kMost = 1 << 16;
    if (height_ < 1 || width_ < 1 || samples_ < 0 || height_ > kMost || width_ > kMost || samples_ > kMost) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("RoiAlign: an output of {} x {} with {} samples.", height_, width_, samples_));
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0) || !context.has_shape(1)) return;
    const Shape& x = context.shape(0);
    const Shape& rois = context.shape(1);
    if (x.rank() != 4 || rois.rank() != 2 || (is_known(rois[1]) && rois[1] != 4)) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("RoiAlign: X of shape {} and rois of shape {}.", x.to_string(), rois.to_string()));
    }
    int64_t count = rois[0];
    if (context.has_shape(2)) {
      if (context.shape(2).rank() != 1) throw Error(ErrorCode::kInvalidGraph, "RoiAlign: batch_indices has one axis.");
      count = agree_dims(count, context.shape(2)[0], "Numbers of rois and batch_indices");
    }
    context.set_output(0, context.type(0), Shape{count, x[1], height_, width_});
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) { align<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void align(RunContext& context) const {
    const TensorView& x = context.input(0);
    const int64_t image = x.dim(2) * x.dim(3);
    const int64_t channels = x.dim(1);
    for_ranges(context.parallel(), context.input(1).dim(0), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t roi = begin; roi < end; ++roi) {
        const int64_t sample = context.input(2).as<int64_t>()[roi];
        if (sample < 0 || sample >= x.dim(0)) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("RoiAlign: batch index {} of a batch of {}.", sample, x.dim(0)));
        }
        T* out = context.output(0).as<T>() + roi * channels * height_ * width_;
        if (image == 0) {
          std::fill_n(out, channels * height_ * width_, T{0});
          continue;
        }
        align_roi(context.input(1).as<T>() + roi * 4, x.as<T>() + sample * channels * image, channels, x.dim(2),
                  x.dim(3), out);
      }
    });
  }

  template <class T>
  void align_roi(const T* roi, const T* in, int64_t channels, int64_t rows, int64_t columns, T* out) const {
    const T scale = static_cast<T>(scale_);
    const T shift = half_pixel_ ? T(0.5) : T{0};
    const T left = roi[0] * scale - shift;
    const T top = roi[1] * scale - shift;
    T width = roi[2] * scale - shift - left;
    T height = roi[3] * scale - shift - top;
    if (!half_pixel_) {  // malformed ones become one pixel
      width = std::max(width, T{1});
      height = std::max(height, T{1});
    }
    const T bin_height = height / static_cast<T>(height_);
    const T bin_width = width / static_cast<T>(width_);
    const int64_t down = sample_count(bin_height);
    const int64_t across = sample_count(bin_width);
    const T count = static_cast<T>(std::max<int64_t>(down * across, 1));
    std::vector<Corners<T>> corners(static_cast<size_t>(across));  // of one row of samples
    std::vector<T> results(static_cast<size_t>(channels));
    for (int64_t bin = 0; bin < height_ * width_; ++bin) {
      const int64_t bin_row = bin / width_;
      std::fill(results.begin(), results.end(), T{0});
      for (int64_t row = 0; row < (across > 0 ? down : 0); ++row) {
        const T y = top + static_cast<T>(bin_row) * bin_height +
                    (static_cast<T>(row) + T(0.5)) * bin_height / static_cast<T>(down);
        // All samples of a row beyond the image are 0, as the first is.
        const int64_t taken = is_near(y, rows) ? across : 1;
        for (int64_t i = 0; i < taken; ++i) {
          const T x = left + static_cast<T>(bin % width_) * bin_width +
                      (static_cast<T>(i) + T(0.5)) * bin_width / static_cast<T>(across);
          corners[static_cast<size_t>(i)] = corners_at(y, x, rows, columns);
        }
        for (int64_t c = 0; c < channels; ++c) {
          const T* image = in + c * rows * columns;
          T& result = results[static_cast<size_t>(c)];
          for (int64_t i = 0; i < taken; ++i) {
            const Corners<T>& corner = corners[static_cast<size_t>(i)];
            if (is_max_) {
              const T value = corner.largest(image);
              result = row == 0 && i == 0 ? value : std::max(result, value);
            } else {
              result += corner.interpolate(image);
            }
          }
        }
      }
      for (int64_t c = 0; c < channels; ++c) {
        const T result = results[static_cast<size_t>(c)];
        out[c * height_ * width_ + bin] = is_max_ ? result : result / count;
      }
    }
  }

  template <class T>
  int64_t sample_count(T bin) const {
    if (samples_ > 0) return samples_;
    constexpr T kMost = 4096;  // a box beyond any image
    const T count = std::ceil(bin);
    return count > T{0} ? static_cast<int64_t>(std::min(count, kMost)) : 0;
  }

  template <class T>
  static bool is_near(T place, int64_t side) {
    return place >= T{-1} && place <= static_cast<T>(side);
  }

  /// The border pixel continues for one pixel; zero beyond.
  template <class T>
  static Corners<T> corners_at(T y, T x, int64_t rows, int64_t columns) {
    Corners<T> corners;
    if (!is_near(y, rows) || !is_near(x, columns)) return corners;
    y = std::clamp(y, T{0}, static_cast<T>(rows - 1));
    x = std::clamp(x, T{0}, static_cast<T>(columns - 1));
    const auto top = static_cast<int64_t>(y);
    const auto left = static_cast<int64_t>(x);
    const int64_t bottom = std::min(top + 1, rows - 1);
    const int64_t right = std::min(left + 1, columns - 1);
    const T ly = y - static_cast<T>(top);
    const T lx = x - static_cast<T>(left);
    corners.offset = {top * columns + left, top * columns + right, bottom * columns + left, bottom * columns + right};
    corners.weight = {(1 - ly) * (1 - lx), (1 - ly) * lx, ly * (1 - lx), ly * lx};
    return corners;
  }

  int64_t height_;
  int64_t width_;
  int64_t samples_;
  float scale_;
  bool is_max_ = false;
  bool half_pixel_ = true;
};

}  // namespace

[[gnu::cold]] const OpDef& deform_conv() {
  static const OpDef def{
      .name = "DeformConv",
      .since = 19,
      .inputs = {{"X", "T"},
                 {"W", "T"},
                 {"offset", "T"},
                 {"B", "T", Occurrence::kOptional},
                 {"mask", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<DeformConv>,
      .flushes_denormals = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& roi_align() {
  static const OpDef def{
      .name = "RoiAlign",
      .since = 10,
      .inputs = {{"X", "T1"}, {"rois", "T1"}, {"batch_indices", "T2"}},
      .outputs = {{"Y", "T1"}},
      .types = {{"T1", kFloats}, {"T2", {DataType::kInt64}}},
      .make = make_operator<RoiAlign>,
  };
  return def;
}

}  // namespace attune::ops
