// Arithmetic of two operands, broadcast as numpy does:
//   Add, Sub, Mul, Div: https://onnx.ai/onnx/operators/onnx__Add.html and so on, versions 1 to 14
//   Pow: https://onnx.ai/onnx/operators/onnx__Pow.html, versions 1 to 15
//   Mod: https://onnx.ai/onnx/operators/onnx__Mod.html, versions 10 to 28
//   PRelu: https://onnx.ai/onnx/operators/onnx__PRelu.html, versions 1 to 16
//
// Integers wrap around; division truncates; an integer division or remainder by zero is Error(kInvalidArgument), where
// onnxruntime kills the process. Mod of floats without fmod is the floored one from version 28 and an error before.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_arithmetic.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
#include "ops/old_broadcast.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using kernels::BinaryFunction;

enum class Kind : uint8_t { kAdd, kSub, kMul, kDiv, kMod, kFmod, kPrelu };

[[noreturn]] void throw_division_by_zero() { throw Error(ErrorCode::kInvalidArgument, "Integer division by zero."); }

template <class T>
T divide(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    if (y == 0) throw_division_by_zero();
    if constexpr (std::is_signed_v<T>) {
      if (y == -1) return wrapping_sub(T{0}, x);  // the minimum / -1 does not fit
    }
    return static_cast<T>(x / y);
  } else {
    return x / y;
  }
}

/// C's remainder: the sign of x.
template <class T>
T truncated_remainder(T x, T y) {
  if constexpr (std::is_integral_v<T>) {
    if (y == 0) throw_division_by_zero();
    if constexpr (std::is_signed_v<T>) {
      if (y == -1) return 0;
    }
    return static_cast<T>(x % y);
  } else {
    return std::fmod(x, y);
  }
}

/// Python's remainder: the sign of y.
template <class T>
T floored_remainder(T x, T y) {
  const T remainder = truncated_remainder(x, y);
  if constexpr (std::is_unsigned_v<T>) {
    return remainder;
  } else {
    return remainder != 0 && (remainder < 0) != (y < 0) ? static_cast<T>(remainder + y) : remainder;
  }
}

template <Kind kKind, class T>
T apply(T x, T y) {
  if constexpr (kKind == Kind::kAdd) {
    return wrapping_add(x, y);
  } else if constexpr (kKind == Kind::kSub) {
    return wrapping_sub(x, y);
  } else if constexpr (kKind == Kind::kMul) {
    return wrapping_mul(x, y);
  } else if constexpr (kKind == Kind::kDiv) {
    return divide(x, y);
  } else if constexpr (kKind == Kind::kMod) {
    return floored_remainder(x, y);
  } else if constexpr (kKind == Kind::kFmod) {
    return truncated_remainder(x, y);
  } else {
    return x < 0 ? wrapping_mul(y, x) : x;
  }
}

template <Kind kKind, class T>
void run_loop(const BroadcastRun& run) {
  fill_binary<T, T>(run, [](T x, T y) { return apply<kKind>(x, y); });
}

void run_float_loop(BinaryFunction function, const BroadcastRun& run) {
  kernels::map_binary(function, run.input<float>(0), run.stride[0], run.input<float>(1), run.stride[1],
                      run.output<float>(), run.n);
}

constexpr BinaryFunction kernel_of(Kind kind) {
  switch (kind) {
    case Kind::kAdd:
      return BinaryFunction::kAdd;
    case Kind::kSub:
      return BinaryFunction::kSub;
    case Kind::kMul:
      return BinaryFunction::kMul;
    case Kind::kDiv:
      return BinaryFunction::kDiv;
    case Kind::kPrelu:
      return BinaryFunction::kPrelu;
    case Kind::kMod:
    case Kind::kFmod:
      break;
  }
  return BinaryFunction::kMod;
}

constexpr int64_t grain_of(Kind kind, DataType type) {
  const bool is_float = type == DataType::kFloat || type == DataType::kDouble;
  const bool is_remainder = kind == Kind::kMod || kind == Kind::kFmod;
  return is_remainder || (kind == Kind::kDiv && !is_float) ? kCostlyGrain : kCheapGrain;
}

template <Kind kKind>
void run_binary(RunContext& context, const std::array<TensorView, 2>& inputs) {
  const TensorView& out = context.output(0);
  const int64_t grain = grain_of(kKind, out.type);
  if (out.type == DataType::kFloat && kKind != Kind::kMod) {
    for_each_broadcast(inputs, out, grain, context.parallel(),
                       [](const BroadcastRun& run) { run_float_loop(kernel_of(kKind), run); });
    return;
  }
  visit_number_type(out.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for_each_broadcast(inputs, out, grain, context.parallel(),
                       [](const BroadcastRun& run) { run_loop<kKind, T>(run); });
  });
}

