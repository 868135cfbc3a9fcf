// Resize: https://onnx.ai/onnx/operators/onnx__Resize.html, versions 10 to 19. float16, bfloat16 and strings are not
// supported yet. With tf_crop_and_resize and scales the region of interest does not enter the output's size, as in
// onnxruntime.
// Upsample: https://onnx.ai/onnx/operators/onnx__Upsample.html, versions 7 and 9.
//
// Float tensors of which the last two axes change go to the kernel, plain or blocked; everything else, axis by axis, to
// resize_loop.h.
#include "kernels/resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/image_view.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "ops/resize_loop.h"

namespace attune::ops {
namespace {

using kernels::ResizeAxis;
using kernels::ResizeAxisSpec;
using kernels::ResizeCoordinates;
using kernels::ResizeMode;
using kernels::ResizeRounding;

enum class AspectRatio : uint8_t { kStretch, kNotLarger, kNotSmaller };

/// One of an attribute's values by its name.
template <class T>
T parse_name(const Node& node, std::string_view attribute, std::string_view fallback,
             std::initializer_list<std::pair<std::string_view, T>> names) {
  const std::string given = node.attributes.get_string(attribute, fallback);
  for (const auto& [name, value] : names) {
    if (name == given) return value;
  }
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Attribute {} is '{}', which is unknown.", attribute, given));
}

/// The values of an input that may be absent or empty, or of an attribute.
class Floats {
 public:
  Floats() = default;
  Floats(const void* data, DataType type, int64_t count) : data_(data), type_(type), count_(count) {}
  static Floats of(const TensorView& view) { return view ? Floats{view.data, view.type, view.elements()} : Floats{}; }
  explicit operator bool() const { return count_ > 0; }
  int64_t count() const { return count_; }
  /// A constant in a file may lie at any address.
  float operator[](int64_t i) const {
    if (type_ == DataType::kDouble) return static_cast<float>(read<double>(i));
    return read<float>(i);
  }

 private:
  template <class T>
  T read(int64_t i) const {
    T value;
    std::memcpy(&value, static_cast<const std::byte*>(data_) + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    return value;
  }

  const void* data_ = nullptr;
  DataType type_ = DataType::kFloat;
  int64_t count_ = 0;
};

/// What becomes of one axis.
struct AxisPlan {
  int64_t output = 0;
  float scale = 1.0F;
  float roi_begin = 0.0F;
  float roi_end = 1.0F;
};

class Resize final : public Operator {
 public:
  explicit Resize(const Node& node) {
    const Attributes& attributes = node.attributes;
    mode_ = parse_name<ResizeMode>(node, "mode", "nearest",
                                   {{"nearest", ResizeMode::kNearest},
                                    {"linear", ResizeMode::kLinear},
                                    {"bilinear", ResizeMode::kLinear},  // early exporters of Upsample
                                    {"cubic", ResizeMode::kCubic}});
    if (node.op_type == "Upsample" || node.version < 11) {
      is_old_ = true;
      coordinates_ = ResizeCoordinates::kAsymmetric;
      scales_input_ = 1;
      if (node.op_type == "Upsample" && node.version < 9) {
        scales_input_ = kNoInput;
        const auto scales = attributes.get_floats("scales");
        fixed_scales_.assign(scales.begin(), scales.end());
        if (fixed_scales_.empty()) throw Error(ErrorCode::kInvalidGraph, "Required attribute 'scales' is missing.");
      }
      return;
    }
    roi_input_ = 1;
    scales_input_ = 2;
    sizes_input_ = 3;
    coordinates_ = parse_name<ResizeCoordinates>(node, "coordinate_transformation_mode", "half_pixel",
                                                 {{"half_pixel", ResizeCoordinates::kHalfPixel},
                                                  {"half_pixel_symmetric", ResizeCoordinates::kHalfPixelSymmetric},
                                                  {"pytorch_half_pixel", ResizeCoordinates::kPytorchHalfPixel},
                                                  {"align_corners", ResizeCoordinates::kAlignCorners},
                                                  {"asymmetric", ResizeCoordinates::kAsymmetric},
                                                  {"tf_crop_and_resize", ResizeCoordinates::kTfCropAndResize},
                                                  {"tf_half_pixel_for_nn", ResizeCoordinates::kTfHalfPixelForNn}});
    rounding_ = parse_name<ResizeRounding>(node, "nearest_mode", "round_prefer_floor",
                                           {{"round_prefer_floor", ResizeRounding::kRoundPreferFloor},
                                            {"round_prefer_ceil", ResizeRounding::kRoundPreferCeil},
                                            {"floor", ResizeRounding::kFloor},
                                            {"ceil", ResizeRounding::kCeil},
                                            {"", ResizeRounding::kRoundPreferFloor}});
    ratio_ = parse_name<AspectRatio>(node, "keep_aspect_ratio_policy", "stretch",
                                     {{"stretch", AspectRatio::kStretch},
                                      {"not_larger", AspectRatio::kNotLarger},
                                      {"not_smaller", AspectRatio::kNotSmaller}});
    const auto axes = attributes.get_ints("axes");
    axes_.assign(axes.begin(), axes.end());
    antialias_ = attributes.get_int("antialias", 0) != 0;
    exclude_outside_ = attributes.get_int("exclude_outside", 0) != 0;
    cubic_coefficient_ = attributes.get_float("cubic_coeff_a", -0.75F);
    extrapolation_value_ = attributes.get_float("extrapolation_value", 0.0F);
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    const Shape& x = context.shape(0);
    const std::vector<int> axes = chosen_axes(x.rank());
    const Floats scales = known_floats(context, scales_input_);
    Shape y = x;
    if (scales) {
      check_count("scales", scales.count(), axes.size());
      for (size_t i = 0; i < axes.size(); ++i) {
        int64_t& dim = y[axes[i]];
        const float scale = checked_scale(scales[static_cast<int64_t>(i)]);
        if (is_known(dim)) {
          dim = scaled_size(dim, scale);
        } else if (scale != 1.0F) {
          dim = context.fresh_dim();
        }
      }
      return context.set_output(0, context.type(0), y);
    }
    std::optional<Shape> sizes;
    if (sizes_input_ != kNoInput) sizes = context.elements(sizes_input_);
    if (sizes && sizes->rank() > 0) {
      check_count("sizes", sizes->rank(), axes.size());
      infer_sizes(context, axes, *sizes, y);
      return context.set_output(0, context.type(0), y);
    }
    for (const int axis : axes) y[axis] = context.fresh_dim();
    context.set_output(0, context.type(0), y);
  }

