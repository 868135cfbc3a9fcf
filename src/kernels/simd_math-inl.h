// exp, log, erf, GELU, tanh and sigmoid of float vectors; compiled once for each target.
//
// NaN gives NaN, infinities give the limit. Errors, measured over all floats in range by simd_math_test.cpp against
// double precision: exp and log 2 ulp (denormal results and arguments included), erf, tanh and sigmoid 4 ulp.
#if defined(ATTUNE_KERNELS_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_SIMD_MATH_INL_H_
#undef ATTUNE_KERNELS_SIMD_MATH_INL_H_
#else
#define ATTUNE_KERNELS_SIMD_MATH_INL_H_
#endif

#include <cstdint>

#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// e^r and n with x = n ln 2 + r, n whole, |r| <= ln(2)/2, for |x| <= 104: the minimax polynomial of Cephes' expf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_reduced(D d, V x, V& n) {
  n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504F)));
  // ln 2 in two parts; the first has 9 bits, so that n times it is exact without a fused multiply-add.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r);
  V p = hn::Set(d, 1.9875691500e-4F);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3F));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2F));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1F));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1F));
  return hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0F));
}

/// e^x. Above 88.72 infinity, below -103.97 zero; denormal results are right.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Beyond these the result is infinity or zero anyway. 2^n goes in as two factors, because n may leave the range of a
  // float's exponent at either end.
  x = max_keep_nan(min_keep_nan(x, hn::Set(d, 89.0F)), hn::Set(d, -104.0F));
  V n;
  const V p = exp_reduced(d, x, n);
  const auto exponent = hn::ConvertTo(di, n);
  const auto half = hn::ShiftRight<1>(exponent);
  const auto bias = hn::Set(di, 127);
  const V scale1 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V scale2 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(exponent, half), bias)));
  return hn::Mul(hn::Mul(p, scale1), scale2);
}

/// e^x for x <= 0, as softmax has it: vector_exp without its care for overflow and denormals, hence cheaper. Below
/// -87.33 the result is 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_exp_nonpositive(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V lowest = hn::Set(d, -87.33654F);
  V n;
  const V p = exp_reduced(d, max_keep_nan(x, lowest), n);
  const auto exponent = hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127));
  const V result = hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(exponent)));
  return hn::IfThenZeroElse(hn::Lt(x, lowest), result);
}

/// Natural logarithm. 0 gives -infinity, negative numbers NaN, denormals are right.
///
/// x = 2^e m with m in [sqrt 1/2, sqrt 2), log m by the polynomial of Cephes' logf.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_log(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V zero = hn::Zero(d);
  const auto denormal = hn::Lt(x, hn::Set(d, 1.17549435e-38F));
  const V scaled = hn::IfThenElse(denormal, hn::Mul(x, hn::Set(d, 33554432.0F)), x);  // 2^25
  // Adding 1 - sqrt 1/2 to the bits carries into the exponent exactly where the mantissa is sqrt 2 or more.
  const auto bits = hn::Add(hn::BitCast(di, scaled), hn::Set(di, 0x3F800000 - 0x3F3504F3));
  V e = hn::ConvertTo(d, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 127)));
  e = hn::Sub(e, hn::IfThenElseZero(denormal, hn::Set(d, 25.0F)));
  const auto mantissa = hn::Add(hn::And(bits, hn::Set(di, 0x007FFFFF)), hn::Set(di, 0x3F3504F3));
  const V m = hn::Sub(hn::BitCast(d, mantissa), hn::Set(d, 1.0F));
  const V z = hn::Mul(m, m);
  V p = hn::Set(d, 7.0376836292e-2F);
  p = hn::MulAdd(p, m, hn::Set(d, -1.1514610310e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, 1.1676998740e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, -1.2420140846e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, 1.4249322787e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, -1.6668057665e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, 2.0000714765e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, -2.4999993993e-1F));
  p = hn::MulAdd(p, m, hn::Set(d, 3.3333331174e-1F));
  V y = hn::Mul(hn::Mul(z, m), p);
  y = hn::MulAdd(e, hn::Set(d, -2.12194440e-4F), y);
  y = hn::NegMulAdd(z, hn::Set(d, 0.5F), y);
  V result = hn::MulAdd(e, hn::Set(d, 0.693359375F), hn::Add(m, y));
  const V infinity = hn::Inf(d);
  result = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(infinity), result);
  result = hn::IfThenElse(hn::Eq(x, infinity), infinity, result);
  // Not x >= 0: negative, or NaN itself.
  return hn::IfThenElse(hn::Ge(x, zero), result, hn::NaN(d));
}

