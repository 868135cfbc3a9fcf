// Equal: https://onnx.ai/onnx/operators/onnx__Equal.html, versions 1 to 19 (strings too); Greater, Less, versions 1 to
// 13, GreaterOrEqual, LessOrEqual, versions 12 to 16. Broadcast as numpy does.
#include <array>
#include <functional>
#include <optional>
#include <string>

#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_arithmetic.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
#include "ops/old_broadcast.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// What shape arithmetic knows of a comparison. A symbol stands for a dimension: it is not negative.
template <class Relation>
KnownElement compare_elements(const KnownElement& a, const KnownElement& b) {
  const auto result = [](int64_t x, int64_t y) { return KnownElement::number(Relation()(x, y) ? 1 : 0); };
  if (a.is_number && b.is_number) return result(a.value, b.value);
  if (a.is_number && a.value < 0 && is_symbol(b.value)) return result(-1, 0);
  if (b.is_number && b.value < 0 && is_symbol(a.value)) return result(0, -1);
  if (!a.is_number && !b.is_number && same_dim(a.value, b.value)) return result(0, 0);
  return KnownElement::unknown();
}

template <class Relation, class... Types>
class Compare final : public Operator {
 public:
  explicit Compare(const Node& node) : old_(node) {}

  void infer(InferContext& context) const override {
    if (old_.applies()) return old_.infer(context, DataType::kBool);
    if (const auto shape = infer_broadcast(context, 2)) {
      context.set_output(0, DataType::kBool, *shape);
    } else {
      context.set_output_type(0, DataType::kBool);
    }
    combine_elements(context, compare_elements<Relation>);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const OldOperands operands(old_, context);
    const std::array<TensorView, 2>& inputs = operands.views();
    visit_type<Types...>(inputs[0].type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_each_broadcast(inputs, context.output(0), kCheapGrain, context.parallel(),
                         [](const BroadcastRun& run) { compare<T>(run); });
    });
  }

 private:
  template <class T>
  static void compare(const BroadcastRun& run) {
    if constexpr (std::is_same_v<T, std::string>) {
      const T* a = run.input<T>(0);
      const T* b = run.input<T>(1);
      for (int64_t i = 0; i < run.n; ++i) {
        run.output<bool>()[i] = Relation()(a[i * run.stride[0]], b[i * run.stride[1]]);
      }
    } else {
      fill_binary<T, bool>(run, Relation());
    }
  }

  OldBroadcast old_;
};

template <class Relation>
using CompareNumbers =
    Compare<Relation, float, int64_t, int32_t, double, int8_t, uint8_t, int16_t, uint16_t, uint32_t, uint64_t>;
using EqualOp = Compare<std::equal_to<>, float, int64_t, int32_t, bool, std::string, double, int8_t, uint8_t, int16_t,
                        uint16_t, uint32_t, uint64_t>;

OpDef comparison(std::string_view name, int since, TypeSet types, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = since,
      .inputs = {{"A", "T"}, {"B", "T"}},
      .outputs = {{"C", "T1"}},
      .types = {{"T", types}, {"T1", {DataType::kBool}}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& equal() {
  static const OpDef def =
      comparison("Equal", 1, kNumbers | TypeSet{DataType::kBool, DataType::kString}, make_operator<EqualOp>);
  return def;
}

[[gnu::cold]] const OpDef& greater() {
  static const OpDef def = comparison("Greater", 1, kNumbers, make_operator<CompareNumbers<std::greater<>>>);
  return def;
}

[[gnu::cold]] const OpDef& greater_or_equal() {
  static const OpDef def =
      comparison("GreaterOrEqual", 12, kNumbers, make_operator<CompareNumbers<std::greater_equal<>>>);
  return def;
}

[[gnu::cold]] const OpDef& less() {
  static const OpDef def = comparison("Less", 1, kNumbers, make_operator<CompareNumbers<std::less<>>>);
  return def;
}

[[gnu::cold]] const OpDef& less_or_equal() {
  static const OpDef def = comparison("LessOrEqual", 12, kNumbers, make_operator<CompareNumbers<std::less_equal<>>>);
  return def;
}

}  // namespace attune::ops
