// ConvTranspose: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html, versions 1 to 22: one or two spatial
// axes by kernels; more axes, and double, by the definition.
// attune.FusedConvTranspose, which the optimizer makes: activation(conv_transpose(X, W) + B).
//
// As in conv.cpp, plain tensors go through the workspace, a few images at a time.
#include "kernels/conv_transpose.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "attune/error.h"
#include "kernels/conv_transpose_patches.h"
#include "kernels/reorder.h"
#include "kernels/simd.h"
#include "ops/batch.h"
#include "ops/element_types.h"
#include "ops/fused_activation.h"
#include "ops/image_view.h"
#include "ops/op_def.h"
#include "ops/packs_constants.h"
#include "ops/window.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

using kernels::ConvTransposeShape;

constexpr int kBias = 2;
/// Images are reordered through at most about this much memory at once, or one image if that is more.
constexpr int64_t kStagingFloats = int64_t{1} << 20;

class ConvTranspose final : public Operator, public PacksConstants {
 public:
  explicit ConvTranspose(const Node& node)
      : window_(Window::parse(node)),
        groups_(parse_groups(node)),
        output_padding_(parse_sizes(node, "output_padding")),
        output_shape_(parse_sizes(node, "output_shape")),
        activation_(parse_activation(node)),
        is_fused_(!node.domain.empty()) {}

