#include "tune/effects.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace attune {
namespace {

// Option 0 makes it 10 % slower, 1 makes it 20 % faster, and 1 with 2 another 10 % faster.
double truth(const Design& design, int run) {
  double value = 0;
  if (design.is_high(run, 0)) value += 0.1;
  if (design.is_high(run, 1)) value -= 0.2;
  if (design.is_high(run, 1) && design.is_high(run, 2)) value -= 0.1;
  return value;
}

DesignValues measure(const Design& design, double noise, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> deviation(0, 1);
  DesignValues values;
  for (int run = 0; run < design.runs; ++run) values.push_back(truth(design, run) + noise * deviation(random));
  return values;
}

const Effect& find_effect(const EffectsFit& fit, int first, int second = -1) {
  for (const Effect& effect : fit.effects) {
    if (effect.first == first && effect.second == second) return effect;
  }
  throw std::out_of_range("no such effect");
}

TEST(FitEffects, FindsEffectsAndInteractions) {
  const Design design = make_design(5, 16);
  const EffectsFit fit = fit_effects(design, measure(design, 0.005, 1), 0.95, 0, 0);
  EXPECT_NEAR(find_effect(fit, 0).change, 0.1, 0.01);
  EXPECT_NEAR(find_effect(fit, 1).change, -0.25, 0.01);  // on the average of option 2's levels
  EXPECT_NEAR(find_effect(fit, 1, 2).change, -0.1, 0.02);
  EXPECT_TRUE(find_effect(fit, 0).is_active());
  EXPECT_TRUE(find_effect(fit, 1, 2).is_active());
  EXPECT_FALSE(find_effect(fit, 3).is_active());
  EXPECT_FALSE(find_effect(fit, 3, 4).is_active());
  EXPECT_NEAR(fit.noise, 0.005, 0.003);
}

TEST(FitEffects, PredictsCombinations) {
  const Design design = make_design(5, 16);
  const EffectsFit fit = fit_effects(design, measure(design, 0.002, 3), 0.95, 0, 0);
  EXPECT_EQ(fit.predict({false, false, false, false, false}), 0);
  EXPECT_NEAR(fit.predict({false, true, true, false, false}), -0.3, 0.01);
  EXPECT_NEAR(fit.predict({false, true, false, false, false}), -0.2, 0.01);
  EXPECT_NEAR(fit.predict({true, false, true, false, false}), 0.1, 0.01);
}

TEST(FitEffects, CallsNoiseActiveAsRarelyAsStated) {
  const Design design = make_design(5, 16);
  int active = 0;
  constexpr int kTrials = 500;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::mt19937_64 random(static_cast<uint64_t>(trial) + 1);
    std::normal_distribution<double> deviation(0, 0.02);
    DesignValues values;
    for (int run = 0; run < design.runs; ++run) values.push_back(deviation(random));
    const EffectsFit fit = fit_effects(design, values, 0.95, 0, 0);
    bool any = false;
    for (const Effect& effect : fit.effects) any = any || effect.is_active();
    active += any ? 1 : 0;
  }
  EXPECT_LE(active, kTrials * 8 / 100);  // 5 % by Lenth's approximation
}

TEST(FitEffects, LivesWithRunsThatFailed) {
  const Design design = make_design(4, 16);
  DesignValues values;
  for (int run = 0; run < design.runs; ++run) values.push_back(design.is_high(run, 0) ? 0.1 : 0);
  values[3] = std::numeric_limits<double>::quiet_NaN();
  values[12] = std::numeric_limits<double>::quiet_NaN();
  const EffectsFit fit = fit_effects(design, values, 0.95, 0, 0);
  EXPECT_NEAR(find_effect(fit, 0).change, 0.1, 1e-6);
  EXPECT_NEAR(find_effect(fit, 1).change, 0, 1e-6);
}

TEST(FitEffects, TakesNoiseFromOutsideForFourRuns) {
  const Design design = make_design(2, 4);
  const EffectsFit fit = fit_effects(design, {0, 0.1, 0, 0.1}, 0.95, 0.01, 10);
  EXPECT_NEAR(find_effect(fit, 0).change, 0.1, 1e-12);
  EXPECT_NEAR(find_effect(fit, 0).margin, 2.228 * 0.01, 1e-4);
  EXPECT_TRUE(find_effect(fit, 0).is_likely());
}

TEST(FitEffects, NamesTheInteractionOfTheLargestOptions) {
  const Design design = make_design(4, 8);  // 12 = 34, 13 = 24, 14 = 23
  DesignValues values;
  for (int run = 0; run < design.runs; ++run) {
    const double both = design.is_high(run, 2) && design.is_high(run, 3) ? -0.1 : 0;
    values.push_back((design.is_high(run, 2) ? 0.3 : 0) + (design.is_high(run, 3) ? 0.3 : 0) + both);
  }
  const EffectsFit fit = fit_effects(design, values, 0.95, 0, 0);
  const Effect& effect = find_effect(fit, 2, 3);
  EXPECT_NEAR(effect.change, -0.1, 1e-9);
  ASSERT_EQ(effect.aliases.size(), 1U);
  EXPECT_EQ(effect.aliases[0], std::pair(0, 1));
}

}  // namespace
}  // namespace attune
