// LpNormalization: https://onnx.ai/onnx/operators/onnx__LpNormalization.html, versions 1 to 22.
// MeanVarianceNormalization: https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html, versions 1 to 13.
// A norm of zero gives zeros. Sums are made in double, in the order of the axis.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"
#include "ops/reduction.h"

namespace attune::ops {
namespace {

class LpNormalization final : public Operator {
 public:
  explicit LpNormalization(const Node& node)
      : axis_(node.attributes.get_int("axis", -1)), p_(node.attributes.get_int("p", 2)) {
    if (p_ != 1 && p_ != 2) throw Error(ErrorCode::kInvalidGraph, fmt::format("LpNormalization: p is {}.", p_));
  }

  void infer(InferContext& context) const override {
    if (context.has_shape(0)) resolve_axis(axis_, context.shape(0).rank());
    infer_same_shape(context, context.type(0));
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const TensorView& x = context.input(0);
      const int axis = resolve_axis(axis_, x.rank());
      const int64_t size = x.dim(axis);
      const int64_t inner = x.shape().product(axis + 1, x.rank());
      const int64_t rows = x.shape().product(0, axis) * inner;
      for_ranges(context.parallel(), rows, std::max<int64_t>(1, kCostlyGrain / std::max<int64_t>(size, 1)),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t row = begin; row < end; ++row) {
                     const int64_t offset = row / inner * size * inner + row % inner;
                     const T* in = x.as<T>() + offset;
                     T* out = context.output(0).as<T>() + offset;
                     double sum = 0.0;
                     for (int64_t i = 0; i < size; ++i) {
                       const auto value = static_cast<double>(in[i * inner]);
                       sum += p_ == 1 ? std::fabs(value) : value * value;
                     }
                     const double norm = p_ == 1 ? sum : std::sqrt(sum);
                     for (int64_t i = 0; i < size; ++i) {
                       out[i * inner] = norm == 0.0 ? T{0} : static_cast<T>(static_cast<double>(in[i * inner]) / norm);
                     }
                   }
                 });
    });
  }

 private:
  int64_t axis_;
  int64_t p_;
};

/// (x - mean) / (sqrt(variance) + 1e-9) over the axes.
class MeanVarianceNormalization final : public Operator {
 public:
  explicit MeanVarianceNormalization(const Node& node) : axes_{0, 2, 3} {
    if (node.version < 9) {
      // Versions before 9 take the channels apart or together, and may keep the variance.
      if (node.attributes.get_int("across_channels", 0) != 0) axes_ = {0, 1, 2, 3};
      if (node.attributes.get_int("normalize_variance", 1) == 0) scales_ = false;
    } else if (node.attributes.has("axes")) {
      const auto axes = node.attributes.get_ints("axes");
      axes_.assign(axes.begin(), axes.end());
    }
  }

  void infer(InferContext& context) const override {
    if (context.has_shape(0)) resolve_axes(axes_, context.shape(0).rank());
    infer_same_shape(context, context.type(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    uint32_t mask = 0;
    for (const int axis : resolve_axes(axes_, x.rank())) mask |= 1U << axis;
    Shape kept = x.shape();
    for (int axis = 0; axis < kept.rank(); ++axis) {
      if ((mask >> axis & 1U) != 0) kept[axis] = 1;
    }
    Tensor mean = Tensor::allocate(x.type, kept);
    Tensor power = Tensor::allocate(x.type, kept);
    reduce(ReduceKind::kMean, x.type, x.data, x.shape(), mask, mean.raw(), context.parallel());
    visit_type<float, double>(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      combine<T>(context, x, mean, y, [](T value, T center) { return value - center; });
      Tensor squares = Tensor::allocate(x.type, x.shape());
      std::transform(y.as<T>(), y.as<T>() + y.elements(), squares.values<T>().begin(), [](T v) { return v * v; });
      reduce(ReduceKind::kMean, x.type, squares.raw(), x.shape(), mask, power.raw(), context.parallel());
      if (!scales_) return;
      combine<T>(context, y, power, y, [](T value, T variance) { return value / (std::sqrt(variance) + T(1e-9)); });
    });
  }

 private:
  template <class T, class Function>
  static void combine(RunContext& context, const TensorView& x, const Tensor& row, const TensorView& y,
                      Function function) {
    const std::array operands{x, TensorView::of(row)};
    for_each_broadcast(operands, y, kCheapGrain, context.parallel(), [&](const BroadcastRun& run) {
      const T* a = run.input<T>(0);
      const T* b = run.input<T>(1);
      for (int64_t i = 0; i < run.n; ++i) run.output<T>()[i] = function(a[i * run.stride[0]], b[i * run.stride[1]]);
    });
  }

  std::vector<int64_t> axes_;
  bool scales_ = true;
};

OpDef normalization(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .inputs = {{"input", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& lp_normalization() {
  static const OpDef def = normalization("LpNormalization", make_operator<LpNormalization>);
  return def;
}

[[gnu::cold]] const OpDef& mean_variance_normalization() {
  static const OpDef def = normalization("MeanVarianceNormalization", make_operator<MeanVarianceNormalization>);
  return def;
}

}  // namespace attune::ops
