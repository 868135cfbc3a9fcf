// Loads and stores of part of a vector, and the two element-wise operations whose treatment of NaN the kernels rely on;
// compiled once for each target. What Highway 1.0.3 lacks or leaves open.
#if defined(ATTUNE_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_SIMD_INL_H_
#undef ATTUNE_KERNELS_SIMD_INL_H_
#else
#define ATTUNE_KERNELS_SIMD_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The vector of floats that kernels work on, a whole register.
using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

/// The first `n` lanes from `p`, zeros after them; touches no memory beyond. 0 <= n <= Lanes(d).
template <class D>
HWY_INLINE hn::Vec<D> load_tail(D d, const hn::TFromD<D>* p, size_t n) {
#if HWY_CAP_GE256 || !HWY_ARCH_X86
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);  // AVX's masked moves do not fault on lanes switched off
#else
  HWY_ALIGN hn::TFromD<D> lanes[HWY_LANES(hn::TFromD<D>)] = {};
  for (size_t i = 0; i < n; ++i) lanes[i] = p[i];
  return hn::Load(d, lanes);
#endif
}

/// Stores the first `n` lanes; touches no memory beyond. 0 <= n <= Lanes(d).
template <class D>
HWY_INLINE void store_tail(hn::Vec<D> v, D d, hn::TFromD<D>* p, size_t n) {
#if HWY_CAP_GE256 || !HWY_ARCH_X86
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#else
  HWY_ALIGN hn::TFromD<D> lanes[HWY_LANES(hn::TFromD<D>)];
  hn::Store(v, d, lanes);
  for (size_t i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

/// max(x, limit) and min(x, limit) that give NaN where x is NaN (`limit` must not be).
template <class V>
HWY_INLINE V max_keep_nan(V x, V limit) {
#if HWY_ARCH_X86
  return hn::Max(limit, x);  // x86 returns the second operand where either is NaN: one instruction
#else
  return hn::IfThenElse(hn::Lt(x, limit), limit, x);
#endif
}
template <class V>
HWY_INLINE V min_keep_nan(V x, V limit) {
#if HWY_ARCH_X86
  return hn::Min(limit, x);
#else
  return hn::IfThenElse(hn::Gt(x, limit), limit, x);
#endif
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
