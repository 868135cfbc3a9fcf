#include "kernels/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

class HalfTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(HalfTest);

double value_of_float16(uint16_t bits) {
  const int exponent = bits >> 10 & 0x1F;
  const int mantissa = bits & 0x3FF;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  }
  return exponent == 0 ? sign * std::ldexp(mantissa, -24) : sign * std::ldexp(1024 + mantissa, exponent - 25);
}

double value_of_bfloat16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

TEST_P(HalfTest, WidensEveryValueAndNarrowsItBack) {
  std::vector<uint16_t> words(65536);
  for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<uint16_t>(i);
  for (const Half half : {Half::kFloat16, Half::kBfloat16}) {
    std::vector<float> wide(words.size());
    widen_halves(half, words.data(), wide.data(), 65536);
    std::vector<uint16_t> back(words.size());
    narrow_to_halves(half, wide.data(), back.data(), 65536);
    for (size_t i = 0; i < words.size(); ++i) {
      const double expected = half == Half::kFloat16 ? value_of_float16(words[i]) : value_of_bfloat16(words[i]);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(wide[i])) << i;
        const double narrowed = half == Half::kFloat16 ? value_of_float16(back[i]) : value_of_bfloat16(back[i]);
        ASSERT_TRUE(std::isnan(narrowed)) << i;
      } else {
        ASSERT_EQ(wide[i], expected) << i;
        ASSERT_EQ(std::signbit(wide[i]), std::signbit(expected)) << i;
        ASSERT_EQ(back[i], words[i]);
      }
    }
  }
}

TEST_P(HalfTest, NarrowsToTheNearestHalvesToEven) {
  const std::vector<float> x{1.0F,     1.0F + 0x1p-11F, 1.0F + 0x3p-11F, 65504.0F,    65519.0F,
                             65520.0F, -1e9F,           0x1p-24F,        0x1p-25F,    0x1.8p-25F,
                             0x1p-14F, 0x1.ff8p-15F,    -0.0F,           0x1.ffep-15F};
  const std::vector<uint16_t> expected{0x3C00, 0x3C00, 0x3C02, 0x7BFF, 0x7BFF, 0x7C00, 0xFC00,
                                       0x0001, 0x0000, 0x0001, 0x0400, 0x03FF, 0x8000, 0x0400};
  std::vector<uint16_t> y(x.size());
  narrow_to_halves(Half::kFloat16, x.data(), y.data(), static_cast<int64_t>(x.size()));
  EXPECT_EQ(y, expected);

  const std::vector<float> b{1.0F, 1.0F + 0x1p-8F, 1.0F + 0x3p-8F, 3.4e38F, std::numeric_limits<float>::infinity()};
  const std::vector<uint16_t> narrowed{0x3F80, 0x3F80, 0x3F82, 0x7F80, 0x7F80};
  y.resize(b.size());
  narrow_to_halves(Half::kBfloat16, b.data(), y.data(), static_cast<int64_t>(b.size()));
  EXPECT_EQ(y, narrowed);
}

TEST_P(HalfTest, EveryTailAndMisalignment) {
  std::vector<float> x(80);
  std::mt19937 generator(1);
  for (float& value : x) value = std::uniform_real_distribution<float>(-4.0F, 4.0F)(generator);
  for (const Half half : {Half::kFloat16, Half::kBfloat16}) {
    std::vector<uint16_t> all(x.size());
    for (size_t i = 0; i < x.size(); ++i) narrow_to_halves(half, &x[i], &all[i], 1);
    for (int64_t n = 0; n < 40; ++n) {
      for (int64_t offset = 0; offset < 4; ++offset) {
        std::vector<uint16_t> y(static_cast<size_t>(n) + 1, 0xABCD);
        narrow_to_halves(half, x.data() + offset, y.data(), n);
        for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[static_cast<size_t>(i)], all[static_cast<size_t>(i + offset)]);
        ASSERT_EQ(y.back(), 0xABCD);
        std::vector<float> wide(static_cast<size_t>(n) + 1, -7.0F);
        widen_halves(half, all.data() + offset, wide.data(), n);
        ASSERT_EQ(wide.back(), -7.0F);
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_NEAR(wide[static_cast<size_t>(i)], x[static_cast<size_t>(i + offset)], 0x1p-7F);
        }
      }
    }
  }
}

}  // namespace
}  // namespace attune::kernels