  void prepare(PrepareContext& context) override {
    if (!context.input(0).has_shape) return;
    const std::vector<int> axes = chosen_axes(context.input(0).shape.rank());
    const auto batch = std::find(axes.begin(), axes.end(), 0);
    keeps_batch_ = batch == axes.end();
    if (keeps_batch_ || coordinates_ == ResizeCoordinates::kTfCropAndResize) return;
    // Sizes would speak of the whole batch; a scale of one does not.
    Floats scales = fixed_scales_.empty() ? Floats{} : fixed_scales();
    if (scales_input_ != kNoInput && context.has_input(scales_input_)) {
      const Tensor* given = context.input(scales_input_).constant;
      if (given != nullptr) scales = {given->raw(), given->type(), given->elements()};
    }
    const auto at = static_cast<int64_t>(batch - axes.begin());
    keeps_batch_ = scales.count() > at && scales[at] == 1.0F;
  }

  void choose_layouts(LayoutContext& context) const override {
    if (context.current(0) != Layout::kBlocked || context.input(0).type != DataType::kFloat) return;
    const ValueInfo& x = context.input(0);
    if (!x.has_shape || !keeps_leading_axes(context, x.shape)) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return keeps_batch_ ? batch_of_first(inputs, outputs) : 0;
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const std::vector<AxisPlan> plan = make_plan(context);
    Shape shape;
    for (const AxisPlan& axis : plan) shape.push_back(axis.output);
    const TensorView y = output_of_shape(context, 0, shape);
    if (shape.elements() > 0) resize(x, y, plan, context.parallel());
  }

  double flops(std::span<const TensorView>, std::span<const TensorView> outputs) const override {
    if (outputs[0].dims == nullptr || !outputs[0].shape().is_concrete()) return 0.0;
    const double taps = mode_ == ResizeMode::kNearest ? 1.0 : mode_ == ResizeMode::kLinear ? 8.0 : 32.0;
    return taps * static_cast<double>(outputs[0].elements());
  }

