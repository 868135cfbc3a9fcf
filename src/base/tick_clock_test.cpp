#include "base/tick_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace attune {
namespace {

TEST(TickClock, AgreesWithTheMonotonicClock) {
  TickScale scale;
  const int64_t ns = monotonic_ns();
  const int64_t ticks = read_ticks();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const int64_t later = read_ticks();
  const auto slept = static_cast<double>(monotonic_ns() - ns);
  scale.measure();
  EXPECT_NEAR(scale.nanoseconds_between(ticks, later), slept, 1e6);
  EXPECT_GE(scale.nanoseconds_since_start(ticks), 0.0);
  EXPECT_NEAR(scale.nanoseconds_since_start(later), slept, 2e6);
}

TEST(TickClock, NeverGoesBackOnAThread) {
  int64_t last = read_ticks();
  for (int i = 0; i < 100'000; ++i) {
    const int64_t now = read_ticks();
    ASSERT_LE(last, now);
    last = now;
  }
}

TEST(TickClock, IsOneClockForAllThreads) {
  for (int i = 0; i < 50; ++i) {
    int64_t other = 0;
    const int64_t before = read_ticks();
    std::thread([&] { other = read_ticks(); }).join();
    const int64_t after = read_ticks();
    EXPECT_LE(before, other);
    EXPECT_LE(other, after);
  }
}

}  // namespace
}  // namespace attune
