#include "kernels/vector_math.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector_math.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);

template <class Function>
HWY_INLINE void map_vectors(const float* x, float* y, int64_t n, Function function) {
  const FloatTag d;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(function(d, hn::LoadU(d, x + i)), d, y + i);
  if (i < n) {
    const size_t left = static_cast<size_t>(n - i);
    store_tail(function(d, load_tail(d, x + i, left)), d, y + i, left);
  }
}

// ln(1 + e^x) = max(x, 0) + ln(1 + u), u = e^-|x|; ln(1 + u) = ln(w) u / (w - 1) with w = 1 + u rounded (W. Kahan).
template <class D, class V>
HWY_INLINE V softplus(D d, V x) {
  const V one = hn::Set(d, 1.0F);
  const V u = vector_exp_nonpositive(d, hn::Neg(hn::Abs(x)));
  const V w = hn::Add(one, u);
  const V log1p = hn::IfThenElse(hn::Eq(w, one), u, hn::Div(hn::Mul(vector_log(d, w), u), hn::Sub(w, one)));
  return hn::Add(max_keep_nan(x, hn::Zero(d)), log1p);
}

template <class D, class V>
HWY_INLINE V sign(D d, V x) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, 1.0F);
  return hn::IfThenElse(hn::Gt(x, zero), one, hn::IfThenElse(hn::Lt(x, zero), hn::Neg(one), x));
}

void run_unary(UnaryFunction function, float alpha, float beta, const float* x, float* y, int64_t n) {
  using Kind = Activation::Kind;
  const auto activation = [&](Kind kind) { activate_array(Activation{kind, alpha, beta}, x, y, n); };
  switch (function) {
    case UnaryFunction::kAbs:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Abs(v); });
    case UnaryFunction::kCeil:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Ceil(v); });
    case UnaryFunction::kClip:
      return activation(Kind::kClip);
    case UnaryFunction::kCos:
      for (int64_t i = 0; i < n; ++i) y[i] = std::cos(x[i]);
      return;
    case UnaryFunction::kElu:
      return activation(Kind::kElu);
    case UnaryFunction::kErf:
      return map_vectors(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_erf(d, v); });
    case UnaryFunction::kExp:
      return map_vectors(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_exp(d, v); });
    case UnaryFunction::kFloor:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Floor(v); });
    case UnaryFunction::kGelu:
      return activation(Kind::kGelu);
    case UnaryFunction::kGeluTanh:
      return activation(Kind::kGeluTanh);
    case UnaryFunction::kHardSigmoid:
      return activation(Kind::kHardSigmoid);
    case UnaryFunction::kHardSwish:
      return activation(Kind::kHardSwish);
    case UnaryFunction::kLeakyRelu:
      return activation(Kind::kLeakyRelu);
    case UnaryFunction::kLog:
      return map_vectors(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_log(d, v); });
    case UnaryFunction::kMish:
      return activation(Kind::kMish);
    case UnaryFunction::kNeg:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Neg(v); });
    case UnaryFunction::kReciprocal:
      return map_vectors(x, y, n, [](auto d, auto v) HWY_ATTR { return hn::Div(hn::Set(d, 1.0F), v); });
    case UnaryFunction::kRelu:
      return activation(Kind::kRelu);
    case UnaryFunction::kRound:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Round(v); });
    case UnaryFunction::kSigmoid:
      return activation(Kind::kSigmoid);
    case UnaryFunction::kSign:
      return map_vectors(x, y, n, [](auto d, auto v) HWY_ATTR { return sign(d, v); });
    case UnaryFunction::kSilu:
      return activation(Kind::kSilu);
    case UnaryFunction::kSin:
      for (int64_t i = 0; i < n; ++i) y[i] = std::sin(x[i]);
      return;
    case UnaryFunction::kSoftplus:
      return map_vectors(x, y, n, [](auto d, auto v) HWY_ATTR { return softplus(d, v); });
    case UnaryFunction::kSqrt:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Sqrt(v); });
    case UnaryFunction::kSquare:
      return map_vectors(x, y, n, [](auto, auto v) HWY_ATTR { return hn::Mul(v, v); });
    case UnaryFunction::kTanh:
      return activation(Kind::kTanh);
  }
}

template <bool kXVaries, bool kYVaries, class Function>
HWY_INLINE void map_pairs(const float* x, const float* y, float* out, int64_t n, Function function) {
  const FloatTag d;
  // Read before anything is written: out may be x or y.
  const auto x0 = hn::Set(d, kXVaries ? 0.0F : *x);
  const auto y0 = hn::Set(d, kYVaries ? 0.0F : *y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto a = kXVaries ? hn::LoadU(d, x + i) : x0;
    const auto b = kYVaries ? hn::LoadU(d, y + i) : y0;
    hn::StoreU(function(d, a, b), d, out + i);
  }
  if (i < n) {
    const size_t left = static_cast<size_t>(n - i);
    const auto a = kXVaries ? load_tail(d, x + i, left) : x0;
    const auto b = kYVaries ? load_tail(d, y + i, left) : y0;
    store_tail(function(d, a, b), d, out + i, left);
  }
}

template <class Function>
HWY_INLINE void map_pairs(const float* x, int x_stride, const float* y, int y_stride, float* out, int64_t n,
                          Function function) {
  if (n <= 0) return;
  if (x_stride != 0 && y_stride != 0) return map_pairs<true, true>(x, y, out, n, function);
  if (x_stride != 0) return map_pairs<true, false>(x, y, out, n, function);
  if (y_stride != 0) return map_pairs<false, true>(x, y, out, n, function);
  return map_pairs<false, false>(x, y, out, n, function);
}