 private:
  static constexpr int kNoInput = -1;

  Floats known_floats(const InferContext& context, int input) const {
    if (input == scales_input_ && !fixed_scales_.empty()) return fixed_scales();
    const Tensor* tensor = input == kNoInput ? nullptr : context.constant(input);
    return tensor == nullptr ? Floats{} : Floats{tensor->raw(), tensor->type(), tensor->elements()};
  }
  Floats fixed_scales() const {
    return {fixed_scales_.data(), DataType::kFloat, static_cast<int64_t>(fixed_scales_.size())};
  }

  static void check_count(std::string_view name, int64_t count, size_t wanted) {
    if (count == static_cast<int64_t>(wanted)) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Resize: {} has {} values where {} are needed.", name, count, wanted));
  }

  static float checked_scale(float scale) {
    if (scale > 0.0F && std::isfinite(scale)) return scale;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Scale value should be greater than 0, not {}.", scale));
  }

  /// A size that a kernel's 32-bit indices can hold.
  static int64_t checked_size(double size) {
    if (size >= 0.0 && size < 2147483648.0) return static_cast<int64_t>(size);
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Resize: an axis of size {} cannot be made.", size));
  }

  std::vector<int> chosen_axes(int rank) const {
    if (!axes_.empty()) return resolve_axes(axes_, rank);
    std::vector<int> all;
    for (int axis = 0; axis < rank; ++axis) all.push_back(axis);
    return all;
  }

  /// As onnxruntime computes it, in single precision.
  static int64_t scaled_size(int64_t input, float scale) {
    return checked_size(std::floor(double{scale * static_cast<float>(input)}));
  }

  /// The one scale that keeps the aspect ratio.
  float common_scale(const Shape& x, const std::vector<int>& axes, const Shape& sizes) const {
    float scale = 0.0F;
    for (size_t i = 0; i < axes.size(); ++i) {
      const float own = static_cast<float>(sizes[static_cast<int>(i)]) / static_cast<float>(x[axes[i]]);
      if (i == 0) scale = own;
      scale = ratio_ == AspectRatio::kNotLarger ? std::min(scale, own) : std::max(scale, own);
    }
    return scale;
  }

  static int64_t rounded_size(int64_t input, float scale) {
    return checked_size(std::floor(double{scale * static_cast<float>(input)} + 0.5));
  }

  void infer_sizes(InferContext& context, const std::vector<int>& axes, const Shape& sizes, Shape& y) const {
    const Shape x = y;
    bool known = true;
    for (size_t i = 0; i < axes.size(); ++i) {
      known = known && is_known(x[axes[i]]) && x[axes[i]] > 0 && is_known(sizes[static_cast<int>(i)]);
    }
    for (size_t i = 0; i < axes.size(); ++i) {
      int64_t dim = sizes[static_cast<int>(i)];
      if (is_known(dim)) checked_size(static_cast<double>(dim));
      if (ratio_ != AspectRatio::kStretch) {
        dim = known ? rounded_size(x[axes[i]], common_scale(x, axes, sizes)) : kUnknownDim;
      }
      y[axes[i]] = dim == kUnknownDim ? context.fresh_dim() : dim;
    }
  }

