// Max, Min: https://onnx.ai/onnx/operators/onnx__Max.html, versions 1 to 13; Sum, Mean:
// https://onnx.ai/onnx/operators/onnx__Sum.html, versions 1 to 13. Any number of operands, broadcast as numpy does.
// Operands are taken one after the other; a maximum or minimum of NaN is NaN.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_arithmetic.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using kernels::BinaryFunction;

struct Maximum {
  static constexpr BinaryFunction kKernel = BinaryFunction::kMax;
  template <class T>
  T operator()(T x, T y) const {
    return x > y || x != x ? x : y;
  }
};

struct Minimum {
  static constexpr BinaryFunction kKernel = BinaryFunction::kMin;
  template <class T>
  T operator()(T x, T y) const {
    return x < y || x != x ? x : y;
  }
};

struct Addition {
  static constexpr BinaryFunction kKernel = BinaryFunction::kAdd;
  template <class T>
  T operator()(T x, T y) const {
    return wrapping_add(x, y);
  }
};

struct Quotient {
  static constexpr BinaryFunction kKernel = BinaryFunction::kDiv;
  template <class T>
  T operator()(T x, T y) const {
    return x / y;
  }
};

/// out = Function(x, y); out may be either.
template <class Function, class... Types>
void combine(const TensorView& x, const TensorView& y, const TensorView& out, Parallel& parallel) {
  const std::array operands{x, y};
  if (out.type == DataType::kFloat) {
    for_each_broadcast(operands, out, kCheapGrain, parallel, [](const BroadcastRun& run) {
      kernels::map_binary(Function::kKernel, run.input<float>(0), run.stride[0], run.input<float>(1), run.stride[1],
                          run.output<float>(), run.n);
    });
    return;
  }
  visit_type<Types...>(out.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_broadcast(operands, out, kCheapGrain, parallel,
                       [](const BroadcastRun& run) { fill_binary<T, T>(run, Function()); });
  });
}

template <class Function, bool kMean, class... Types>
class Variadic final : public Operator {
 public:
  explicit Variadic(const Node&) {}

  void infer(InferContext& context) const override {
    if (const auto shape = infer_broadcast(context, context.input_count())) {
      context.set_output(0, context.type(0), *shape);
    } else {
      context.set_output_type(0, context.type(0));
    }
    if (context.input_count() != 2) return;
    combine_elements(context, [](const KnownElement& a, const KnownElement& b) {
      return a.is_number && b.is_number ? KnownElement::number(Function()(a.value, b.value)) : KnownElement::unknown();
    });
  }

  void choose_layouts(LayoutContext& context) const override { choose_blocked_broadcast(context); }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& out = context.output(0);
    const int count = context.input_count();
    if (count == 1) {
      if (out.data != context.input(0).data) std::memcpy(out.data, context.input(0).data, out.physical_bytes());
      return;
    }
    // The output may take the memory of input 0 or 1, which the first step consumes. If the same tensor is an operand
    // once more, that one is kept aside.
    Tensor kept;
    for (int i = 2; i < count && !kept; ++i) {
      if (context.input(i).data != out.data) continue;
      kept = Tensor::allocate(DataType::kUint8, Shape{static_cast<int64_t>(out.physical_bytes())});
      std::memcpy(kept.raw(), out.data, out.physical_bytes());
    }
    combine<Function, Types...>(context.input(0), context.input(1), out, context.parallel());
    for (int i = 2; i < count; ++i) {
      TensorView next = context.input(i);
      if (kept && next.data == out.data) next.data = kept.raw();
      combine<Function, Types...>(out, next, out, context.parallel());
    }
    if constexpr (kMean) divide(out, count, context.parallel());
  }

 private:
  static void divide(const TensorView& out, int count, Parallel& parallel) {
    const Shape scalar{};
    const auto as_float = static_cast<float>(count);
    const auto as_double = static_cast<double>(count);
    const bool is_float = out.type == DataType::kFloat;
    const void* divisor = is_float ? static_cast<const void*>(&as_float) : &as_double;
    combine<Quotient, double>(out, {const_cast<void*>(divisor), &scalar, out.type}, out, parallel);
  }
};

template <class Function>
using OfNumbers =
    Variadic<Function, false, double, int64_t, int32_t, int8_t, uint8_t, int16_t, uint16_t, uint32_t, uint64_t>;

OpDef variadic(std::string_view name, std::string_view output, TypeSet types,
               std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .inputs = {{"data_0", "T", Occurrence::kVariadic}},
      .outputs = {{output, "T"}},
      .types = {{"T", types}},
      .make = make,
      .in_place = {0, 1},
  };
}

}  // namespace

[[gnu::cold]] const OpDef& max() {
  static const OpDef def = variadic("Max", "max", kNumbers, make_operator<OfNumbers<Maximum>>);
  return def;
}

[[gnu::cold]] const OpDef& mean() {
  static const OpDef def = variadic("Mean", "mean", kFloats, make_operator<Variadic<Addition, true, double>>);
  return def;
}

[[gnu::cold]] const OpDef& min() {
  static const OpDef def = variadic("Min", "min", kNumbers, make_operator<OfNumbers<Minimum>>);
  return def;
}

[[gnu::cold]] const OpDef& sum() {
  static const OpDef def = variadic("Sum", "sum", kFloats, make_operator<Variadic<Addition, false, double>>);
  return def;
}

}  // namespace attune::ops
