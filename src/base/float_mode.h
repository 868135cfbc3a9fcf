// How the calling thread's CPU treats denormal numbers and rounding: a register of the thread, so threads that share a
// computation must agree on it.
// Thread safety: each thread reads and writes its own.
#pragma once

#include <cstdint>

namespace attune {

/// The control register without its sticky exception flags (MXCSR on x86, FPCR on Arm); 0 where there is none.
inline uint32_t float_mode() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~0x3fU;
#elif defined(__aarch64__)
  return static_cast<uint32_t>(__builtin_aarch64_get_fpcr());
#else
  return 0;
#endif
}

inline void set_float_mode([[maybe_unused]] uint32_t mode) noexcept {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(mode);
#elif defined(__aarch64__)
  __builtin_aarch64_set_fpcr(mode);
#endif
}

/// The bits of the control register that make denormals zero, in operands and in results.
#if defined(__aarch64__)
inline constexpr uint32_t kDenormalsAsZeroBits = 1U << 24;  // FZ
#else
inline constexpr uint32_t kDenormalsAsZeroBits = 0x8040;  // FTZ and DAZ
#endif

/// Whether denormals count as zero in the calling thread.
inline bool denormals_are_zero() noexcept { return (float_mode() & kDenormalsAsZeroBits) == kDenormalsAsZeroBits; }

/// Sets, for its life, whether denormals count as zero in inputs and results: the session option
/// `session.set_denormal_as_zero`. RunThreads carries the setting to its helpers.
class ScopedDenormalsAsZero {
 public:
  explicit ScopedDenormalsAsZero(bool as_zero) noexcept : saved_(float_mode()) {
    const uint32_t wanted = as_zero ? saved_ | kDenormalsAsZeroBits : saved_ & ~kDenormalsAsZeroBits;
    if (wanted != saved_) set_float_mode(wanted);
  }
  ~ScopedDenormalsAsZero() {
    if (float_mode() != saved_) set_float_mode(saved_);
  }
  ScopedDenormalsAsZero(const ScopedDenormalsAsZero&) = delete;
  ScopedDenormalsAsZero& operator=(const ScopedDenormalsAsZero&) = delete;

 private:
  uint32_t saved_;
};

}  // namespace attune