  std::vector<AxisPlan> make_plan(const RunContext& context) const {
    const Shape& x = context.input(0).shape();
    const std::vector<int> axes = chosen_axes(x.rank());
    std::vector<AxisPlan> plan(static_cast<size_t>(x.rank()));
    for (int axis = 0; axis < x.rank(); ++axis) plan[static_cast<size_t>(axis)].output = x[axis];
    const auto floats = [&context](int input) {
      return input != kNoInput && context.has_input(input) ? Floats::of(context.input(input)) : Floats{};
    };
    if (coordinates_ == ResizeCoordinates::kTfCropAndResize) {
      const Floats roi = floats(roi_input_);
      check_count("roi", roi.count(), 2 * axes.size());
      for (size_t i = 0; i < axes.size(); ++i) {
        plan[static_cast<size_t>(axes[i])].roi_begin = roi[static_cast<int64_t>(i)];
        plan[static_cast<size_t>(axes[i])].roi_end = roi[static_cast<int64_t>(axes.size() + i)];
      }
    }
    const Floats scales = fixed_scales_.empty() ? floats(scales_input_) : fixed_scales();
    if (scales) {
      check_count("scales", scales.count(), axes.size());
      for (size_t i = 0; i < axes.size(); ++i) {
        AxisPlan& axis = plan[static_cast<size_t>(axes[i])];
        axis.scale = checked_scale(scales[static_cast<int64_t>(i)]);
        axis.output = scaled_size(x[axes[i]], axis.scale);
      }
      return plan;
    }
    if (sizes_input_ == kNoInput || !context.has_input(sizes_input_)) {
      throw Error(ErrorCode::kInvalidArgument, "Resize: either scales or sizes must be given.");
    }
    const TensorView& given = context.input(sizes_input_);
    check_count("sizes", given.elements(), axes.size());
    Shape sizes;
    for (int64_t i = 0; i < given.elements(); ++i) {
      sizes.push_back(checked_size(static_cast<double>(given.integer(i))));
    }
    for (size_t i = 0; i < axes.size(); ++i) {
      AxisPlan& axis = plan[static_cast<size_t>(axes[i])];
      const int64_t input = x[axes[i]];
      axis.output = sizes[static_cast<int>(i)];
      axis.scale = static_cast<float>(axis.output) / static_cast<float>(input);
      if (ratio_ != AspectRatio::kStretch && input > 0) {
        axis.scale = common_scale(x, axes, sizes);
        axis.output = rounded_size(input, axis.scale);
      }
    }
    return plan;
  }

  /// Batch and channels of an image stay as they are, for certain.
  bool keeps_leading_axes(const LayoutContext& context, const Shape& x) const {
    const std::vector<int> axes = chosen_axes(x.rank());
    if (coordinates_ == ResizeCoordinates::kTfCropAndResize) return axes_given_are_spatial(axes);
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] >= 2) continue;
      if (!fixed_scales_.empty()) {
        if (fixed_scales_[i] != 1.0F) return false;
        continue;
      }
      const auto at = static_cast<int64_t>(i);
      const Tensor* scales = constant_of(context, scales_input_);
      if (scales != nullptr && scales->elements() > at) {
        if (Floats(scales->raw(), scales->type(), scales->elements())[at] != 1.0F) return false;
        continue;
      }
      if (ratio_ != AspectRatio::kStretch) return false;
      const Tensor* sizes = constant_of(context, sizes_input_);
      const ValueInfo* info =
          sizes_input_ != kNoInput && context.has_input(sizes_input_) ? &context.input(sizes_input_) : nullptr;
      const int64_t dim = sizes != nullptr && sizes->elements() > at ? sizes->aligned().values<int64_t>()[i]
                          : info != nullptr && info->has_elements && info->elements.rank() > static_cast<int>(i)
                              ? info->elements[static_cast<int>(i)]
                              : kUnknownDim;
      if (!same_dim(dim, x[axes[i]])) return false;
    }
    return true;
  }

  static bool axes_given_are_spatial(const std::vector<int>& axes) {
    return std::all_of(axes.begin(), axes.end(), [](int axis) { return axis >= 2; });
  }

  static const Tensor* constant_of(const LayoutContext& context, int input) {
    return input != kNoInput && context.has_input(input) ? context.input(input).constant : nullptr;
  }

  ResizeAxis make_axis(int64_t input, const AxisPlan& plan) const {
    ResizeAxisSpec spec;
    spec.in_size = input;
    spec.out_size = plan.output;
    spec.scale = plan.scale;
    spec.mode = mode_;
    const bool stays = plan.output == input && plan.scale == 1.0F && plan.roi_begin == 0.0F && plan.roi_end == 1.0F;
    spec.coordinates = stays ? ResizeCoordinates::kAsymmetric : coordinates_;
    spec.rounding = rounding_;
    // Before version 11 shrinking took the pixel after the coordinate, enlarging the one before.
    if (is_old_) spec.rounding = plan.scale < 1.0F ? ResizeRounding::kCeil : ResizeRounding::kFloor;
    spec.cubic_coefficient = cubic_coefficient_;
    spec.exclude_outside = exclude_outside_;
    spec.antialias = antialias_;
    spec.roi_begin = plan.roi_begin;
    spec.roi_end = plan.roi_end;
    return kernels::make_resize_axis(spec);
  }

