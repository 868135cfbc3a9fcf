#include "tensor/float8.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace attune {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

constexpr std::array kTypes{DataType::kFloat8E4M3FN, DataType::kFloat8E4M3FNUZ, DataType::kFloat8E5M2,
                            DataType::kFloat8E5M2FNUZ, DataType::kFloat8E8M0};

TEST(Float8, EveryValueComesBack) {
  for (const DataType type : kTypes) {
    for (int bits = 0; bits < 256; ++bits) {
      const float value = small_float_to_float(type, static_cast<uint8_t>(bits));
      const uint8_t back = float_to_small_float(type, value, false, ScaleRounding::kDown);
      if (std::isnan(value)) {
        EXPECT_TRUE(std::isnan(small_float_to_float(type, back))) << bits;
      } else {
        EXPECT_EQ(back, bits) << data_type_name(type);
      }
    }
  }
  for (int bits = 0; bits < 16; ++bits) {
    const float value = small_float_to_float(DataType::kFloat4E2M1, static_cast<uint8_t>(bits));
    EXPECT_EQ(float_to_small_float(DataType::kFloat4E2M1, value, true), bits);
  }
}

TEST(Float8, Extremes) {
  EXPECT_EQ(small_float_to_float(DataType::kFloat8E4M3FN, 0x7E), 448.0F);
  EXPECT_EQ(small_float_to_float(DataType::kFloat8E4M3FNUZ, 0x7F), 240.0F);
  EXPECT_EQ(small_float_to_float(DataType::kFloat8E5M2, 0x7B), 57344.0F);
  EXPECT_EQ(small_float_to_float(DataType::kFloat8E5M2, 0xFC), -kInfinity);
  EXPECT_EQ(small_float_to_float(DataType::kFloat8E5M2FNUZ, 0x7F), 57344.0F);
  EXPECT_EQ(small_float_to_float(DataType::kFloat4E2M1, 0xF), -6.0F);
  EXPECT_EQ(small_float_to_float(DataType::kFloat8E4M3FN, 0x01), 0x1p-9F);
}

TEST(Float8, TooLarge) {
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 1e6F, true), 0x7E);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, -kInfinity, true), 0xFE);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 464.0F, false), 0x7E);  // half way, to even
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 465.0F, false), 0x7F);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E5M2, 1e6F, false), 0x7C);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E5M2, 1e30F, true), 0x7B);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FNUZ, 1e6F, false), 0x80);
  EXPECT_EQ(float_to_small_float(DataType::kFloat4E2M1, 100.0F, false), 7);
}

TEST(Float8, RoundsToEven) {
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 1.0625F, true), 0x38);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 1.1875F, true), 0x3A);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 0x1p-10F, true), 0);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, 0x1.8p-10F, true), 1);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FNUZ, -0.0F, true), 0);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E4M3FN, -0.0F, true), 0x80);
}

TEST(Float8, Scales) {
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E8M0, 1.5F, true, ScaleRounding::kUp), 128);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E8M0, 1.5F, true, ScaleRounding::kDown), 127);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E8M0, 1.25F, true, ScaleRounding::kNearest), 127);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E8M0, 3e38F, true, ScaleRounding::kUp), 254);
  EXPECT_EQ(float_to_small_float(DataType::kFloat8E8M0, kNan, true), 255);
}

}  // namespace
}  // namespace attune
