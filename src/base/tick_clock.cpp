#include "base/tick_clock.h"

#include <fstream>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace attune {

bool has_steady_counter() {
#if defined(__x86_64__)
  static const bool steady = [] {
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    constexpr unsigned kPowerManagement = 0x80000007;
    constexpr unsigned kInvariantCounter = 1U << 8;  // in EDX, by Intel's and AMD's manuals
    if (__get_cpuid(kPowerManagement, &eax, &ebx, &ecx, &edx) == 0 || (edx & kInvariantCounter) == 0) return false;
    std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    std::string source;
    return std::getline(file, source) && source == "tsc";
  }();
  return steady;
#else
  return false;
#endif
}

void TickScale::measure() {
  const int64_t ticks = read_ticks() - start_ticks_;
  const int64_t nanoseconds = monotonic_ns() - start_ns_;
  if (ticks > 0 && nanoseconds > 0) ns_per_tick_ = static_cast<double>(nanoseconds) / static_cast<double>(ticks);
}

}  // namespace attune