  void resize(const TensorView& x, const TensorView& y, const std::vector<AxisPlan>& plan, Parallel& parallel) const {
    const int rank = x.rank();
    if (x.elements() == 0) throw Error(ErrorCode::kInvalidArgument, "Resize: an empty tensor cannot be enlarged.");
    std::vector<ResizeAxis> axes;
    for (int axis = 0; axis < rank; ++axis) axes.push_back(make_axis(x.dim(axis), plan[static_cast<size_t>(axis)]));
    int leading = 0;  // axes that stay as they are
    while (leading < rank && is_identity(axes[static_cast<size_t>(leading)])) ++leading;
    if (x.type != DataType::kFloat || leading < rank - 2 || rank == 0) {
      return resize_axes(x, y, axes, extrapolation_value_, parallel);
    }
    if (rank == 4) {
      return kernels::run_resize(x.dim(0), x.dim(1), axes[2], axes[3], image_layout(x.layout),
                                 kernels::as_const(image_of(x)), image_of(y), extrapolation_value_,
                                 {0, axes[2].out_size}, parallel);
    }
    // Other ranks are plain planes; a single axis that changes is a row of pixels.
    ResizeAxis height;
    const bool planar = rank >= 2 && leading < rank - 1;
    if (planar) {
      height = std::move(axes[static_cast<size_t>(rank - 2)]);
    } else {
      height = make_axis(1, AxisPlan{1, 1.0F, 0.0F, 1.0F});
    }
    const ResizeAxis& width = axes.back();
    const int64_t planes = x.shape().product(0, planar ? rank - 2 : rank - 1);
    kernels::run_resize(planes, 1, height, width, kernels::ImageLayout::kPlain,
                        kernels::plain_image<const float>(x.as<float>(), 1, height.in_size, width.in_size),
                        kernels::plain_image(y.as<float>(), 1, height.out_size, width.out_size), extrapolation_value_,
                        {0, height.out_size}, parallel);
  }

  ResizeMode mode_ = ResizeMode::kNearest;
  ResizeCoordinates coordinates_ = ResizeCoordinates::kHalfPixel;
  ResizeRounding rounding_ = ResizeRounding::kRoundPreferFloor;
  AspectRatio ratio_ = AspectRatio::kStretch;
  bool is_old_ = false;  ///< Upsample, and Resize before version 11
  bool antialias_ = false;
  bool exclude_outside_ = false;
  float cubic_coefficient_ = -0.75F;
  float extrapolation_value_ = 0.0F;
  bool keeps_batch_ = false;  // axis 0 stays as it is, whatever its size
  int roi_input_ = kNoInput;
  int scales_input_ = kNoInput;
  int sizes_input_ = kNoInput;
  std::vector<int64_t> axes_;
  std::vector<float> fixed_scales_;  ///< Upsample version 7
};

constexpr TypeSet kResizable = kNumbers | TypeSet{DataType::kBool};

}  // namespace

[[gnu::cold]] const OpDef& resize_10() {
  static const OpDef def{
      .name = "Resize",
      .since = 10,
      .until = 10,
      .inputs = {{"X", "T"}, {"scales", "F"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kResizable}, {"F", kFloatOnly}},
      .make = make_operator<Resize>,
  };
  return def;
}

[[gnu::cold]] const OpDef& resize() {
  static const OpDef def{
      .name = "Resize",
      .since = 11,
      .inputs = {{"X", "T"},
                 {"roi", "R", Occurrence::kOptional},
                 {"scales", "F", Occurrence::kOptional},
                 {"sizes", "I", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kResizable}, {"R", kFloats}, {"F", kFloatOnly}, {"I", TypeSet{DataType::kInt64}}},
      .make = make_operator<Resize>,
  };
  return def;
}

[[gnu::cold]] const OpDef& upsample_7() {
  static const OpDef def{
      .name = "Upsample",
      .since = 7,
      .until = 8,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kResizable}},
      .make = make_operator<Resize>,
  };
  return def;
}

[[gnu::cold]] const OpDef& upsample_9() {
  static const OpDef def{
      .name = "Upsample",
      .since = 9,
      .until = 9,
      .inputs = {{"X", "T"}, {"scales", "F"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kResizable}, {"F", kFloatOnly}},
      .make = make_operator<Resize>,
  };
  return def;
}

}  // namespace attune::ops
