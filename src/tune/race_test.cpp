#include "tune/race.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace attune {
namespace {

constexpr double kOut = std::numeric_limits<double>::quiet_NaN();

TEST(Race, DropsWhatIsWorseBeyondDoubt) {
  Race race(3);
  race.add_block({-0.10, -0.02, 0.30});
  EXPECT_FALSE(race.drop(0.95));  // one block tells nothing
  race.add_block({-0.11, -0.01, 0.31});
  race.add_block({-0.09, -0.02, 0.29});
  EXPECT_TRUE(race.drop(0.95));
  EXPECT_EQ(race.list_in(), (std::vector<size_t>{0}));
  EXPECT_EQ(race.leader(), 0U);
  EXPECT_NEAR(race.value(0), -0.1, 1e-12);
}

// What a block shares, a lucky process of the default, is no difference between candidates.
TEST(Race, ComparesWithinBlocks) {
  Race race(2);
  for (const double luck : {-0.3, 0.2, 0.1, -0.2}) race.add_block({luck, luck + 0.05});
  EXPECT_NEAR(race.error(), 0, 1e-12);
  EXPECT_TRUE(race.drop(0.95));
  EXPECT_TRUE(race.is_in(0));
  EXPECT_FALSE(race.is_in(1));
}

TEST(Race, PutsOutWhatFails) {
  Race race(3);
  race.add_block({0, kOut, 0.1});
  EXPECT_FALSE(race.is_in(1));
  race.add_block({0, kOut, 0.1});
  EXPECT_EQ(race.blocks(), 2U);
  race.put_out(0);
  race.put_out(2);
  EXPECT_EQ(race.leader(), race.candidates());
}

TEST(Race, KeepsTheBestAsOftenAsStated) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 0.02);
  int kept = 0;
  constexpr int kRaces = 500;
  for (int trial = 0; trial < kRaces; ++trial) {
    Race race(6);
    for (int block = 0; block < 4; ++block) {
      std::vector<double> values;
      for (int k = 0; k < 6; ++k) values.push_back(noise(random) + (k == 0 ? 0 : 0.005));
      race.add_block(values);
    }
    race.drop(0.95);
    kept += race.is_in(0) ? 1 : 0;
  }
  EXPECT_GE(kept, kRaces * 95 / 100);
}

}  // namespace
}  // namespace attune
