// Applies an Activation to vectors; compiled once for each target.
//
// In a loop, take the kind as a template argument (with_activation() turns the run-time kind into one) or, where
// thirteen copies of the loop are too many, finish a tile that is still in the first-level cache with
// activate_array().
#if defined(ATTUNE_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_ACTIVATION_INL_H_
#undef ATTUNE_KERNELS_ACTIVATION_INL_H_
#else
#define ATTUNE_KERNELS_ACTIVATION_INL_H_
#endif

#include <cstdint>
#include <type_traits>

#include "kernels/activation.h"
#include "kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// f(x) for one kind; `alpha` and `beta` are Activation's, broadcast. A NaN stays NaN in every kind.
template <Activation::Kind kKind, class D, class V = hn::Vec<D>>
HWY_INLINE V activate(D d, V x, [[maybe_unused]] V alpha, [[maybe_unused]] V beta) {
  using Kind = Activation::Kind;
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, 1.0F);
  if constexpr (kKind == Kind::kRelu) {
    return max_keep_nan(x, zero);
  } else if constexpr (kKind == Kind::kClip) {
    return min_keep_nan(max_keep_nan(x, alpha), beta);
  } else if constexpr (kKind == Kind::kLeakyRelu) {
    return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(x, alpha), x);
  } else if constexpr (kKind == Kind::kHardSigmoid) {
    return min_keep_nan(max_keep_nan(hn::MulAdd(x, alpha, beta), zero), one);
  } else if constexpr (kKind == Kind::kHardSwish) {
    return hn::Mul(x, min_keep_nan(max_keep_nan(hn::MulAdd(x, alpha, beta), zero), one));
  } else if constexpr (kKind == Kind::kSigmoid) {
    return vector_sigmoid(d, x);
  } else if constexpr (kKind == Kind::kSilu) {
    return hn::Mul(x, vector_sigmoid(d, hn::Mul(x, alpha)));
  } else if constexpr (kKind == Kind::kTanh) {
    return vector_tanh(d, x);
  } else if constexpr (kKind == Kind::kGelu) {
    return vector_gelu(d, x);
  } else if constexpr (kKind == Kind::kGeluTanh) {
    const V half = hn::Mul(x, hn::Set(d, 0.5F));
    const V inner =
        hn::Mul(hn::Mul(x, hn::Set(d, 0.79788456080286536F)), hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715F), one));
    return hn::MulAdd(half, vector_tanh(d, inner), half);
  } else if constexpr (kKind == Kind::kElu) {
    return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(alpha, hn::Sub(vector_exp(d, x), one)), x);
  } else if constexpr (kKind == Kind::kMish) {
    // With u = e^x: tanh(ln(1 + u)) = n / (n + 2), n = u (u + 2). Above 20 it is 1, and n would overflow at 44.
    const V u = vector_exp(d, min_keep_nan(x, hn::Set(d, 20.0F)));
    const V n = hn::Mul(u, hn::Add(u, hn::Set(d, 2.0F)));
    return hn::Mul(x, hn::Div(n, hn::Add(n, hn::Set(d, 2.0F))));
  } else {
    static_assert(kKind == Kind::kNone);
    return x;
  }
}

/// Calls body(std::integral_constant<Activation::Kind, kind>()) and returns what it returns: thirteen instantiations
/// of `body`, so keep it to a loop.
template <class Body>
HWY_INLINE auto with_activation(Activation::Kind kind, Body&& body) {
  using Kind = Activation::Kind;
  switch (kind) {
    case Kind::kRelu:
      return body(std::integral_constant<Kind, Kind::kRelu>());
    case Kind::kClip:
      return body(std::integral_constant<Kind, Kind::kClip>());
    case Kind::kLeakyRelu:
      return body(std::integral_constant<Kind, Kind::kLeakyRelu>());
    case Kind::kHardSigmoid:
      return body(std::integral_constant<Kind, Kind::kHardSigmoid>());
    case Kind::kHardSwish:
      return body(std::integral_constant<Kind, Kind::kHardSwish>());
    case Kind::kSigmoid:
      return body(std::integral_constant<Kind, Kind::kSigmoid>());
    case Kind::kSilu:
      return body(std::integral_constant<Kind, Kind::kSilu>());
    case Kind::kTanh:
      return body(std::integral_constant<Kind, Kind::kTanh>());
    case Kind::kGelu:
      return body(std::integral_constant<Kind, Kind::kGelu>());
    case Kind::kGeluTanh:
      return body(std::integral_constant<Kind, Kind::kGeluTanh>());
    case Kind::kElu:
      return body(std::integral_constant<Kind, Kind::kElu>());
    case Kind::kMish:
      return body(std::integral_constant<Kind, Kind::kMish>());
    case Kind::kNone:
      break;
  }
  return body(std::integral_constant<Kind, Kind::kNone>());
}

/// y[i] = f(x[i]) for i < n; y may be x. Not inlined: a kernel that finishes tiles with it holds one copy of the
/// thirteen loops.
HWY_NOINLINE inline void activate_array(const Activation& activation, const float* x, float* y, int64_t n) {
  with_activation(activation.kind, [&](auto kind) HWY_ATTR {
    const FloatTag d;
    const auto alpha = hn::Set(d, activation.alpha);
    const auto beta = hn::Set(d, activation.beta);
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      hn::StoreU(activate<decltype(kind)::value>(d, hn::LoadU(d, x + i), alpha, beta), d, y + i);
    }
    if (i < n) {
      const size_t rest = static_cast<size_t>(n - i);
      store_tail(activate<decltype(kind)::value>(d, load_tail(d, x + i, rest), alpha, beta), d, y + i, rest);
    }
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
