#include "base/float_mode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune {
namespace {

int kind_of_half_the_smallest_normal() {
  volatile float smallest_normal = std::numeric_limits<float>::min();
  volatile float half = smallest_normal * 0.5F;
  return std::fpclassify(half);
}

TEST(FloatMode, DenormalsAsZeroWhileInScope) {
  const uint32_t before = float_mode();
  {
    const ScopedDenormalsAsZero on(true);
    EXPECT_EQ(kind_of_half_the_smallest_normal(), FP_ZERO);
    {
      const ScopedDenormalsAsZero off(false);
      EXPECT_EQ(kind_of_half_the_smallest_normal(), FP_SUBNORMAL);
    }
    EXPECT_EQ(kind_of_half_the_smallest_normal(), FP_ZERO);
  }
  EXPECT_EQ(float_mode(), before);
}

TEST(FloatMode, ExceptionFlagsAreNoPartOfIt) {
  const uint32_t before = float_mode();
  volatile double third = 1.0;
  third = third / 3.0;  // inexact
  EXPECT_EQ(float_mode(), before);
  EXPECT_NE(third, 0.0);
}

}  // namespace
}  // namespace attune
