// Activation functions, https://onnx.ai/onnx/operators/onnx__Relu.html and so on: Relu (1 to 14), LeakyRelu (1, 16),
// ThresholdedRelu (10, 22), Elu (1, 22), Selu (1, 22), Celu (12), Softplus (1, 22), Softsign (1, 22), HardSigmoid
// (1, 22), HardSwish (14, 22), Swish (24), Mish (18, 22), Gelu (20), Shrink (9). Float and double; Relu and Shrink
// integers too. Sigmoid and Tanh are in unary.cpp, Clip in clip.cpp.
#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <string>
#include <type_traits>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using kernels::UnaryFunction;

/// An activation is its attributes, apply() for the types without a kernel, and, where there is one, the kernel's name
/// with its parameters.
struct Function {
  float alpha = 0.0F;
  float beta = 0.0F;
  UnaryFunction kernel = UnaryFunction::kRelu;
};

struct Relu : Function {
  static constexpr bool kHasKernel = true;
  explicit Relu(const Node&) { kernel = UnaryFunction::kRelu; }
  template <class T>
  T apply(T x) const {
    return x < T{0} ? T{0} : x;
  }
};

struct LeakyRelu : Function {
  static constexpr bool kHasKernel = true;
  explicit LeakyRelu(const Node& node) {
    kernel = UnaryFunction::kLeakyRelu;
    alpha = node.attributes.get_float("alpha", 0.01F);
  }
  double apply(double x) const { return x < 0 ? alpha * x : x; }
};

struct Elu : Function {
  static constexpr bool kHasKernel = true;
  explicit Elu(const Node& node) {
    kernel = UnaryFunction::kElu;
    alpha = node.attributes.get_float("alpha", 1.0F);
  }
  double apply(double x) const { return x < 0 ? alpha * std::expm1(x) : x; }
};

struct HardSigmoid : Function {
  static constexpr bool kHasKernel = true;
  explicit HardSigmoid(const Node& node) {
    kernel = UnaryFunction::kHardSigmoid;
    alpha = node.attributes.get_float("alpha", 0.2F);
    beta = node.attributes.get_float("beta", 0.5F);
  }
  double apply(double x) const {
    const double y = alpha * x + beta;
    return y < 0 ? 0 : y > 1 ? 1 : y;
  }
};

struct HardSwish : Function {
  static constexpr bool kHasKernel = true;
  explicit HardSwish(const Node&) {
    kernel = UnaryFunction::kHardSwish;
    alpha = 1.0F / 6.0F;
    beta = 0.5F;
  }
  double apply(double x) const {
    const double y = x / 6.0 + 0.5;
    return x * (y < 0 ? 0 : y > 1 ? 1 : y);
  }
};

struct Swish : Function {
  static constexpr bool kHasKernel = true;
  explicit Swish(const Node& node) {
    kernel = UnaryFunction::kSilu;
    alpha = node.attributes.get_float("alpha", 1.0F);
  }
  double apply(double x) const { return x / (1.0 + std::exp(-alpha * x)); }
};

struct Softplus : Function {
  static constexpr bool kHasKernel = true;
  explicit Softplus(const Node&) { kernel = UnaryFunction::kSoftplus; }
  double apply(double x) const { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
};

struct Mish : Function {
  static constexpr bool kHasKernel = true;
  explicit Mish(const Node&) { kernel = UnaryFunction::kMish; }
  double apply(double x) const { return x * std::tanh(x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x))); }
};

struct Gelu : Function {
  static constexpr bool kHasKernel = true;
  explicit Gelu(const Node& node) {
    const std::string approximate = node.attributes.get_string("approximate", "none");
    if (approximate != "none" && approximate != "tanh") {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Invalid approximate '{}': it must be none or tanh.", approximate));
    }
    by_tanh = approximate == "tanh";
    kernel = by_tanh ? UnaryFunction::kGeluTanh : UnaryFunction::kGelu;
  }
  double apply(double x) const {
    if (by_tanh) {
      return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    }
    return x / 2 * (1 + std::erf(x / std::numbers::sqrt2));
  }
  bool by_tanh = false;
};

struct ThresholdedRelu : Function {
  static constexpr bool kHasKernel = false;
  explicit ThresholdedRelu(const Node& node) { alpha = node.attributes.get_float("alpha", 1.0F); }
  template <class T>
  T apply(T x) const {
    return x > static_cast<T>(alpha) ? x : T{0};
  }
};

struct Selu : Function {
  static constexpr bool kHasKernel = false;
  explicit Selu(const Node& node) {
    alpha = node.attributes.get_float("alpha", 1.67326319217681884765625F);
    beta = node.attributes.get_float("gamma", 1.05070102214813232421875F);
  }
  template <class T>
  T apply(T x) const {
    return static_cast<T>(beta) * (x > T{0} ? x : static_cast<T>(alpha) * std::expm1(x));
  }
};

