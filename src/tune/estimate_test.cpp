#include "tune/estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace attune {
namespace {

TEST(StudentQuantile, IsThatOfTheTables) {
  EXPECT_NEAR(student_quantile(0.975, 1), 12.7062, 1e-3);
  EXPECT_NEAR(student_quantile(0.975, 2), 4.30265, 1e-5);
  EXPECT_NEAR(student_quantile(0.95, 3), 2.35336, 1e-4);
  EXPECT_NEAR(student_quantile(0.975, 5), 2.57058, 1e-5);
  EXPECT_NEAR(student_quantile(0.995, 10), 3.16927, 1e-5);
  EXPECT_NEAR(student_quantile(0.975, 1000), 1.96234, 1e-5);
  EXPECT_NEAR(student_quantile(0.025, 5), -2.57058, 1e-5);
  EXPECT_EQ(student_quantile(0.5, 4), 0);
  EXPECT_NEAR(student_quantile(0.975, 7.0 / 3), 3.764, 2e-2);  // Lenth's for seven effects
}

TEST(StudentEstimate, IsTheGeometricMean) {
  const Estimate two = student_estimate(std::vector<double>{std::log(2.0), std::log(8.0)}, 0.95);
  EXPECT_NEAR(two.ratio, 4, 1e-12);
  EXPECT_NEAR(std::log(two.high / two.ratio), 12.7062 * std::log(4.0) / 2, 1e-3);
  EXPECT_EQ(two.method, "student-t");
  EXPECT_FALSE(student_estimate(std::vector<double>{0.1}, 0.95).is_known());
  EXPECT_FALSE(student_estimate({}, 0.95).is_known());
}

// Bounds of the signed-rank statistic from the tables: 6 values give the 1st and last of 21 means, 8 the 4th of 36.
TEST(SignedRankEstimate, HasTheRanksOfTheTables) {
  std::vector<double> values = {1, 2, 4, 8, 16, 32};
  const Estimate six = signed_rank_estimate(values, 0.95);
  EXPECT_NEAR(std::log(six.low), 1, 1e-12);
  EXPECT_NEAR(std::log(six.high), 32, 1e-12);
  EXPECT_EQ(six.method, "signed-rank");
  values = {1, 2, 4, 8, 16, 32, 64, 128};
  EXPECT_NEAR(std::log(signed_rank_estimate(values, 0.95).low), 2.5, 1e-12);  // 1, 1.5, 2, 2.5
  EXPECT_FALSE(signed_rank_estimate(std::vector<double>{1, 2, 3, 4, 5}, 0.95).is_known());
  EXPECT_FALSE(signed_rank_estimate(std::vector<double>{1, 2, 3, 4, 5, 6}, 0.99).is_known());
}

TEST(EstimateRatio, TakesRanksFromSixPairsOn) {
  EXPECT_EQ(estimate_ratio(std::vector<double>(6, 0.1), 0.95).method, "signed-rank");
  EXPECT_EQ(estimate_ratio(std::vector<double>(5, 0.1), 0.95).method, "student-t");
  EXPECT_NEAR(estimate_ratio(std::vector<double>(6, std::log(0.9)), 0.95).ratio, 0.9, 1e-12);
}

// One process in ten goes wrong altogether.
TEST(EstimateRatio, HoldsTheTruthAsOftenAsStatedWithOutliers) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 0.02);
  int held = 0;
  constexpr int kTrials = 2000;
  double width = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> values(8);
    for (double& value : values) {
      value = noise(random);
      if (random() % 10 == 0) value += random() % 2 == 0 ? 0.5 : -0.5;
    }
    const Estimate estimate = estimate_ratio(values, 0.95);
    held += estimate.low <= 1 && 1 <= estimate.high ? 1 : 0;
    width += std::log(estimate.high / estimate.low) / kTrials;
  }
  EXPECT_GE(held, kTrials * 94 / 100);
  EXPECT_LE(width, 0.4);
}

}  // namespace
}  // namespace attune
