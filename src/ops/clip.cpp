// Clip: https://onnx.ai/onnx/operators/onnx__Clip.html, versions 1 to 13: the limits are attributes before 11 and
// optional inputs since. Where min exceeds max the result is max; NaN stays NaN.
#include <fmt/format.h>

#include <limits>
#include <string_view>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

constexpr std::string_view kLimitNames[] = {"", "min", "max"};

template <class T>
struct Limits {
  T low;
  T high;
};

template <class T>
void clip_elements(RunContext& context, Limits<T> limits) {
  if constexpr (std::is_same_v<T, float>) {
    map_floats(context, kernels::UnaryFunction::kClip, limits.low, limits.high);
  } else {
    map_elements<T, T>(context, kCheapGrain, [limits](T x) {
      const T raised = x < limits.low ? limits.low : x;
      return raised > limits.high ? limits.high : raised;
    });
  }
}

/// Limits from attributes.
class ClipByAttributes final : public Operator {
 public:
  explicit ClipByAttributes(const Node& node)
      : limits_{node.attributes.get_float("min", std::numeric_limits<float>::lowest()),
                node.attributes.get_float("max", std::numeric_limits<float>::max())} {}

  void infer(InferContext& context) const override { infer_same_shape(context, context.type(0)); }
  void choose_layouts(LayoutContext& context) const override { choose_layout_of_input(context); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.input(0).type == DataType::kFloat) return clip_elements<float>(context, limits_);
    clip_elements<double>(context, {limits_.low, limits_.high});
  }

 private:
  Limits<float> limits_;
};

/// Limits from inputs 1 and 2, each of one element or absent.
class Clip final : public Operator {
 public:
  explicit Clip(const Node&) {}

  void infer(InferContext& context) const override {
    for (const int i : {1, 2}) {
      if (!context.has_shape(i)) continue;
      const Shape& shape = context.shape(i);
      if (shape.rank() > 1 || (shape.rank() == 1 && is_known(shape[0]) && shape[0] != 1)) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("{} should be a scalar.", kLimitNames[i]));
      }
    }
    infer_same_shape(context, context.type(0));
  }

  void choose_layouts(LayoutContext& context) const override { choose_layout_of_input(context); }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    visit_number_type(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      clip_elements<T>(context, {limit<T>(context, 1, std::numeric_limits<T>::lowest()),
                                 limit<T>(context, 2, std::numeric_limits<T>::max())});
    });
  }

 private:
  template <class T>
  static T limit(const RunContext& context, int i, T fallback) {
    return context.has_input(i) ? *context.input(i).as<T>() : fallback;
  }
};

}  // namespace

[[gnu::cold]] const OpDef& clip_1() {
  static const OpDef def{
      .name = "Clip",
      .until = 10,
      .inputs = {{"input", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<ClipByAttributes>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& clip() {
  static const OpDef def{
      .name = "Clip",
      .since = 11,
      .inputs = {{"input", "T"}, {"min", "T", Occurrence::kOptional}, {"max", "T", Occurrence::kOptional}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kNumbers}},
      .make = make_operator<Clip>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