void infer_output(InferContext& context) {
  if (const auto shape = infer_broadcast(context, 2)) {
    context.set_output(0, context.type(0), *shape);
  } else {
    context.set_output_type(0, context.type(0));
  }
}

/// The element that shape arithmetic gives; anything but whole numbers and neutral elements is unknown.
template <Kind kKind>
KnownElement combine(const KnownElement& a, const KnownElement& b) {
  if (a.is_number && b.is_number) {
    if ((kKind == Kind::kDiv || kKind == Kind::kMod || kKind == Kind::kFmod) && b.value == 0) {
      return KnownElement::unknown();
    }
    return KnownElement::number(apply<kKind>(a.value, b.value));
  }
  if constexpr (kKind == Kind::kAdd) {
    if (a.is(0)) return b;
    if (b.is(0)) return a;
  } else if constexpr (kKind == Kind::kSub) {
    if (b.is(0)) return a;
    if (!a.is_number && !b.is_number && same_dim(a.value, b.value)) return KnownElement::number(0);
  } else if constexpr (kKind == Kind::kMul) {
    if (a.is(0) || b.is(0)) return KnownElement::number(0);
    if (a.is(1)) return b;
    if (b.is(1)) return a;
  } else if constexpr (kKind == Kind::kDiv) {
    if (b.is(1)) return a;
  }
  return KnownElement::unknown();
}

template <Kind kKind>
class Arithmetic final : public Operator {
 public:
  explicit Arithmetic(const Node& node) : old_(node) {}
  void infer(InferContext& context) const override {
    if (old_.applies()) return old_.infer(context, context.type(0));
    infer_output(context);
    combine_elements(context, combine<kKind>);
  }
  void choose_layouts(LayoutContext& context) const override {
    if (!old_.applies()) choose_blocked_broadcast(context);
  }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return old_.applies() ? 0 : broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override { run_binary<kKind>(context, OldOperands(old_, context).views()); }

 private:
  OldBroadcast old_;
};

class Mod final : public Operator {
 public:
  explicit Mod(const Node& node) : fmod_(node.attributes.get_int("fmod", 0) != 0), version_(node.version) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    if (!fmod_ && version_ < 28 && (type == DataType::kFloat || type == DataType::kDouble)) {
      throw Error(ErrorCode::kInvalidGraph, "fmod attribute must be true for floating point types before opset 28.");
    }
    infer_output(context);
    if (fmod_) {
      combine_elements(context, combine<Kind::kFmod>);
    } else {
      combine_elements(context, combine<Kind::kMod>);
    }
  }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (fmod_) {
      run_binary<Kind::kFmod>(context, {context.input(0), context.input(1)});
    } else {
      run_binary<Kind::kMod>(context, {context.input(0), context.input(1)});
    }
  }

 private:
  bool fmod_;
  int version_;
};

class PRelu final : public Operator {
 public:
  explicit PRelu(const Node& node) : old_(node, 1) {}
  void infer(InferContext& context) const override {
    if (old_.applies()) return old_.infer(context, context.type(0));
    const auto shape = infer_broadcast(context, 2);
    if (!shape) return context.set_output_type(0, context.type(0));
    // The slope is broadcast to X, never X to the slope.
    const Shape& x = context.shape(0);
    bool grows = shape->rank() != x.rank();
    for (int axis = 0; !grows && axis < x.rank(); ++axis) {
      grows = is_known(x[axis]) && is_known((*shape)[axis]) && x[axis] != (*shape)[axis];
    }
    if (grows) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("The slope of shape {} cannot be broadcast to {}.",
                                                        context.shape(1).to_string(), x.to_string()));
    }
    context.set_output(0, context.type(0), x);
  }
  void choose_layouts(LayoutContext& context) const override {
    if (!old_.applies()) choose_blocked_broadcast(context);
  }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return old_.applies() ? 0 : broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    run_binary<Kind::kPrelu>(context, OldOperands(old_, context).views());
  }

 private:
  OldBroadcast old_;  // a slope for each channel
};

/// The result has the base's type, computed in double where an integer takes part.
class Pow final : public Operator {
 public:
  explicit Pow(const Node& node) : old_(node) {}

