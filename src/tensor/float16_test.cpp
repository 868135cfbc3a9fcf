#include "tensor/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune {
namespace {

TEST(Float16, EveryValueSurvivesTheWayThroughFloat) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Float16 half{static_cast<uint16_t>(bits)};
    const float value = to_float(half);
    const uint16_t back = to_float16(value).bits;
    if (std::isnan(value)) {
      EXPECT_GT(back & 0x7FFFU, 0x7C00U);
    } else {
      ASSERT_EQ(back, half.bits) << value;
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(to_float(Float16{0x3C00}), 1.0F);
  EXPECT_EQ(to_float(Float16{0x7BFF}), 65504.0F);
  EXPECT_EQ(to_float(Float16{0x0001}), 0x1p-24F);
  // Between each two neighbours: the middle goes to the even one, a bit more or less to the nearer.
  for (uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto low = static_cast<uint16_t>(bits);
    const auto high = static_cast<uint16_t>(bits + 1);
    const float middle = (to_float(Float16{low}) + to_float(Float16{high})) / 2;  // exact
    ASSERT_EQ(to_float16(middle).bits, (low & 1U) == 0 ? low : high);
    ASSERT_EQ(to_float16(std::nextafter(middle, 0.0F)).bits, low);
    ASSERT_EQ(to_float16(std::nextafter(middle, 1e9F)).bits, high);
    ASSERT_EQ(to_float16(-middle).bits, 0x8000U | ((low & 1U) == 0 ? low : high));
  }
  EXPECT_EQ(to_float16(65519.9F).bits, 0x7BFF);
  EXPECT_EQ(to_float16(65520.0F).bits, 0x7C00);
  EXPECT_EQ(to_float16(-std::numeric_limits<float>::infinity()).bits, 0xFC00);
  EXPECT_EQ(to_float16(std::numeric_limits<float>::denorm_min()).bits, 0);
}

TEST(Bfloat16, RoundsToNearestEven) {
  EXPECT_EQ(to_float(Bfloat16{0x3F80}), 1.0F);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F808000U)).bits, 0x3F80);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F808001U)).bits, 0x3F81);
  EXPECT_EQ(to_bfloat16(std::bit_cast<float>(0x3F818000U)).bits, 0x3F82);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::max()).bits, 0x7F80);
  EXPECT_EQ(to_bfloat16(std::numeric_limits<float>::quiet_NaN()).bits, 0x7FC1);
}

}  // namespace
}  // namespace attune
