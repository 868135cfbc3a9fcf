// Mathematical functions of one operand, https://onnx.ai/onnx/operators/onnx__Abs.html and so on:
//   Abs, Neg, Sign (every number); Ceil, Floor, Round, Sqrt, Reciprocal, Exp, Log, Erf, Sigmoid, Tanh, Sin, Cos, Tan,
//   Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh (float and double; Erf every number); Not; BitwiseNot;
//   IsNaN; IsInf. Versions from 1 (or where the operator begins) to the newest; what
//   version 1 has more, consumed_inputs, means nothing. Activations are in activations.cpp.
#include <cmath>
#include <type_traits>

#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_arithmetic.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using kernels::UnaryFunction;

struct Abs {
  static constexpr UnaryFunction kKernel = UnaryFunction::kAbs;
  template <class T>
  static T apply(T x) {
    if constexpr (std::is_unsigned_v<T>) {
      return x;
    } else if constexpr (std::is_integral_v<T>) {
      return x < 0 ? wrapping_sub(T{0}, x) : x;
    } else {
      return std::fabs(x);
    }
  }
};

struct Neg {
  static constexpr UnaryFunction kKernel = UnaryFunction::kNeg;
  template <class T>
  static T apply(T x) {
    if constexpr (std::is_integral_v<T>) {
      return wrapping_sub(T{0}, x);
    } else {
      return -x;
    }
  }
};

struct Sign {
  static constexpr UnaryFunction kKernel = UnaryFunction::kSign;
  template <class T>
  static T apply(T x) {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(x)) return x;
    }
    return static_cast<T>((x > T{0} ? 1 : 0) - (x < T{0} ? 1 : 0));
  }
};

struct Erf {
  static constexpr UnaryFunction kKernel = UnaryFunction::kErf;
  template <class T>
  static T apply(T x) {
    return convert<T>(std::erf(static_cast<double>(x)));
  }
};

struct Ceil {
  static constexpr UnaryFunction kKernel = UnaryFunction::kCeil;
  static double apply(double x) { return std::ceil(x); }
};
struct Floor {
  static constexpr UnaryFunction kKernel = UnaryFunction::kFloor;
  static double apply(double x) { return std::floor(x); }
};
struct Round {  // halves to the even neighbour: the rounding mode that every thread has
  static constexpr UnaryFunction kKernel = UnaryFunction::kRound;
  static double apply(double x) { return std::nearbyint(x); }
};
struct Sqrt {
  static constexpr UnaryFunction kKernel = UnaryFunction::kSqrt;
  static double apply(double x) { return std::sqrt(x); }
};
struct Reciprocal {
  static constexpr UnaryFunction kKernel = UnaryFunction::kReciprocal;
  static double apply(double x) { return 1.0 / x; }
};
struct Exp {
  static constexpr UnaryFunction kKernel = UnaryFunction::kExp;
  static double apply(double x) { return std::exp(x); }
};
struct Log {
  static constexpr UnaryFunction kKernel = UnaryFunction::kLog;
  static double apply(double x) { return std::log(x); }
};
struct Sin {
  static constexpr UnaryFunction kKernel = UnaryFunction::kSin;
  static double apply(double x) { return std::sin(x); }
};
struct Cos {
  static constexpr UnaryFunction kKernel = UnaryFunction::kCos;
  static double apply(double x) { return std::cos(x); }
};
struct Sigmoid {
  static constexpr UnaryFunction kKernel = UnaryFunction::kSigmoid;
  static double apply(double x) { return 1.0 / (1.0 + std::exp(-x)); }
};
struct Tanh {
  static constexpr UnaryFunction kKernel = UnaryFunction::kTanh;
  static double apply(double x) { return std::tanh(x); }
};

// Seldom used: the C library's functions, for float too.
struct Tan {
  template <class T>
  static T apply(T x) {
    return std::tan(x);
  }
};
struct Asin {
  template <class T>
  static T apply(T x) {
    return std::asin(x);
  }
};
struct Acos {
  template <class T>
  static T apply(T x) {
    return std::acos(x);
  }
};
struct Atan {
  template <class T>
  static T apply(T x) {
    return std::atan(x);
  }
};
struct Sinh {
  template <class T>
  static T apply(T x) {
    return std::sinh(x);
  }
};
struct Cosh {
  template <class T>
  static T apply(T x) {
    return std::cosh(x);
  }
};
struct Asinh {
  template <class T>
  static T apply(T x) {
    return std::asinh(x);
  }
};
struct Acosh {
  template <class T>
  static T apply(T x) {
    return std::acosh(x);
  }
};
struct Atanh {
  template <class T>
  static T apply(T x) {
    return std::atanh(x);
  }
};