template <class Function>
void map_scalars(const float* x, int x_stride, const float* y, int y_stride, float* out, int64_t n, Function function) {
  if (n <= 0) return;
  const float x0 = *x;
  const float y0 = *y;
  for (int64_t i = 0; i < n; ++i) out[i] = function(x_stride != 0 ? x[i] : x0, y_stride != 0 ? y[i] : y0);
}

// The exponents that models have; anything else, and tensors of exponents, go to the C library.
void run_pow(const float* x, int x_stride, const float* y, int y_stride, float* out, int64_t n) {
  if (n > 0 && x_stride != 0 && y_stride == 0) {
    const float exponent = *y;
    if (exponent == 2.0F) return map_vectors(x, out, n, [](auto, auto v) HWY_ATTR { return hn::Mul(v, v); });
    if (exponent == 3.0F) {
      return map_vectors(x, out, n, [](auto, auto v) HWY_ATTR { return hn::Mul(hn::Mul(v, v), v); });
    }
    if (exponent == 1.0F) return map_vectors(x, out, n, [](auto, auto v) HWY_ATTR { return v; });
    if (exponent == -1.0F) {
      return map_vectors(x, out, n, [](auto d, auto v) HWY_ATTR { return hn::Div(hn::Set(d, 1.0F), v); });
    }
    if (exponent == 0.5F || exponent == -0.5F) {
      return map_vectors(x, out, n, [exponent](auto d, auto v) HWY_ATTR {
        // pow differs from sqrt at -0, which gives +0, and at -infinity, which gives +infinity.
        const auto infinity = hn::Inf(d);
        auto root = hn::Sqrt(hn::Add(v, hn::Zero(d)));
        root = hn::IfThenElse(hn::Eq(v, hn::Neg(infinity)), infinity, root);
        return exponent > 0 ? root : hn::Div(hn::Set(d, 1.0F), root);
      });
    }
  }
  map_scalars(x, x_stride, y, y_stride, out, n, [](float a, float b) { return std::pow(a, b); });
}

void run_binary(BinaryFunction function, const float* x, int x_stride, const float* y, int y_stride, float* out,
                int64_t n) {
  const auto map = [&](auto f) HWY_ATTR { map_pairs(x, x_stride, y, y_stride, out, n, f); };
  switch (function) {
    case BinaryFunction::kAdd:
      return map([](auto, auto a, auto b) HWY_ATTR { return hn::Add(a, b); });
    case BinaryFunction::kSub:
      return map([](auto, auto a, auto b) HWY_ATTR { return hn::Sub(a, b); });
    case BinaryFunction::kMul:
      return map([](auto, auto a, auto b) HWY_ATTR { return hn::Mul(a, b); });
    case BinaryFunction::kDiv:
      return map([](auto, auto a, auto b) HWY_ATTR { return hn::Div(a, b); });
    case BinaryFunction::kMax:
      return map([](auto, auto a, auto b) HWY_ATTR {
        return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Max(a, b));
      });
    case BinaryFunction::kMin:
      return map([](auto, auto a, auto b) HWY_ATTR {
        return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::IsNaN(b)), hn::Add(a, b), hn::Min(a, b));
      });
    case BinaryFunction::kMod:
      return map_scalars(x, x_stride, y, y_stride, out, n, [](float a, float b) { return std::fmod(a, b); });
    case BinaryFunction::kPow:
      return run_pow(x, x_stride, y, y_stride, out, n);
    case BinaryFunction::kPrelu:
      return map([](auto d, auto a, auto b)
                     HWY_ATTR { return hn::IfThenElse(hn::Lt(a, hn::Zero(d)), hn::Mul(a, b), a); });
  }
}

void run_scale_shift(const float* x, const float* scale, const float* shift, int stride, float* out, int64_t n) {
  const FloatTag d;
  if (n <= 0) return;
  const auto scale0 = hn::Set(d, *scale);
  const auto shift0 = hn::Set(d, *shift);
  for (int64_t i = 0; i < n; i += kLanes) {
    const size_t left = static_cast<size_t>(HWY_MIN(kLanes, n - i));
    if (left == static_cast<size_t>(kLanes)) {
      const auto a = stride != 0 ? hn::LoadU(d, scale + i) : scale0;
      const auto b = stride != 0 ? hn::LoadU(d, shift + i) : shift0;
      hn::StoreU(hn::MulAdd(hn::LoadU(d, x + i), a, b), d, out + i);
    } else {
      const auto a = stride != 0 ? load_tail(d, scale + i, left) : scale0;
      const auto b = stride != 0 ? load_tail(d, shift + i, left) : shift0;
      store_tail(hn::MulAdd(load_tail(d, x + i, left), a, b), d, out + i, left);
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_unary);
HWY_EXPORT(run_binary);
HWY_EXPORT(run_scale_shift);

void map_unary(UnaryFunction function, float alpha, float beta, const float* x, float* y, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_unary)(function, alpha, beta, x, y, n);
}

void map_binary(BinaryFunction function, const float* x, int x_stride, const float* y, int y_stride, float* out,
                int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_binary)(function, x, x_stride, y, y_stride, out, n);
}

void map_scale_shift(const float* x, const float* scale, const float* shift, int stride, float* out, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_scale_shift)(x, scale, shift, stride, out, n);
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