  void infer(InferContext& context) const override {
    if (old_.applies()) return old_.infer(context, context.type(0));
    infer_output(context);
  }
  void choose_layouts(LayoutContext& context) const override {
    if (!old_.applies()) choose_blocked_broadcast(context);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return old_.applies() ? 0 : broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const OldOperands operands(old_, context);
    const TensorView& base = operands.views()[0];
    TensorView exponent = operands.views()[1];
    const TensorView& out = context.output(0);
    Parallel& parallel = context.parallel();
    float as_float = 0.0F;
    if (base.type == DataType::kFloat && exponent.type != DataType::kFloat && exponent.elements() == 1) {
      as_float = static_cast<float>(scalar_value(exponent));  // x^2 with an integer 2: the kernel is fast for it
      exponent.data = &as_float;
      exponent.type = DataType::kFloat;
    }
    const std::array inputs{base, exponent};
    if (base.type == DataType::kFloat && exponent.type == DataType::kFloat) {
      const int64_t grain = exponent.elements() == 1 ? kCheapGrain : kCostlyGrain;
      for_each_broadcast(inputs, out, grain, parallel,
                         [](const BroadcastRun& run) { run_float_loop(BinaryFunction::kPow, run); });
      return;
    }
    visit_number_type(base.type, [&](auto base_tag) {
      using T = typename decltype(base_tag)::type;
      visit_number_type(exponent.type, [&](auto exponent_tag) {
        using E = typename decltype(exponent_tag)::type;
        for_each_broadcast(inputs, out, kCostlyGrain, parallel, [](const BroadcastRun& run) { run_loop<T, E>(run); });
      });
    });
  }

 private:
  static double scalar_value(const TensorView& view) {
    double value = 0;
    visit_number_type(view.type,
                      [&](auto tag) { value = static_cast<double>(*view.as<typename decltype(tag)::type>()); });
    return value;
  }

  template <class T, class E>
  static void run_loop(const BroadcastRun& run) {
    const T* x = run.input<T>(0);
    const E* y = run.input<E>(1);
    T* out = run.output<T>();
    if (run.stride[1] == 0 && (*y == E{2} || *y == E{3})) {  // exact where pow in double would round
      const bool cube = *y == E{3};
      for (int64_t i = 0; i < run.n; ++i) {
        const T base = x[i * run.stride[0]];
        const T square = wrapping_mul(base, base);
        out[i] = cube ? wrapping_mul(square, base) : square;
      }
      return;
    }
    for (int64_t i = 0; i < run.n; ++i) {
      out[i] =
          convert<T>(std::pow(static_cast<double>(x[i * run.stride[0]]), static_cast<double>(y[i * run.stride[1]])));
    }
  }

  OldBroadcast old_;
};

OpDef arithmetic(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .inputs = {{"A", "T"}, {"B", "T"}},
      .outputs = {{"C", "T"}},
      .types = {{"T", kNumbers}},
      .make = make,
      .in_place = {0, 1},
  };
}

}  // namespace

[[gnu::cold]] const OpDef& add() {
  static const OpDef def = arithmetic("Add", make_operator<Arithmetic<Kind::kAdd>>);
  return def;
}

[[gnu::cold]] const OpDef& sub() {
  static const OpDef def = arithmetic("Sub", make_operator<Arithmetic<Kind::kSub>>);
  return def;
}

[[gnu::cold]] const OpDef& mul() {
  static const OpDef def = arithmetic("Mul", make_operator<Arithmetic<Kind::kMul>>);
  return def;
}

[[gnu::cold]] const OpDef& div() {
  static const OpDef def = arithmetic("Div", make_operator<Arithmetic<Kind::kDiv>>);
  return def;
}

[[gnu::cold]] const OpDef& mod() {
  static const OpDef def = [] {
    OpDef mod = arithmetic("Mod", make_operator<Mod>);
    mod.since = 10;
    return mod;
  }();
  return def;
}

[[gnu::cold]] const OpDef& pow() {
  static const OpDef def{
      .name = "Pow",
      .inputs = {{"X", "T"}, {"Y", "T1"}},
      .outputs = {{"Z", "T"}},
      .types = {{"T", kFloats | kIndices}, {"T1", kNumbers}},
      .make = make_operator<Pow>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& prelu() {
  static const OpDef def{
      .name = "PRelu",
      .inputs = {{"X", "T"}, {"slope", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kNumbers}},
      .make = make_operator<PRelu>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