template <class F>
concept HasKernel = requires {
  F::kKernel;
};

/// y = F(x), elements of the same type.
template <class F, class... Types>
class Map final : public Operator {
 public:
  explicit Map(const Node&) {}

  void infer(InferContext& context) const override {
    infer_same_shape(context, context.type(0));
    if constexpr (std::is_same_v<F, Abs> || std::is_same_v<F, Neg>) {
      auto elements = known_elements(context, 0);
      if (!elements) return;
      for (KnownElement& element : elements->element) {
        element = element.is_number ? KnownElement::number(F::apply(element.value)) : KnownElement::unknown();
      }
      set_known_elements(context, *elements);
    }
  }

  void choose_layouts(LayoutContext& context) const override { choose_layout_of_input(context); }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if constexpr (HasKernel<F>) {
      if (context.input(0).type == DataType::kFloat) return map_floats(context, F::kKernel);
    }
    visit_type<Types...>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map_elements<T, T>(context, kCostlyGrain, [](T x) { return static_cast<T>(F::apply(x)); });
    });
  }
};

template <class F>
using MapNumbers = Map<F, double, int64_t, int32_t, int16_t, int8_t, uint8_t, uint16_t, uint32_t, uint64_t>;
template <class F>
using MapDouble = Map<F, double>;
template <class F>
using MapFloats = Map<F, float, double>;

class Not final : public Operator {
 public:
  explicit Not(const Node&) {}
  void infer(InferContext& context) const override {
    infer_same_shape(context, DataType::kBool);
    auto elements = known_elements(context, 0);
    if (!elements) return;
    for (KnownElement& element : elements->element) {
      if (element.is_number) element.value = element.value == 0 ? 1 : 0;
    }
    set_known_elements(context, *elements);
  }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    map_elements<bool, bool>(context, kCheapGrain, [](bool x) { return !x; });
  }
};

class BitwiseNot final : public Operator {
 public:
  explicit BitwiseNot(const Node&) {}
  void infer(InferContext& context) const override { infer_same_shape(context, context.type(0)); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    visit_integer_type(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map_elements<T, T>(context, kCheapGrain, [](T x) { return static_cast<T>(~x); });
    });
  }
};

class IsNaN final : public Operator {
 public:
  explicit IsNaN(const Node&) {}
  void infer(InferContext& context) const override { infer_same_shape(context, DataType::kBool); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map_elements<T, bool>(context, kCheapGrain, [](T x) { return std::isnan(x); });
    });
  }
};

class IsInf final : public Operator {
 public:
  explicit IsInf(const Node& node)
      : positive_(node.attributes.get_int("detect_positive", 1) != 0),
        negative_(node.attributes.get_int("detect_negative", 1) != 0) {}
  void infer(InferContext& context) const override { infer_same_shape(context, DataType::kBool); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map_elements<T, bool>(context, kCheapGrain,
                            [this](T x) { return std::isinf(x) && (x > 0 ? positive_ : negative_); });
    });
  }

 private:
  bool positive_;
  bool negative_;
};

OpDef unary(std::string_view name, int since, TypeSet types, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = since,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", types}},
      .make = make,
      .in_place = {0},
  };
}

