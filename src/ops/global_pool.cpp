// GlobalAveragePool: https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html, versions 1 to 22.
// GlobalLpPool: https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html, versions 1 to 22. Sums are made in double.
// GlobalMaxPool: https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html, versions 1 to 22.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attune/error.h"
#include "kernels/pool.h"
#include "ops/batch.h"
#include "ops/element_types.h"
#include "ops/image_view.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using kernels::PoolKind;

/// One pixel an image and channel.
void infer_global_pool(InferContext& context) {
  if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
  Shape y = context.shape(0);
  if (y.rank() < 3) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Input of shape {} has no spatial axis.", y.to_string()));
  }
  for (int axis = 2; axis < y.rank(); ++axis) y[axis] = 1;
  context.set_output(0, context.type(0), y);
}

/// A task's images and channels, where each has so many pixels.
int64_t planes_a_task(int64_t pixels) { return std::max<int64_t>(1, 8192 / std::max<int64_t>(pixels, 1)); }

template <PoolKind kind>
class GlobalPool final : public Operator {
 public:
  explicit GlobalPool(const Node&) {}

  void infer(InferContext& context) const override { infer_global_pool(context); }

  void choose_layouts(LayoutContext& context) const override {
    if (context.current(0) != Layout::kBlocked || context.input(0).type != DataType::kFloat) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    const int64_t pixels = x.shape().product(2, x.rank());
    if (x.type == DataType::kDouble || pixels == 0) {
      return x.type == DataType::kDouble ? run_loop<double>(context, pixels) : run_loop<float>(context, pixels);
    }
    const bool planar = x.rank() == 4;
    const int64_t height = planar ? x.dim(2) : 1;
    const int64_t width = planar ? x.dim(3) : pixels;
    const int64_t channels = x.dim(1);
    const kernels::Image in = planar ? image_of(x) : kernels::plain_image(x.as<float>(), channels, height, width);
    const kernels::Image out = planar ? image_of(y) : kernels::plain_image(y.as<float>(), channels, 1, 1);
    kernels::run_global_pool(x.dim(0), channels, height, width, kind, image_layout(x.layout), kernels::as_const(in),
                             out, context.parallel());
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return static_cast<double>(inputs[0].elements());
  }

 private:
  /// Of no pixels at all the maximum is the lowest value and the average NaN.
  template <class T>
  static void run_loop(RunContext& context, int64_t pixels) {
    const T* x = context.input(0).as<T>();
    T* y = context.output(0).as<T>();
    const int64_t planes = context.input(0).shape().product(0, 2);
    for_ranges(context.parallel(), planes, planes_a_task(pixels), [&](int64_t begin, int64_t end, int) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const T* in = x + plane * pixels;
        T result = kind == PoolKind::kMax ? std::numeric_limits<T>::lowest() : T{0};
        for (int64_t i = 0; i < pixels; ++i) {
          result = kind == PoolKind::kMax ? std::max(result, in[i]) : result + in[i];
        }
        if (kind != PoolKind::kMax) {
          result = pixels == 0 ? std::numeric_limits<T>::quiet_NaN() : result / static_cast<T>(pixels);
        }
        y[plane] = result;
      }
    });
  }
};

class GlobalLpPool final : public Operator {
 public:
  explicit GlobalLpPool(const Node& node)
      : p_(node.version >= 2 ? static_cast<double>(node.attributes.get_int("p", 2))
                             : double{node.attributes.get_float("p", 2.0F)}) {
    if (!(p_ > 0.0)) throw Error(ErrorCode::kInvalidGraph, fmt::format("GlobalLpPool: p is {}.", p_));
  }

  void infer(InferContext& context) const override { infer_global_pool(context); }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type,
                              [&](auto tag) { run_loop<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void run_loop(RunContext& context) const {
    const T* x = context.input(0).as<T>();
    T* y = context.output(0).as<T>();
    const int64_t pixels = context.input(0).shape().product(2, context.input(0).rank());
    const int64_t planes = context.input(0).shape().product(0, 2);
    for_ranges(context.parallel(), planes, planes_a_task(pixels), [&](int64_t begin, int64_t end, int) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const T* in = x + plane * pixels;
        double sum = 0.0;
        for (int64_t i = 0; i < pixels; ++i) sum += std::pow(std::abs(double{in[i]}), p_);
        y[plane] = static_cast<T>(std::pow(sum, 1.0 / p_));
      }
    });
  }

  double p_;
};

OpDef make_def(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return OpDef{
      .name = name,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& global_average_pool() {
  static const OpDef def = make_def("GlobalAveragePool", make_operator<GlobalPool<PoolKind::kAverage>>);
  return def;
}

[[gnu::cold]] const OpDef& global_lp_pool() {
  static const OpDef def = make_def("GlobalLpPool", make_operator<GlobalLpPool>);
  return def;
}

[[gnu::cold]] const OpDef& global_max_pool() {
  static const OpDef def = make_def("GlobalMaxPool", make_operator<GlobalPool<PoolKind::kMax>>);
  return def;
}

}  // namespace attune::ops