struct Celu : Function {
  static constexpr bool kHasKernel = false;
  explicit Celu(const Node& node) { alpha = node.attributes.get_float("alpha", 1.0F); }
  template <class T>
  T apply(T x) const {
    return x > T{0} ? x : static_cast<T>(alpha) * std::expm1(x / static_cast<T>(alpha));
  }
};

struct Softsign : Function {
  static constexpr bool kHasKernel = false;
  explicit Softsign(const Node&) {}
  template <class T>
  T apply(T x) const {
    return x / (T{1} + std::fabs(x));
  }
};

struct Shrink : Function {
  static constexpr bool kHasKernel = false;
  explicit Shrink(const Node& node) {
    alpha = node.attributes.get_float("lambd", 0.5F);
    beta = node.attributes.get_float("bias", 0.0F);
  }
  template <class T>
  T apply(T x) const {
    using Wide = std::conditional_t<std::is_same_v<T, float>, float, double>;
    const auto wide = static_cast<Wide>(x);
    if (wide < -alpha) return convert<T>(wide + static_cast<Wide>(beta));
    if (wide > alpha) return convert<T>(wide - static_cast<Wide>(beta));
    return T{0};
  }
};

template <class F, class... Types>
class ActivationOp final : public Operator {
 public:
  explicit ActivationOp(const Node& node) : function_(node) {}

  void infer(InferContext& context) const override { infer_same_shape(context, context.type(0)); }
  void choose_layouts(LayoutContext& context) const override { choose_layout_of_input(context); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if constexpr (F::kHasKernel) {
      if (context.input(0).type == DataType::kFloat) {
        return map_floats(context, function_.kernel, function_.alpha, function_.beta);
      }
    }
    visit_type<Types...>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map_elements<T, T>(context, kCostlyGrain, [this](T x) { return static_cast<T>(function_.apply(x)); });
    });
  }

 private:
  F function_;
};

template <class F>
using OfFloats = ActivationOp<F, float, double>;
template <class F>
using OfDouble = ActivationOp<F, double>;  // float has a kernel
template <class F>
using OfNumbers =
    ActivationOp<F, float, double, int64_t, int32_t, int16_t, int8_t, uint8_t, uint16_t, uint32_t, uint64_t>;

OpDef activation(std::string_view name, int since, TypeSet types, std::unique_ptr<Operator> (*make)(const Node&)) {
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

}  // namespace

[[gnu::cold]] const OpDef& celu() {
  static const OpDef def = activation("Celu", 12, kFloats, make_operator<OfFloats<Celu>>);
  return def;
}

[[gnu::cold]] const OpDef& elu() {
  static const OpDef def = activation("Elu", 1, kFloats, make_operator<OfDouble<Elu>>);
  return def;
}

[[gnu::cold]] const OpDef& gelu() {
  static const OpDef def = activation("Gelu", 20, kFloats, make_operator<OfDouble<Gelu>>);
  return def;
}

[[gnu::cold]] const OpDef& hard_sigmoid() {
  static const OpDef def = activation("HardSigmoid", 1, kFloats, make_operator<OfDouble<HardSigmoid>>);
  return def;
}

[[gnu::cold]] const OpDef& hard_swish() {
  static const OpDef def = activation("HardSwish", 14, kFloats, make_operator<OfDouble<HardSwish>>);
  return def;
}

[[gnu::cold]] const OpDef& leaky_relu() {
  static const OpDef def = activation("LeakyRelu", 1, kFloats, make_operator<OfDouble<LeakyRelu>>);
  return def;
}

[[gnu::cold]] const OpDef& mish() {
  static const OpDef def = activation("Mish", 18, kFloats, make_operator<OfDouble<Mish>>);
  return def;
}

[[gnu::cold]] const OpDef& relu() {
  static const OpDef def = activation("Relu", 1, kNumbers, make_operator<OfNumbers<Relu>>);
  return def;
}

[[gnu::cold]] const OpDef& selu() {
  static const OpDef def = activation("Selu", 1, kFloats, make_operator<OfFloats<Selu>>);
  return def;
}

[[gnu::cold]] const OpDef& shrink() {
  static const OpDef def = activation("Shrink", 9, kNumbers, make_operator<OfNumbers<Shrink>>);
  return def;
}

[[gnu::cold]] const OpDef& softplus() {
  static const OpDef def = activation("Softplus", 1, kFloats, make_operator<OfDouble<Softplus>>);
  return def;
}

[[gnu::cold]] const OpDef& softsign() {
  static const OpDef def = activation("Softsign", 1, kFloats, make_operator<OfFloats<Softsign>>);
  return def;
}

[[gnu::cold]] const OpDef& swish() {
  static const OpDef def = activation("Swish", 24, kFloats, make_operator<OfDouble<Swish>>);
  return def;
}

[[gnu::cold]] const OpDef& thresholded_relu() {
  static const OpDef def = activation("ThresholdedRelu", 10, kFloats, make_operator<OfFloats<ThresholdedRelu>>);
  return def;
}

}  // namespace attune::ops