OpDef test(std::string_view name, int since, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = since,
      .inputs = {{"X", "T1"}},
      .outputs = {{"Y", "T2"}},
      .types = {{"T1", kFloats}, {"T2", {DataType::kBool}}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& abs() {
  static const OpDef def = unary("Abs", 1, kNumbers, make_operator<MapNumbers<Abs>>);
  return def;
}

[[gnu::cold]] const OpDef& acos() {
  static const OpDef def = unary("Acos", 7, kFloats, make_operator<MapFloats<Acos>>);
  return def;
}

[[gnu::cold]] const OpDef& acosh() {
  static const OpDef def = unary("Acosh", 9, kFloats, make_operator<MapFloats<Acosh>>);
  return def;
}

[[gnu::cold]] const OpDef& asin() {
  static const OpDef def = unary("Asin", 7, kFloats, make_operator<MapFloats<Asin>>);
  return def;
}

[[gnu::cold]] const OpDef& asinh() {
  static const OpDef def = unary("Asinh", 9, kFloats, make_operator<MapFloats<Asinh>>);
  return def;
}

[[gnu::cold]] const OpDef& atan() {
  static const OpDef def = unary("Atan", 7, kFloats, make_operator<MapFloats<Atan>>);
  return def;
}

[[gnu::cold]] const OpDef& atanh() {
  static const OpDef def = unary("Atanh", 9, kFloats, make_operator<MapFloats<Atanh>>);
  return def;
}

[[gnu::cold]] const OpDef& bitwise_not() {
  static const OpDef def = unary("BitwiseNot", 18, kIntegers, make_operator<BitwiseNot>);
  return def;
}

[[gnu::cold]] const OpDef& ceil() {
  static const OpDef def = unary("Ceil", 1, kFloats, make_operator<MapDouble<Ceil>>);
  return def;
}

[[gnu::cold]] const OpDef& cos() {
  static const OpDef def = unary("Cos", 7, kFloats, make_operator<MapDouble<Cos>>);
  return def;
}

[[gnu::cold]] const OpDef& cosh() {
  static const OpDef def = unary("Cosh", 9, kFloats, make_operator<MapFloats<Cosh>>);
  return def;
}

[[gnu::cold]] const OpDef& erf() {
  static const OpDef def = unary("Erf", 9, kNumbers, make_operator<MapNumbers<Erf>>);
  return def;
}

[[gnu::cold]] const OpDef& exp() {
  static const OpDef def = unary("Exp", 1, kFloats, make_operator<MapDouble<Exp>>);
  return def;
}

[[gnu::cold]] const OpDef& floor() {
  static const OpDef def = unary("Floor", 1, kFloats, make_operator<MapDouble<Floor>>);
  return def;
}

[[gnu::cold]] const OpDef& is_inf() {
  static const OpDef def = test("IsInf", 10, make_operator<IsInf>);
  return def;
}

[[gnu::cold]] const OpDef& is_nan() {
  static const OpDef def = test("IsNaN", 9, make_operator<IsNaN>);
  return def;
}

[[gnu::cold]] const OpDef& log() {
  static const OpDef def = unary("Log", 1, kFloats, make_operator<MapDouble<Log>>);
  return def;
}

[[gnu::cold]] const OpDef& logical_not() {
  static const OpDef def = unary("Not", 1, TypeSet{DataType::kBool}, make_operator<Not>);
  return def;
}

[[gnu::cold]] const OpDef& neg() {
  static const OpDef def = unary("Neg", 1, kNumbers, make_operator<MapNumbers<Neg>>);
  return def;
}

[[gnu::cold]] const OpDef& reciprocal() {
  static const OpDef def = unary("Reciprocal", 1, kFloats, make_operator<MapDouble<Reciprocal>>);
  return def;
}

[[gnu::cold]] const OpDef& round() {
  static const OpDef def = unary("Round", 11, kFloats, make_operator<MapDouble<Round>>);
  return def;
}

[[gnu::cold]] const OpDef& sigmoid() {
  static const OpDef def = unary("Sigmoid", 1, kFloats, make_operator<MapDouble<Sigmoid>>);
  return def;
}

[[gnu::cold]] const OpDef& sign() {
  static const OpDef def = unary("Sign", 9, kNumbers, make_operator<MapNumbers<Sign>>);
  return def;
}

[[gnu::cold]] const OpDef& sin() {
  static const OpDef def = unary("Sin", 7, kFloats, make_operator<MapDouble<Sin>>);
  return def;
}

[[gnu::cold]] const OpDef& sinh() {
  static const OpDef def = unary("Sinh", 9, kFloats, make_operator<MapFloats<Sinh>>);
  return def;
}

[[gnu::cold]] const OpDef& sqrt() {
  static const OpDef def = unary("Sqrt", 1, kFloats, make_operator<MapDouble<Sqrt>>);
  return def;
}

[[gnu::cold]] const OpDef& tan() {
  static const OpDef def = unary("Tan", 7, kFloats, make_operator<MapFloats<Tan>>);
  return def;
}

[[gnu::cold]] const OpDef& tanh() {
  static const OpDef def = unary("Tanh", 1, kFloats, make_operator<MapDouble<Tanh>>);
  return def;
}

}  // namespace attune::ops
