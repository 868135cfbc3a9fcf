#include "kernels/half.h"

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/half.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Words = hn::Rebind<uint16_t, Floats>;
using Wide = hn::Rebind<uint32_t, Floats>;

// Integer arithmetic for all targets: it is exact, rounds the same everywhere, and costs less than the memory traffic.

HWY_INLINE hn::Vec<Floats> widen_float16(hn::Vec<Wide> bits) {
  const Wide w;
  const Floats f;
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(w, 0x8000U)));
  const auto magnitude = hn::ShiftLeft<13>(hn::And(bits, hn::Set(w, 0x7FFFU)));
  const auto is_below = [&](uint32_t limit) HWY_ATTR { return hn::Lt(magnitude, hn::Set(w, limit)); };
  // Without denormal floats, which some operators count as zero.
  const auto rebiased = hn::Add(magnitude, hn::Set(w, 112U << 23));
  const auto denormal = hn::Sub(hn::BitCast(f, hn::Add(magnitude, hn::Set(w, 113U << 23))), hn::Set(f, 0x1p-14F));
  const auto infinite = hn::Or(magnitude, hn::Set(w, 0x7F800000U));
  const auto finite = hn::IfThenElse(is_below(1U << 23), hn::BitCast(w, denormal), rebiased);
  return hn::BitCast(f, hn::Or(sign, hn::IfThenElse(is_below(31U << 23), finite, infinite)));
}

HWY_INLINE hn::Vec<Wide> narrow_float16(hn::Vec<Floats> x) {
  const Wide w;
  const Floats f;
  const hn::RebindToSigned<Wide> s;
  const auto bits = hn::BitCast(w, x);
  const auto sign = hn::ShiftRight<16>(hn::And(bits, hn::Set(w, 0x80000000U)));
  const auto magnitude = hn::And(bits, hn::Set(w, 0x7FFFFFFFU));
  const auto is_above = [&](uint32_t limit) HWY_ATTR {
    return hn::RebindMask(w, hn::Gt(hn::BitCast(s, magnitude), hn::BitCast(s, hn::Set(w, limit))));
  };
  const auto even = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(w, 1U));
  auto result = hn::ShiftRight<13>(hn::Add(hn::Sub(magnitude, hn::Set(w, 0x38000000U - 0xFFFU)), even));
  // Below 2^-14 the result is denormal: adding 0.5 leaves its 10 bits, rounded, at the bottom of the sum's mantissa.
  const auto sum = hn::Add(hn::BitCast(f, magnitude), hn::Set(f, 0.5F));
  const auto denormal = hn::Sub(hn::BitCast(w, sum), hn::Set(w, 0x3F000000U));
  result = hn::IfThenElse(is_above(0x387FFFFFU), result, denormal);
  result = hn::IfThenElse(is_above(0x477FEFFFU), hn::Set(w, 0x7C00U), result);  // 65520 rounds up past 65504
  const auto nan = hn::Or(hn::Set(w, 0x7E00U), hn::And(hn::ShiftRight<13>(magnitude), hn::Set(w, 0x3FFU)));
  result = hn::IfThenElse(is_above(0x7F800000U), nan, result);
  return hn::Or(result, sign);
}

HWY_INLINE hn::Vec<Wide> narrow_bfloat16(hn::Vec<Floats> x) {
  const Wide w;
  const auto bits = hn::BitCast(w, x);
  const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(w, 1U));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(w, 0x7FFFU)), even));
  const auto is_nan = hn::RebindMask(w, hn::Ne(x, x));
  return hn::IfThenElse(is_nan, hn::Set(w, 0x7FC1U), rounded);  // onnxruntime's NaN
}

template <bool kIsFloat16>
HWY_INLINE hn::Vec<Floats> widen(hn::Vec<Words> words) {
  const auto bits = hn::PromoteTo(Wide(), words);
  if constexpr (kIsFloat16) {
    return widen_float16(bits);
  } else {
    return hn::BitCast(Floats(), hn::ShiftLeft<16>(bits));
  }
}

template <bool kIsFloat16>
HWY_INLINE hn::Vec<Words> narrow(hn::Vec<Floats> x) {
  // Every value fits 16 bits. Saturation to unsigned words is from signed integers.
  const hn::RebindToSigned<Wide> s;
  if constexpr (kIsFloat16) {
    return hn::DemoteTo(Words(), hn::BitCast(s, narrow_float16(x)));
  } else {
    return hn::DemoteTo(Words(), hn::BitCast(s, narrow_bfloat16(x)));
  }
}

template <bool kIsFloat16>
void widen_all(const uint16_t* HWY_RESTRICT x, float* HWY_RESTRICT y, int64_t n) {
  const Floats f;
  const Words words;
  const auto lanes = static_cast<int64_t>(hn::Lanes(f));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(widen<kIsFloat16>(hn::LoadU(words, x + i)), f, y + i);
  for (; i < n; ++i) y[i] = hn::GetLane(widen<kIsFloat16>(hn::Set(words, x[i])));
}

template <bool kIsFloat16>
void narrow_all(const float* HWY_RESTRICT x, uint16_t* HWY_RESTRICT y, int64_t n) {
  const Floats f;
  const Words words;
  const auto lanes = static_cast<int64_t>(hn::Lanes(f));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(narrow<kIsFloat16>(hn::LoadU(f, x + i)), words, y + i);
  for (; i < n; ++i) y[i] = hn::GetLane(narrow<kIsFloat16>(hn::Set(f, x[i])));
}

void run_widen(Half half, const uint16_t* x, float* y, int64_t n) {
  half == Half::kFloat16 ? widen_all<true>(x, y, n) : widen_all<false>(x, y, n);
}

void run_narrow(Half half, const float* x, uint16_t* y, int64_t n) {
  half == Half::kFloat16 ? narrow_all<true>(x, y, n) : narrow_all<false>(x, y, n);
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {
namespace {

constexpr int64_t kGrain = 32768;

}  // namespace

HWY_EXPORT(run_widen);
HWY_EXPORT(run_narrow);

void widen_halves(Half half, const uint16_t* x, float* y, int64_t n) { HWY_DYNAMIC_DISPATCH(run_widen)(half, x, y, n); }

void narrow_to_halves(Half half, const float* x, uint16_t* y, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_narrow)(half, x, y, n);
}

void widen_halves(Half half, const uint16_t* x, float* y, int64_t n, Parallel& parallel) {
  for_ranges(parallel, n, kGrain,
             [&](int64_t begin, int64_t end, int) { widen_halves(half, x + begin, y + begin, end - begin); });
}

void narrow_to_halves(Half half, const float* x, uint16_t* y, int64_t n, Parallel& parallel) {
  for_ranges(parallel, n, kGrain,
             [&](int64_t begin, int64_t end, int) { narrow_to_halves(half, x + begin, y + begin, end - begin); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
