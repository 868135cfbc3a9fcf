// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp,
// ReduceSumSquare: https://onnx.ai/onnx/operators/onnx__ReduceSum.html and so on, versions 1 to 20. The axes are an
// attribute before version 18 (ReduceSum: 13) and an optional input since.
//
// No axes with noop_with_empty_axes reduce each element by itself (ReduceL1 gives |x|), as onnxruntime and the newest
// text have it. Duplicate axes count once. A maximum or minimum is NaN if any element is; onnxruntime's depends on
// where the NaN stands.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "attune/error.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_arithmetic.h"
#include "ops/element_types.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "ops/reduction.h"

namespace attune::ops {
namespace {

/// Bit `axis` for each axis; a scalar has axes 0 and -1, which reduce nothing.
uint32_t axes_mask(std::span<const int64_t> axes, int rank, ErrorCode code) {
  uint32_t mask = 0;
  const int64_t count = std::max(rank, 1);
  for (const int64_t axis : axes) {
    if (axis < -count || axis >= count) {
      throw Error(code, fmt::format("axis {} is not in valid range [-{},{}]", axis, count, count - 1));
    }
    mask |= 1U << (axis < 0 ? axis + count : axis);
  }
  return mask;
}

Shape reduced_shape(const Shape& shape, uint32_t mask, bool keep) {
  Shape result;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if ((mask >> axis & 1U) == 0) {
      result.push_back(shape[axis]);
    } else if (keep) {
      result.push_back(1);
    }
  }
  return result;
}

template <ReduceKind kKind, bool kAxesAreInput>
class Reduce final : public Operator {
 public:
  explicit Reduce(const Node& node)
      : keep_(node.attributes.get_int("keepdims", 1) != 0),
        noop_(kAxesAreInput && node.attributes.get_int("noop_with_empty_axes", 0) != 0) {
    if constexpr (!kAxesAreInput) {
      const auto axes = node.attributes.get_ints("axes");
      axes_.assign(axes.begin(), axes.end());
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& shape = context.shape(0);
    const Tensor* constant = context.constant(1);
    if (kAxesAreInput && context.has_input(1) && constant == nullptr) {
      if (!keep_) return;
      Shape unknown;
      for (int axis = 0; axis < shape.rank(); ++axis) {
        unknown.push_back(shape[axis] == 1 ? 1 : context.fresh_dim());
      }
      return context.set_output(0, context.type(0), unknown);
    }
    const TensorView axes = constant != nullptr ? TensorView::of(*constant) : TensorView{};
    const uint32_t mask = mask_of(axes, shape.rank(), ErrorCode::kInvalidGraph);
    context.set_output(0, context.type(0), reduced_shape(shape, mask, keep_));
    if (shape.rank() == 1 && mask == 1) infer_element(context);
  }

  /// Reduced over its pixels, or its images, a blocked tensor stays blocked.
  void choose_layouts(LayoutContext& context) const override {
    if (context.current(0) != Layout::kBlocked || !keep_) return;
    const ValueInfo& x = context.input(0);
    if (x.type != DataType::kFloat || !x.has_shape || x.shape.rank() != 4) return;
    TensorView axes;
    if (context.has_input(1)) {
      if (context.input(1).constant == nullptr) return;
      axes = TensorView::of(*context.input(1).constant);
    }
    if ((mask_of(axes, 4, ErrorCode::kInvalidGraph) & 0b0010U) != 0) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  void prepare(PrepareContext& context) override {
    if (auto axes = kAxesAreInput ? known_integers(context, 1) : std::nullopt) known_axes_ = std::move(*axes);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return keeps_batch(inputs[0].rank()) ? batch_of_first(inputs, outputs) : 0;
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView axes = context.has_input(1) ? context.input(1) : TensorView{};
    const uint32_t mask = mask_of(axes, x.rank(), ErrorCode::kInvalidArgument);
    if (const TensorView& y = context.output(0); y.data != nullptr) {
      reduce(kKind, x.type, x.data, x.physical(), mask, y.data, context.parallel());
    } else {
      Tensor result = Tensor::allocate(x.type, reduced_shape(x.shape(), mask, keep_));
      reduce(kKind, x.type, x.data, x.shape(), mask, result.raw(), context.parallel());
      context.give_output(0, std::move(result));
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return static_cast<double>(inputs[0].elements());
  }

 private:
  /// Whether axis 0 is known not to be reduced.
  bool keeps_batch(int rank) const {
    const std::vector<int64_t>& axes = kAxesAreInput ? known_axes_ : axes_;
    return !axes.empty() && (axes_mask(axes, rank, ErrorCode::kInvalidArgument) & 1U) == 0;
  }

  /// `axes` is the input's value, or an absent view.
  uint32_t mask_of(const TensorView& axes, int rank, ErrorCode code) const {
    std::vector<int64_t> list = axes_;
    if (axes) {
      for (int64_t i = 0; i < axes.elements(); ++i) list.push_back(axes.integer(i));
    }
    if (!list.empty()) return axes_mask(list, rank, code);
    return noop_ ? 0 : (1U << rank) - 1;
  }

  /// Shape arithmetic: the product, sum or extreme of a few known numbers.
  static void infer_element(InferContext& context) {
    const auto elements = known_elements(context, 0);
    if (!elements || elements->count == 0) return;
    if (kKind != ReduceKind::kProd && kKind != ReduceKind::kSum && kKind != ReduceKind::kMax &&
        kKind != ReduceKind::kMin) {
      return;
    }
    KnownElements result;
    result.count = 1;
    KnownElement& total = result.element[0];
    total = elements->element[0];
    for (int i = 1; i < elements->count; ++i) {
      const KnownElement& next = elements->element[static_cast<size_t>(i)];
      if (kKind == ReduceKind::kProd && total.is(1)) {
        total = next;
      } else if (kKind == ReduceKind::kProd && next.is(1)) {
        continue;
      } else if (!total.is_number || !next.is_number) {
        total = KnownElement::unknown();
        break;
      } else if constexpr (kKind == ReduceKind::kProd) {
        total.value = wrapping_mul(total.value, next.value);
      } else if constexpr (kKind == ReduceKind::kSum) {
        total.value = wrapping_add(total.value, next.value);
      } else if constexpr (kKind == ReduceKind::kMax) {
        total.value = std::max(total.value, next.value);
      } else {
        total.value = std::min(total.value, next.value);
      }
    }
    set_known_elements(context, result);
  }

  bool keep_;
  bool noop_;
  std::vector<int64_t> axes_;
  std::vector<int64_t> known_axes_;  // a constant input's
};

template <ReduceKind kKind>
OpDef by_attribute(std::string_view name, int until) {
  return {
      .name = name,
      .since = 1,
      .until = until,
      .inputs = {{"data", "T"}},
      .outputs = {{"reduced", "T"}},
      .types = {{"T", kNumbers}},
      .make = make_operator<Reduce<kKind, false>>,
  };
}

template <ReduceKind kKind>
OpDef by_input(std::string_view name, int since) {
  const bool is_extreme = kKind == ReduceKind::kMax || kKind == ReduceKind::kMin;
  return {
      .name = name,
      .since = since,
      .inputs = {{"data", "T"}, {"axes", "tensor(int64)", Occurrence::kOptional}},
      .outputs = {{"reduced", "T"}},
      .types = {{"T", is_extreme ? kNumbers | TypeSet{DataType::kBool} : kNumbers},
                {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Reduce<kKind, true>>,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& reduce_l1_1() {
  static const OpDef def = by_attribute<ReduceKind::kL1>("ReduceL1", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_l1() {
  static const OpDef def = by_input<ReduceKind::kL1>("ReduceL1", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_l2_1() {
  static const OpDef def = by_attribute<ReduceKind::kL2>("ReduceL2", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_l2() {
  static const OpDef def = by_input<ReduceKind::kL2>("ReduceL2", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_log_sum_1() {
  static const OpDef def = by_attribute<ReduceKind::kLogSum>("ReduceLogSum", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_log_sum() {
  static const OpDef def = by_input<ReduceKind::kLogSum>("ReduceLogSum", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_log_sum_exp_1() {
  static const OpDef def = by_attribute<ReduceKind::kLogSumExp>("ReduceLogSumExp", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_log_sum_exp() {
  static const OpDef def = by_input<ReduceKind::kLogSumExp>("ReduceLogSumExp", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_max_1() {
  static const OpDef def = by_attribute<ReduceKind::kMax>("ReduceMax", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_max() {
  static const OpDef def = by_input<ReduceKind::kMax>("ReduceMax", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_mean_1() {
  static const OpDef def = by_attribute<ReduceKind::kMean>("ReduceMean", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_mean() {
  static const OpDef def = by_input<ReduceKind::kMean>("ReduceMean", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_min_1() {
  static const OpDef def = by_attribute<ReduceKind::kMin>("ReduceMin", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_min() {
  static const OpDef def = by_input<ReduceKind::kMin>("ReduceMin", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_prod_1() {
  static const OpDef def = by_attribute<ReduceKind::kProd>("ReduceProd", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_prod() {
  static const OpDef def = by_input<ReduceKind::kProd>("ReduceProd", 18);
  return def;
}

[[gnu::cold]] const OpDef& reduce_sum_1() {
  static const OpDef def = by_attribute<ReduceKind::kSum>("ReduceSum", 12);
  return def;
}

[[gnu::cold]] const OpDef& reduce_sum() {
  static const OpDef def = by_input<ReduceKind::kSum>("ReduceSum", 13);
  return def;
}

[[gnu::cold]] const OpDef& reduce_sum_square_1() {
  static const OpDef def = by_attribute<ReduceKind::kSumSquare>("ReduceSumSquare", 17);
  return def;
}

[[gnu::cold]] const OpDef& reduce_sum_square() {
  static const OpDef def = by_input<ReduceKind::kSumSquare>("ReduceSumSquare", 18);
  return def;
}

}  // namespace attune::ops
