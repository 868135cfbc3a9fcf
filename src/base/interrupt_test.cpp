#include "base/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "base/cpu.h"
#include "base/subprocess.h"

namespace attune {
namespace {

TEST(Interrupt, EndsAWaitAndStays) {
  const InterruptScope scope;
  Subprocess silent({"sleep", "60"});
  ::raise(SIGTERM);
  const int64_t start = monotonic_ns();
  EXPECT_THROW(silent.read_line(30'000), Interrupted);
  EXPECT_THROW(silent.read_line(30'000), Interrupted);
  EXPECT_LT(monotonic_ns() - start, 10'000'000'000);
  EXPECT_THROW(throw_if_interrupted(), Interrupted);
}

TEST(Interrupt, IsForgottenWithItsScope) {
  {
    const InterruptScope scope;
    EXPECT_NO_THROW(throw_if_interrupted());
    ::raise(SIGINT);
  }
  EXPECT_EQ(interrupt_descriptor(), -1);
  EXPECT_NO_THROW(throw_if_interrupted());
  const InterruptScope next;
  EXPECT_NO_THROW(throw_if_interrupted());
}

TEST(InterruptDeathTest, TheSecondOneEndsTheProcess) {
  EXPECT_EXIT(
      {
        const InterruptScope scope;
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

TEST(Interrupt, ChildrenAreSpared) {
  const InterruptScope scope;
  Subprocess child({"sh", "-c", "kill -INT $$; echo alive; cat"});
  EXPECT_EQ(child.read_line(5000), "alive");
}

}  // namespace
}  // namespace attune