/// The error function, within 1e-7 of it.
///
/// Two ranges, minimax polynomials by N. Juffa (public domain): x + x P(x^2) up to 0.9277, beyond it
/// 1 - e^Q(|x|). Both are computed: a vector usually needs both.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_erf(D d, V x) {
  const V s = hn::Mul(x, x);
  V small = hn::Set(d, -5.96761703e-4F);
  small = hn::MulAdd(small, s, hn::Set(d, 4.99119423e-3F));
  small = hn::MulAdd(small, s, hn::Set(d, -2.67681349e-2F));
  small = hn::MulAdd(small, s, hn::Set(d, 1.12819925e-1F));
  small = hn::MulAdd(small, s, hn::Set(d, -3.76125336e-1F));
  small = hn::MulAdd(small, s, hn::Set(d, 1.28379166e-1F));
  small = hn::MulAdd(small, x, x);
  // erf(4) rounds to 1; without the limit the polynomial of infinity would be NaN.
  const V t = min_keep_nan(hn::Abs(x), hn::Set(d, 4.0F));
  V q = hn::Set(d, -1.72853470e-5F);
  q = hn::MulAdd(q, t, hn::Set(d, 3.83197126e-4F));
  q = hn::MulAdd(q, t, hn::Set(d, -3.88396438e-3F));
  q = hn::MulAdd(q, t, hn::Set(d, 2.42546219e-2F));
  q = hn::MulAdd(q, t, hn::Set(d, -1.06777877e-1F));
  q = hn::MulAdd(q, t, hn::Set(d, -6.34846687e-1F));
  q = hn::MulAdd(q, t, hn::Set(d, -1.28717512e-1F));
  q = hn::MulAdd(q, t, hn::Neg(t));
  const V large = hn::CopySign(hn::Sub(hn::Set(d, 1.0F), vector_exp_nonpositive(d, q)), x);
  return hn::IfThenElse(hn::Gt(t, hn::Set(d, 0.927734375F)), large, small);
}

/// GELU, x (1 + erf(x / sqrt 2)) / 2, within 2e-7 of |x| + |GELU|; exactly x or 0 beyond +-5.62.
///
/// erf(x / sqrt 2) / 2 as an odd rational function, x P(x^2) / Q(x^2), fitted to a relative error of 6.5e-8 up to 4
/// sqrt 2 by least squares with weights iterated towards the minimax: one division instead of vector_erf's exponential.
/// At the limit of x it rounds to just above 1/2, where it is cut.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_gelu(D d, V x) {
  const V t = max_keep_nan(min_keep_nan(x, hn::Set(d, 5.62F)), hn::Set(d, -5.62F));
  const V s = hn::Mul(t, t);
  V p = hn::Set(d, 1.05573328e-10F);
  p = hn::MulAdd(p, s, hn::Set(d, -2.14586091e-8F));
  p = hn::MulAdd(p, s, hn::Set(d, 3.25418318e-6F));
  p = hn::MulAdd(p, s, hn::Set(d, 1.76328496e-4F));
  p = hn::MulAdd(p, s, hn::Set(d, 4.55400674e-3F));
  p = hn::MulAdd(p, s, hn::Set(d, 3.66120562e-2F));
  p = hn::MulAdd(p, s, hn::Set(d, 0.398942262F));
  V q = hn::Set(d, 6.38083147e-5F);
  q = hn::MulAdd(q, s, hn::Set(d, 1.86958211e-3F));
  q = hn::MulAdd(q, s, hn::Set(d, 2.94910036e-2F));
  q = hn::MulAdd(q, s, hn::Set(d, 0.258438438F));
  q = hn::MulAdd(q, s, hn::Set(d, 1.0F));
  const V half = hn::Set(d, 0.5F);
  const V erf_half = max_keep_nan(min_keep_nan(hn::Div(hn::Mul(t, p), q), half), hn::Neg(half));
  return hn::MulAdd(x, erf_half, hn::Mul(x, half));
}

/// Hyperbolic tangent, never beyond +-1.
///
/// Up to 0.625 the polynomial x + x^3 P(x^2) of Cephes' tanhf, beyond it (1 - u) / (1 + u) with u = e^(-2 |x|).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_tanh(D d, V x) {
  const V s = hn::Mul(x, x);
  V small = hn::Set(d, -5.70498872745e-3F);
  small = hn::MulAdd(small, s, hn::Set(d, 2.06390887954e-2F));
  small = hn::MulAdd(small, s, hn::Set(d, -5.37397155531e-2F));
  small = hn::MulAdd(small, s, hn::Set(d, 1.33314422036e-1F));
  small = hn::MulAdd(small, s, hn::Set(d, -3.33332819422e-1F));
  small = hn::MulAdd(hn::Mul(small, s), x, x);
  const V t = hn::Abs(x);
  const V one = hn::Set(d, 1.0F);
  const V u = vector_exp_nonpositive(d, hn::Mul(t, hn::Set(d, -2.0F)));
  const V large = hn::CopySign(hn::Div(hn::Sub(one, u), hn::Add(one, u)), x);
  return hn::IfThenElse(hn::Gt(t, hn::Set(d, 0.625F)), large, small);
}

/// 1 / (1 + e^-x). Below -88.72 the result is 0, where the true value is denormal.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V vector_sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0F);
  return hn::Div(one, hn::Add(one, vector_exp(d, hn::Neg(x))));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
