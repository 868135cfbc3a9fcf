// Conv: https://onnx.ai/onnx/operators/onnx__Conv.html, versions 1 to 22. One or two spatial axes of float have
// kernels; more axes, and double, are computed by the definition (direct_conv.h). attune.FusedConv, which the optimizer
// makes: activation(conv(X, W) + B + Z).
//
// The kernels read and write blocked images. Where a tensor is plain (rank 3, or the planner kept it so) its images are
// reordered through the workspace, a few at a time.
#include "kernels/conv.h"

#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "base/content_hash.h"
#include "kernels/reorder.h"
#include "kernels/simd.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/conv_layer.h"
#include "ops/direct_conv.h"
#include "ops/direct_sums.h"
#include "ops/element_types.h"
#include "ops/fused_activation.h"
#include "ops/image_view.h"
#include "ops/op_def.h"
#include "ops/packs_constants.h"
#include "ops/scaled_weights.h"
#include "ops/window.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

using kernels::ConvKernel;
using kernels::ConvShape;

constexpr int kBias = 2;
constexpr int kResidual = 3;
/// Images are reordered through at most about this much memory at once, or one image if that is more.
constexpr int64_t kStagingFloats = int64_t{1} << 20;

class Conv final : public Operator, public PacksConstants, public IsConvLayer {
 public:
  explicit Conv(const Node& node)
      : window_(Window::parse(node)),
        groups_(parse_groups(node)),
        activation_(parse_activation(node)),
        is_fused_(!node.domain.empty()),
        allow_winograd_(node.attributes.get_int(kDirectSums, 0) == 0),
        factors_(node.attributes.get_tensor(kWeightFactors)) {}

