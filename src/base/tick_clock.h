// A clock for what is timed thousands of times in a run: about 10 ns a reading, half of what clock_gettime takes.
// Thread safety: free functions, safe anywhere; a TickScale is a value.
#pragma once

#include <cstdint>

#include "base/cpu.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace attune {

/// Whether the processor's counter runs at one speed and agrees between cores: its word, and that the kernel, which
/// watches it, keeps time by it. Looked up once.
bool has_steady_counter();

/// Ticks from an arbitrary start, of the same length on all threads; TickScale says what they are. A reading may be
/// some nanoseconds early: it does not wait for what the processor still has in hand.
inline int64_t read_ticks() {
#if defined(__x86_64__)
  static const bool steady = has_steady_counter();
  if (steady) return static_cast<int64_t>(__rdtsc());
#endif
  return monotonic_ns();
}

/// How long ticks are, measured against monotonic_ns from construction on.
class TickScale {
 public:
  /// Measures anew: conversions are as exact as the time since construction is long, 1e-5 after 10 ms.
  void measure();

  /// Between two readings, or from construction to a reading.
  double nanoseconds_between(int64_t from, int64_t to) const { return static_cast<double>(to - from) * ns_per_tick_; }
  double nanoseconds_since_start(int64_t ticks) const { return nanoseconds_between(start_ticks_, ticks); }

 private:
  int64_t start_ns_ = monotonic_ns();
  int64_t start_ticks_ = read_ticks();
  double ns_per_tick_ = 1.0;
};

}  // namespace attune