  void infer(InferContext& context) const override {
    if (is_fused_ && context.has_shape(1) && context.shape(1).rank() > 4) {
      throw Error(ErrorCode::kNotImplemented,
                  "FusedConvTranspose is for kernels, which have at most two spatial axes.");
    }
    if (!context.has_shape(0) || !context.has_shape(1)) return context.set_output_type(0, context.type(0));
    const Shape& x = context.shape(0);
    const Shape& w = context.shape(1);
    check_shapes(x, w);
    const int64_t out_channels = is_known(w[1]) ? w[1] * groups_ : groups_ == 1 ? w[1] : context.fresh_dim();
    if (context.has_shape(kBias)) {
      const Shape& bias = context.shape(kBias);
      if (bias.rank() != 1 || (is_known(bias[0]) && is_known(out_channels) && bias[0] != out_channels)) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("Bias of shape {} for weights of shape {}.", bias.to_string(), w.to_string()));
      }
    }
    Shape y{x[0], out_channels};
    for (int axis = 0; axis < x.rank() - 2; ++axis) {
      const int64_t kernel = kernel_size(w, axis);
      if (given_output(axis, x.rank() - 2) >= 0) {
        y.push_back(given_output(axis, x.rank() - 2));
      } else if (is_known(kernel) && is_known(x[axis + 2])) {
        y.push_back(resolve(axis, x.rank() - 2, kernel, x[axis + 2]).output);
      } else {
        y.push_back(context.fresh_dim());
      }
    }
    context.set_output(0, context.type(0), y);
  }

  void choose_layouts(LayoutContext& context) const override {
    const ValueInfo& x = context.input(0);
    const ValueInfo& w = context.input(1);
    if (x.type != DataType::kFloat || !x.has_shape || x.shape.rank() != 4 || !is_known(x.shape[1])) return;
    if (!w.has_shape || w.shape.rank() != 4 || !is_known(w.shape[1])) return;
    context.want_input(0, Layout::kBlocked);
    if (!w.shape.is_concrete() || !makes_patches(w.shape)) context.set_output(0, Layout::kBlocked);
  }

  bool reads_only_to_pack(int i) const override { return i == 1; }

  void prepare(PrepareContext& context) override {
    const Tensor* weights = context.input(1).constant;
    if (weights == nullptr || weights->elements() == 0 || !has_kernel(weights->type(), weights->shape())) return;
    if (context.input(0).has_shape) check_shapes(context.input(0).shape, weights->shape());
    const ConvTransposeShape shape = layer_shape(weights->shape());
    const bool patches = makes_patches(weights->shape());
    const std::string packing =
        fmt::format("conv_transpose/patches={}/groups={}/stride={}x{}/dilation={}x{}", patches, groups_, shape.stride_h,
                    shape.stride_w, shape.dilation_h, shape.dilation_w);
    weights_ = context.pack(1, packing, static_cast<size_t>(packed_size(shape, patches)), [&](float* packed) {
      pack(shape, patches, weights->values<float>().data(), packed, context.parallel());
    });
    weights_shape_ = weights->shape();
    context.release_input(1);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs, int) const override {
    if (outputs[0].elements() == 0 || !has_kernel(inputs[0].type, inputs[0].shape())) return 0;
    const Plan plan = make_plan(inputs[0], weights_ ? weights_shape_ : inputs[1].shape(), outputs[0]);
    WorkspaceCursor cursor;
    take_workspace(cursor, plan);
    return cursor.bytes();
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    if (!has_kernel(x.type, x.shape())) return run_directly(context);
    const Plan plan = make_plan(x, weights_ ? weights_shape_ : context.input(1).shape(), y);
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, plan);
    const float* packed = weights_.get();
    if (packed == nullptr) {
      pack(plan.shape, plan.patches, context.input(1).as<float>(), workspace.weights, context.parallel());
      packed = workspace.weights;
    }
    kernels::ConvEpilogue epilogue;
    epilogue.activation = activation_;
    if (context.has_input(kBias)) epilogue.bias = context.input(kBias).as<float>();
    const int64_t batch = plan.shape.batch;
    for (int64_t first = 0; first < batch; first += plan.images) {
      ConvTransposeShape shape = plan.shape;
      shape.batch = std::min(plan.images, batch - first);
      kernels::Image in = skip_images(image_of(x), first);
      if (workspace.in != nullptr) {
        const kernels::Image staged = blocked(workspace.in, shape.in_channels, shape.in_h, shape.in_w);
        kernels::reorder_plain_to_blocked({shape.batch, shape.in_channels, shape.in_h, shape.in_w},
                                          kernels::as_const(in), staged, context.parallel());
        in = staged;
      }
      const kernels::Image target = skip_images(image_of(y), first);
      if (plan.patches) {
        kernels::run_patches(shape, packed, kernels::as_const(in), target, epilogue, {0, shape.out_h},
                             context.parallel());
        continue;
      }
      const kernels::Image out =
          workspace.out == nullptr ? target : blocked(workspace.out, shape.out_channels, shape.out_h, shape.out_w);
      kernels::run_conv_transpose(shape, packed, kernels::as_const(in), out, epilogue, {0, shape.out_h},
                                  context.parallel());
      if (workspace.out != nullptr) {
        kernels::reorder_blocked_to_plain({shape.batch, shape.out_channels, shape.out_h, shape.out_w},
                                          kernels::as_const(out), target, context.parallel());
      }
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    const Shape& w = weights_ ? weights_shape_ : inputs[1].shape();
    return 2.0 * static_cast<double>(inputs[0].elements()) * static_cast<double>(w.product(1, w.rank()));
  }

 private:
  struct Plan {
    ConvTransposeShape shape;
    bool patches;  ///< by the kernel of that name, whose output is plain
    bool stages_input;
    bool stages_output;
    int64_t images;  ///< computed at once
  };

  struct Workspace {
    float* weights = nullptr;
    float* in = nullptr;
    float* out = nullptr;
  };

  static std::vector<int64_t> parse_sizes(const Node& node, std::string_view name) {
    constexpr int64_t kMost = int64_t{1} << 31;
    const auto values = node.attributes.get_ints(name);
    for (const int64_t value : values) {
      if (value < 0 || value > kMost) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("Attribute {} holds {}, which is out of range.", name, value));
      }
    }
    return {values.begin(), values.end()};
  }

  static bool has_kernel(DataType type, const Shape& x) { return type == DataType::kFloat && x.rank() <= 4; }

  /// Adds each input element times the kernel to the output, one output plane after the other.
  void run_directly(RunContext& context) const {
    visit_type<float, double>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const TensorView& x = context.input(0);
      const Shape& w = context.input(1).shape();
      const TensorView& y = context.output(0);
      const int spatial = x.rank() - 2;
      std::vector<WindowAxis> axes;
      for (int axis = 0; axis < spatial; ++axis) {
        axes.push_back(resolve(axis, spatial, kernel_size(w, axis), x.dim(axis + 2)));
      }
      const int64_t in_size = x.shape().product(2, x.rank());
      const int64_t out_size = y.shape().product(2, y.rank());
      const int64_t taps = w.product(2, w.rank());
      const int64_t group_in = x.dim(1) / groups_;
      const int64_t group_out = w[1];
      for_ranges(context.parallel(), y.dim(0) * y.dim(1), 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t plane = begin; plane < end; ++plane) {
          const int64_t m = plane % y.dim(1);
          T* out = y.as<T>() + plane * out_size;
          std::fill_n(out, out_size, context.has_input(kBias) ? context.input(kBias).as<T>()[m] : T{0});
          for (int64_t c = m / group_out * group_in; c < (m / group_out + 1) * group_in; ++c) {
            const T* in = x.as<T>() + (plane / y.dim(1) * x.dim(1) + c) * in_size;
            const T* kernel = context.input(1).as<T>() + (c * group_out + m % group_out) * taps;
            for (int64_t i = 0; i < in_size; ++i) {
              for (int64_t tap = 0; tap < taps; ++tap) {
                const int64_t place = target(axes, x.shape(), y.shape(), i, tap);
                if (place >= 0) out[place] += in[i] * kernel[tap];
              }
            }
          }
        }
      });
    });
  }

  /// Where an input pixel times a tap goes; -1 for what the pads cut off.
  static int64_t target(const std::vector<WindowAxis>& axes, const Shape& x, const Shape& y, int64_t pixel,
                        int64_t tap) {
    int64_t place = 0;
    int64_t stride = 1;
    for (int axis = static_cast<int>(axes.size()) - 1; axis >= 0; --axis) {
      const WindowAxis& own = axes[static_cast<size_t>(axis)];
      const int64_t at = pixel % x[axis + 2] * own.stride + tap % own.kernel * own.dilation - own.pad_begin;
      if (at < 0 || at >= y[axis + 2]) return -1;
      pixel /= x[axis + 2];
      tap /= own.kernel;
      place += at * stride;
      stride *= y[axis + 2];
    }
    return place;
  }

  int64_t kernel_size(const Shape& w, int axis) const {
    return window_.kernel.empty() ? w[axis + 2] : window_.kernel[static_cast<size_t>(axis)];
  }

  void check_shapes(const Shape& x, const Shape& w) const {
    if (x.rank() < 3 || x.rank() != w.rank()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("X num_dims does not match W num_dims. X: {} W: {}", x.to_string(), w.to_string()));
    }
    const auto spatial = static_cast<size_t>(x.rank() - 2);
    window_.check_rank(x.rank() - 2);
    if ((!output_padding_.empty() && output_padding_.size() != spatial) ||
        (!output_shape_.empty() && output_shape_.size() != spatial && output_shape_.size() != spatial + 2)) {
      throw Error(ErrorCode::kInvalidGraph, "output_padding or output_shape has a wrong number of values.");
    }
    if (is_known(x[1]) && is_known(w[0]) && x[1] != w[0]) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("filter number not equal to input channel number. filter_number: {} num_input_channels: {}", w[0],
                      x[1]));
    }
    if (is_known(w[0]) && (w[0] == 0 || w[0] % groups_ != 0)) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("Input channels is not divisible by group. num_input_channels: {} group: {}", w[0], groups_));
    }
    for (int axis = 0; axis < x.rank() - 2; ++axis) {
      const int64_t size = w[axis + 2];
      if (is_known(size) && (size == 0 || size != kernel_size(w, axis))) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("kernel_shape is not compatible with W shape {}.", w.to_string()));
      }
    }
  }

  /// The size that the attribute output_shape states, or -1. Some exporters write batch and channels into it as well.
  int64_t given_output(int axis, int spatial) const {
    if (output_shape_.empty()) return -1;
    return output_shape_[output_shape_.size() - static_cast<size_t>(spatial - axis)];
  }

  WindowAxis resolve(int axis, int spatial, int64_t kernel, int64_t input) const {
    WindowAxis result{kernel, window_.stride(axis), window_.dilation(axis)};
    const int64_t padding = output_padding_.empty() ? 0 : output_padding_[static_cast<size_t>(axis)];
    const int64_t full = result.stride * (input - 1) + padding + result.extent();
    const int64_t given = given_output(axis, spatial);
    const bool same = window_.auto_pad == AutoPad::kSameUpper || window_.auto_pad == AutoPad::kSameLower;
    if (given >= 0 || same) {
      const int64_t pad = std::max<int64_t>(full - (given >= 0 ? given : input * result.stride), 0);
      result.pad_begin = window_.auto_pad == AutoPad::kSameUpper ? pad / 2 : pad - pad / 2;
      result.pad_end = pad - result.pad_begin;
    } else if (window_.auto_pad == AutoPad::kNotSet) {
      result.pad_begin = window_.pad_begin(axis);
      result.pad_end = window_.pad_end(axis);
    }
    result.output = given >= 0 ? given : full - result.pad_begin - result.pad_end;
    if (input == 0) result.output = 0;
    if (result.output < 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("The pads leave nothing of spatial axis {}.", axis));
    }
    return result;
  }

  /// What weights are packed for: all but the images.
  ConvTransposeShape layer_shape(const Shape& w) const {
    const bool planar = w.rank() == 4;
    ConvTransposeShape shape;
    shape.in_channels = w[0];
    shape.out_channels = w[1] * groups_;
    shape.groups = groups_;
    shape.kernel_h = planar ? w[2] : 1;
    shape.kernel_w = w[w.rank() - 1];
    shape.stride_h = planar ? window_.stride(0) : 1;
    shape.stride_w = window_.stride(planar ? 1 : 0);
    shape.dilation_h = planar ? window_.dilation(0) : 1;
    shape.dilation_w = window_.dilation(planar ? 1 : 0);
    return shape;
  }

  /// Whether the layer is one of few outputs that do not overlap, which choose_layouts() then leaves plain.
  bool makes_patches(const Shape& w) const {
    const auto is_zero = [](int64_t value) { return value == 0; };
    return window_.auto_pad == AutoPad::kNotSet && output_shape_.empty() &&
           std::all_of(window_.pads.begin(), window_.pads.end(), is_zero) &&
           std::all_of(output_padding_.begin(), output_padding_.end(), is_zero) && kernels::patches_fit(layer_shape(w));
  }

  static int64_t packed_size(const ConvTransposeShape& shape, bool patches) {
    return patches ? kernels::packed_patches_size(shape) : kernels::packed_conv_transpose_weights_size(shape);
  }

  static void pack(const ConvTransposeShape& shape, bool patches, const float* weights, float* packed,
                   Parallel& parallel) {
    if (patches) {
      kernels::pack_patches(shape, weights, packed);
    } else {
      kernels::pack_conv_transpose_weights(shape, weights, packed, parallel);
    }
  }

  Plan make_plan(const TensorView& x, const Shape& w, const TensorView& y) const {
    Plan plan{};
    plan.shape = layer_shape(w);
    const ImageSize in = image_size(x.shape());
    const ImageSize out = image_size(y.shape());
    plan.shape.batch = in.batch;
    plan.shape.in_h = in.height;
    plan.shape.in_w = in.width;
    plan.shape.out_h = out.height;
    plan.shape.out_w = out.width;
    const int spatial = x.rank() - 2;
    plan.shape.pad_left = resolve(spatial - 1, spatial, plan.shape.kernel_w, in.width).pad_begin;
    if (spatial == 2) plan.shape.pad_top = resolve(0, spatial, plan.shape.kernel_h, in.height).pad_begin;
    plan.stages_input = x.layout == Layout::kPlain;
    plan.patches = y.layout == Layout::kPlain && makes_patches(w);
    plan.stages_output = !plan.patches && y.layout == Layout::kPlain;
    int64_t floats = 0;
    if (plan.stages_input) floats += in.channels * in.height * in.width;
    if (plan.stages_output) floats += out.channels * out.height * out.width;
    plan.images = floats == 0 ? in.batch : std::clamp<int64_t>(kStagingFloats / floats, 1, in.batch);
    return plan;
  }

  Workspace take_workspace(WorkspaceCursor& cursor, const Plan& plan) const {
    const ConvTransposeShape& shape = plan.shape;
    const int block = kernels::block_channels();
    Workspace workspace;
    if (!weights_) workspace.weights = cursor.take(packed_size(shape, plan.patches));
    if (plan.stages_input) {
      workspace.in = cursor.take(kernels::blocked_size(plan.images, shape.in_channels, shape.in_h, shape.in_w, block));
    }
    if (plan.stages_output) {
      workspace.out =
          cursor.take(kernels::blocked_size(plan.images, shape.out_channels, shape.out_h, shape.out_w, block));
    }
    return workspace;
  }

  static kernels::Image blocked(float* data, int64_t channels, int64_t height, int64_t width) {
    return kernels::blocked_image(data, channels, height, width, kernels::block_channels());
  }

  static kernels::Image skip_images(kernels::Image image, int64_t count) {
    image.data += count * image.image_stride;
    return image;
  }

  Window window_;
  int64_t groups_;
  std::vector<int64_t> output_padding_;
  std::vector<int64_t> output_shape_;
  kernels::Activation activation_;
  bool is_fused_;
  PackedWeights weights_;
  Shape weights_shape_;
};

OpDef make_def(std::string_view domain, std::string_view name, TypeSet types) {
  return OpDef{
      .domain = domain,
      .name = name,
      .inputs = {{"X", "T"}, {"W", "T"}, {"B", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", types}},
      .make = make_operator<ConvTranspose>,
      .flushes_denormals = true,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& conv_transpose() {
  static const OpDef def = make_def("", "ConvTranspose", kFloats);
  return def;
}

[[gnu::cold]] const OpDef& fused_conv_transpose() {
  static const OpDef def = make_def("attune", "FusedConvTranspose", kFloatOnly);
  return def;
}

}  // namespace attune::ops
