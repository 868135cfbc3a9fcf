#include "tune/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace attune {
namespace {

TEST(Quantile, InterpolatesAsNumpyDoes) {
  const std::vector<double> values = {4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 3.7);
  EXPECT_DOUBLE_EQ(median(std::vector<double>{7}), 7);
}

// Ranks from tables of the binomial distribution: 6 values give 1 and 6, 9 give 2 and 8, 20 give 6 and 15.
TEST(MedianInterval, HasTheRanksOfTheTables) {
  const auto ranks = [](int count) {
    std::vector<double> values;
    for (int k = 1; k <= count; ++k) values.push_back(k);
    const Interval interval = median_interval(values);
    EXPECT_TRUE(interval.is_known);
    return std::pair(interval.low, interval.high);
  };
  EXPECT_EQ(ranks(6), std::pair(1.0, 6.0));
  EXPECT_EQ(ranks(9), std::pair(2.0, 8.0));
  EXPECT_EQ(ranks(20), std::pair(6.0, 15.0));
}

TEST(MedianInterval, IsUnknownForFewValues) {
  const Interval five = median_interval(std::vector<double>{5, 1, 2, 4, 3});
  EXPECT_FALSE(five.is_known);
  EXPECT_EQ(five.low, 1);
  EXPECT_EQ(five.median, 3);
  EXPECT_EQ(five.high, 5);
  EXPECT_FALSE(median_interval({}).is_known);
}

TEST(MedianInterval, HoldsTheTruthAsOftenAsStated) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> noise(0, 0.3);  // its median is 1
  int held = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(15);
    for (double& value : values) value = noise(random);
    const Interval interval = median_interval(values);
    held += interval.low <= 1 && 1 <= interval.high ? 1 : 0;
  }
  EXPECT_GE(held, kTrials * 94 / 100);
  EXPECT_LE(held, kTrials * 98 / 100);  // 96.5 % by the ranks 4 and 12
}

}  // namespace
}  // namespace attune