  void infer(InferContext& context) const override {
    if (is_fused_ && context.has_shape(1) && context.shape(1).rank() > 4) {
      throw Error(ErrorCode::kNotImplemented, "FusedConv is for kernels, which have at most two spatial axes.");
    }
    if (!context.has_shape(0) || !context.has_shape(1)) return context.set_output_type(0, context.type(0));
    const Shape& x = context.shape(0);
    const Shape& w = context.shape(1);
    check_shapes(x, w);
    if (context.has_shape(kBias)) {
      const Shape& bias = context.shape(kBias);
      if (bias.rank() != 1 || (is_known(bias[0]) && is_known(w[0]) && bias[0] != w[0])) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("Bias of shape {} for weights of shape {}.", bias.to_string(), w.to_string()));
      }
    }
    Shape y{x[0], w[0]};
    for (int axis = 0; axis < x.rank() - 2; ++axis) {
      y.push_back(window_.infer_dim(axis, kernel_size(w, axis), x[axis + 2], context));
    }
    if (context.has_shape(kResidual)) check_residual(context.shape(kResidual), y);
    context.set_output(0, context.type(0), y);
  }

  void choose_layouts(LayoutContext& context) const override {
    const ValueInfo& x = context.input(0);
    const ValueInfo& w = context.input(1);
    if (x.type != DataType::kFloat || !x.has_shape || x.shape.rank() != 4 || !is_known(x.shape[1])) return;
    if (!w.has_shape || w.shape.rank() != 4 || !w.shape.is_concrete()) return;
    const ConvKernel kernel = select_kernel(layer_shape(w.shape), x, context.current(0));
    if (kernels::conv_input_layout(kernel) == kernels::ImageLayout::kBlocked) context.want_input(0, Layout::kBlocked);
    if (context.has_input(kResidual)) context.want_input(kResidual, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  /// Multiplying the weights copies them anyway.
  bool reads_unaligned(int i) const override { return i == 1 && factors_; }
  bool reads_only_to_pack(int i) const override { return i == 1; }

  void prepare(PrepareContext& context) override {
    const Tensor* weights = context.input(1).constant;
    if (weights == nullptr || weights->elements() == 0 || !has_kernel(weights->type(), weights->shape())) {
      if (factors_) throw Error(ErrorCode::kInvalidGraph, "Only constant float weights can be multiplied.");
      return;
    }
    if (context.input(0).has_shape) check_shapes(context.input(0).shape, weights->shape());
    const ConvShape shape = layer_shape(weights->shape());
    kernel_ = select_kernel(shape, context.input(0), context.input_layout(0));
    std::string packing = fmt::format("conv/kernel={}/groups={}/stride={}x{}/dilation={}x{}", static_cast<int>(kernel_),
                                      groups_, shape.stride_h, shape.stride_w, shape.dilation_h, shape.dilation_w);
    if (factors_) {
      packing += "/factors=" + content_hash({static_cast<const std::byte*>(factors_.raw()), factors_.bytes()});
    }
    weights_ = context.pack(
        1, packing, static_cast<size_t>(kernels::packed_conv_weights_size(shape, kernel_)), [&](float* packed) {
          const Tensor scaled = factors_ ? scale_rows(*weights, factors_, context.parallel()) : *weights;
          kernels::pack_conv_weights(shape, kernel_, scaled.values<float>().data(), packed, context.parallel());
        });
    weights_shape_ = weights->shape();
    context.release_input(1);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    if (outputs[0].elements() == 0 || !has_kernel(inputs[0].type, inputs[0].shape())) return 0;
    const bool plain_residual =
        inputs.size() > kResidual && inputs[kResidual].dims != nullptr && inputs[kResidual].layout == Layout::kPlain;
    const Plan plan = make_plan(inputs[0], weights_ ? weights_shape_ : inputs[1].shape(), outputs[0], plain_residual);
    WorkspaceCursor cursor;
    take_workspace(cursor, plan, threads);
    return cursor.bytes();
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_among(1U | 1U << kResidual, inputs, outputs);
  }

  ConvLayer layer() const override {
    if (!weights_ || weights_shape_.rank() != 4) return {};
    return {layer_shape(weights_shape_), kernel_, weights_.get(), activation_};
  }

  ConvLayer layer_for(const ImageSize& input) const override {
    const ConvShape shape = shape_for(weights_shape_, input);
    return {shape, kernels::conv_kernel_for_images(shape, kernel_), weights_.get(), activation_};
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    if (!has_kernel(x.type, x.shape())) return run_directly(context);
    const bool has_residual = context.has_input(kResidual);
    const TensorView z = has_residual ? context.input(kResidual) : TensorView{};
    if (has_residual) check_residual(z.shape(), y.shape());
    const Plan plan = make_plan(x, weights_ ? weights_shape_ : context.input(1).shape(), y,
                                has_residual && z.layout == Layout::kPlain);
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, plan, context.parallel().threads());
    const float* packed = weights_.get();
    if (packed == nullptr) {
      kernels::pack_conv_weights(plan.shape, plan.kernel, context.input(1).as<float>(), workspace.weights,
                                 context.parallel());
      packed = workspace.weights;
    }
    kernels::ConvEpilogue epilogue;
    epilogue.activation = activation_;
    if (context.has_input(kBias)) epilogue.bias = context.input(kBias).as<float>();

    const int64_t batch = plan.shape.batch;
    for (int64_t first = 0; first < batch; first += plan.images) {
      ConvShape shape = plan.shape;
      shape.batch = std::min(plan.images, batch - first);
      kernels::ConstImage in = kernels::as_const(skip_images(image_of(x), first));
      if (workspace.in != nullptr) {
        const kernels::Image staged = blocked(workspace.in, shape.in_channels, shape.in_h, shape.in_w);
        kernels::reorder_plain_to_blocked({shape.batch, shape.in_channels, shape.in_h, shape.in_w}, in, staged,
                                          context.parallel());
        in = kernels::as_const(staged);
      }
      const kernels::ReorderShape out_size{shape.batch, shape.out_channels, shape.out_h(), shape.out_w()};
      const kernels::Image target = skip_images(image_of(y), first);
      const kernels::Image out = workspace.out == nullptr
                                     ? target
                                     : blocked(workspace.out, shape.out_channels, out_size.height, out_size.width);
      if (has_residual) {
        epilogue.residual = kernels::as_const(skip_images(image_of(z), first));
        if (plan.stages_residual) {
          // The sum is accumulated in place when the output is staged as well.
          const kernels::Image staged = workspace.residual == nullptr ? out
                                                                      : blocked(workspace.residual, shape.out_channels,
                                                                                out_size.height, out_size.width);
          kernels::reorder_plain_to_blocked(out_size, epilogue.residual, staged, context.parallel());
          epilogue.residual = kernels::as_const(staged);
        }
      }
      kernels::run_conv(shape, plan.kernel, packed, in, out, epilogue, {0, out_size.height}, workspace.kernel,
                        context.parallel());
      if (workspace.out != nullptr) {
        kernels::reorder_blocked_to_plain(out_size, kernels::as_const(out), target, context.parallel());
      }
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const Shape& w = weights_ ? weights_shape_ : inputs[1].shape();
    return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(w.product(1, w.rank()));
  }

 private:
  /// What a run does, by its shapes and layouts.
  struct Plan {
    ConvShape shape;
    ConvKernel kernel;
    bool stages_input;
    bool stages_output;
    bool stages_residual;
    int64_t images;  ///< convolved at once
  };

  struct Workspace {
    float* weights = nullptr;
    float* in = nullptr;
    float* out = nullptr;
    float* residual = nullptr;
    float* kernel = nullptr;
  };

  static bool has_kernel(DataType type, const Shape& x) { return type == DataType::kFloat && x.rank() <= 4; }

  void run_directly(RunContext& context) const {
    const TensorView& w = context.input(1);
    const DirectConv conv = make_direct_conv(window_, groups_, context.input(0).shape(), w.shape());
    const int64_t plane = conv.out_size();
    visit_type<float, double>(w.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const auto finish = [&](const T* sums, int64_t n, int64_t m) {
        const T bias = context.has_input(kBias) ? context.input(kBias).as<T>()[m] : T{0};
        T* out = context.output(0).as<T>() + (n * conv.out_channels + m) * plane;
        for (int64_t i = 0; i < plane; ++i) out[i] = sums[i] + bias;
      };
      convolve_directly<T>(
          conv, context.input(0).as<T>(), w.as<T>(), [](T value) { return value; },
          [](T value, int64_t) { return value; }, finish, context.parallel());
    });
  }

  int64_t kernel_size(const Shape& w, int axis) const {
    return window_.kernel.empty() ? w[axis + 2] : window_.kernel[static_cast<size_t>(axis)];
  }

  void check_shapes(const Shape& x, const Shape& w) const {
    if (x.rank() < 3 || x.rank() != w.rank()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("X num_dims does not match W num_dims. X: {} W: {}", x.to_string(), w.to_string()));
    }
    window_.check_rank(x.rank() - 2);
    if (is_known(x[1]) && is_known(w[1]) && x[1] != w[1] * groups_) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Input channels C is not equal to kernel channels * group. C: {} kernel channels: {} "
                              "group: {}",
                              x[1], w[1], groups_));
    }
    if (is_known(w[0]) && w[0] % groups_ != 0) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Output channels M is not divisible by group. M: {} group: {}", w[0], groups_));
    }
    if (w[1] == 0) throw Error(ErrorCode::kInvalidGraph, "A convolution needs at least one input channel.");
    for (int axis = 0; axis < x.rank() - 2; ++axis) {
      const int64_t size = w[axis + 2];
      if (is_known(size) && (size == 0 || size != kernel_size(w, axis))) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("kernel_shape is not compatible with W shape {}.", w.to_string()));
      }
    }
  }

  static void check_residual(const Shape& z, const Shape& y) {
    if (may_be_same(z, y)) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Residual of shape {} for an output of shape {}.", z.to_string(), y.to_string()));
  }

  /// What a kernel is chosen by and its weights are packed for: all but the images.
  ConvShape layer_shape(const Shape& w) const {
    const bool planar = w.rank() == 4;
    ConvShape shape;
    shape.in_channels = w[1] * groups_;
    shape.out_channels = w[0];
    shape.groups = groups_;
    shape.kernel_h = planar ? w[2] : 1;
    shape.kernel_w = w[w.rank() - 1];
    shape.stride_h = planar ? window_.stride(0) : 1;
    shape.stride_w = window_.stride(planar ? 1 : 0);
    shape.dilation_h = planar ? window_.dilation(0) : 1;
    shape.dilation_w = window_.dilation(planar ? 1 : 0);
    if (window_.auto_pad != AutoPad::kNotSet) return shape;
    shape.pad_top = planar ? window_.pad_begin(0) : 0;
    shape.pad_left = window_.pad_begin(planar ? 1 : 0);
    shape.pad_bottom = planar ? window_.pad_end(0) : 0;
    shape.pad_right = window_.pad_end(planar ? 1 : 0);
    return shape;
  }

  /// By the layer, and the size of its images where the model fixes it.
  ConvKernel select_kernel(const ConvShape& layer, const ValueInfo& x, Layout layout) const {
    const auto out_size = [&](int axis, int64_t kernel) -> int64_t {
      const int64_t size = x.shape[axis + 2];
      return is_known(size) ? window_.resolve(axis, kernel, size).output : 0;
    };
    const bool known = x.has_shape && x.shape.rank() >= 3;
    const bool planar = known && x.shape.rank() == 4;
    const int64_t height = planar ? out_size(0, layer.kernel_h) : (known ? 1 : 0);
    const int64_t width = known ? out_size(planar ? 1 : 0, layer.kernel_w) : 0;
    return kernels::select_conv_kernel(layer, image_layout(layout), height, width, allow_winograd_);
  }

  /// The layer with its images and padding.
  ConvShape shape_for(const Shape& w, const ImageSize& size) const {
    ConvShape shape = layer_shape(w);
    shape.batch = size.batch;
    shape.in_h = size.height;
    shape.in_w = size.width;
    const WindowAxis horizontal = window_.resolve(w.rank() - 3, shape.kernel_w, size.width);
    shape.pad_left = horizontal.pad_begin;
    shape.pad_right = horizontal.pad_end;
    if (w.rank() == 4) {
      const WindowAxis vertical = window_.resolve(0, shape.kernel_h, size.height);
      shape.pad_top = vertical.pad_begin;
      shape.pad_bottom = vertical.pad_end;
    }
    return shape;
  }

  Plan make_plan(const TensorView& x, const Shape& w, const TensorView& y, bool plain_residual) const {
    Plan plan{};
    const ImageSize size = image_size(x.shape());
    plan.shape = shape_for(w, size);
    // Weights that come with each run are packed each time, which costs more than Winograd saves.
    plan.kernel = weights_ ? kernel_ : kernels::select_conv_kernel(plan.shape, image_layout(x.layout), 0, 0, false);
    plan.kernel = kernels::conv_kernel_for_images(plan.shape, plan.kernel);
    plan.stages_input = image_layout(x.layout) != kernels::conv_input_layout(plan.kernel);
    plan.stages_output = y.layout == Layout::kPlain;
    plan.stages_residual = plain_residual;
    int64_t floats = 0;
    if (plan.stages_input) floats += size.channels * size.height * size.width;
    if (plan.stages_output || plan.stages_residual)
      floats += plan.shape.out_channels * plan.shape.out_h() * plan.shape.out_w();
    plan.images = floats == 0 ? size.batch : std::clamp<int64_t>(kStagingFloats / floats, 1, size.batch);
    return plan;
  }

  Workspace take_workspace(WorkspaceCursor& cursor, const Plan& plan, int threads) const {
    ConvShape shape = plan.shape;
    shape.batch = plan.images;
    const int block = kernels::block_channels();
    const int64_t out_floats =
        kernels::blocked_size(shape.batch, shape.out_channels, shape.out_h(), shape.out_w(), block);
    Workspace workspace;
    if (!weights_) workspace.weights = cursor.take(kernels::packed_conv_weights_size(shape, plan.kernel));
    if (plan.stages_input) {
      workspace.in = cursor.take(kernels::blocked_size(shape.batch, shape.in_channels, shape.in_h, shape.in_w, block));
    }
    if (plan.stages_output) workspace.out = cursor.take(out_floats);
    if (plan.stages_residual && !plan.stages_output) workspace.residual = cursor.take(out_floats);
    workspace.kernel = cursor.take(kernels::conv_workspace_size(shape, plan.kernel, threads));
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
  kernels::Activation activation_;
  bool is_fused_;
  bool allow_winograd_;
  Tensor factors_;
  PackedWeights weights_;  // for kernel_; null if they are not constant
  ConvKernel kernel_ = ConvKernel::kDirect;
  Shape weights_shape_;
};

}  // namespace

[[gnu::cold]] const OpDef& conv() {
  static const OpDef def{
      .name = "Conv",
      .inputs = {{"X", "T"}, {"W", "T"}, {"B", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<Conv>,
      .flushes_denormals = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& fused_conv() {
  static const OpDef def{
      .domain = "attune",
      .name = "FusedConv",
      .inputs = {{"X", "T"}, {"W", "T"}, {"B", "T", Occurrence::kOptional}, {"Z", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloatOnly}},
      .make = make_operator<Conv>,
      .in_place = {3},
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
