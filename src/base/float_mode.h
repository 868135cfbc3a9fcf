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

/// The same for a sequence of pieces that want it one way or the other: the register is written only where two that
/// follow each other differ, because reading and writing it costs more than a small operator. Where denormals count as
/// zero from the beginning, they go on doing so.
class DenormalsAsZeroSwitch {
 public:
  DenormalsAsZeroSwitch() noexcept : saved_(float_mode()), on_(denormals_are_zero()), always_(on_) {}
  ~DenormalsAsZeroSwitch() {
    if (on_ != always_) set_float_mode(saved_);
  }
  DenormalsAsZeroSwitch(const DenormalsAsZeroSwitch&) = delete;
  DenormalsAsZeroSwitch& operator=(const DenormalsAsZeroSwitch&) = delete;

  void set(bool as_zero) noexcept {
    if (always_ || as_zero == on_) return;
    set_float_mode(as_zero ? saved_ | kDenormalsAsZeroBits : saved_);
    on_ = as_zero;
  }

 private:
  uint32_t saved_;
  bool on_;
  const bool always_;
};

}  // namespace attune
