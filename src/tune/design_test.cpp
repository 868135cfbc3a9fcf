#include "tune/design.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

// Table 6A.1 of Box, Hunter and Hunter.
TEST(MakeDesign, HasTheResolutionOfTheTables) {
  const auto design = [](int factors, int runs) { return make_design(factors, runs); };
  EXPECT_EQ(design(2, 64).name(), "2^2, all combinations");
  EXPECT_EQ(design(3, 64).name(), "2^3, all combinations");
  EXPECT_EQ(design(4, 8).name(), "2^(4-1), resolution IV");
  EXPECT_EQ(design(4, 64).name(), "2^4, all combinations");
  EXPECT_EQ(design(5, 16).name(), "2^(5-1), resolution V");
  EXPECT_EQ(design(5, 64).runs, 16);
  EXPECT_EQ(design(6, 16).name(), "2^(6-2), resolution IV");
  EXPECT_EQ(design(6, 32).name(), "2^(6-1), resolution VI");
  EXPECT_EQ(design(7, 16).name(), "2^(7-3), resolution IV");
  EXPECT_EQ(design(7, 64).name(), "2^(7-1), resolution VII");
  EXPECT_EQ(design(8, 16).name(), "2^(8-4), resolution IV");
  EXPECT_EQ(design(8, 64).name(), "2^(8-2), resolution V");
  EXPECT_EQ(design(9, 32).name(), "2^(9-4), resolution IV");
}

TEST(MakeDesign, OffersNothingThatConfoundsMainEffects) {
  EXPECT_EQ(make_design(5, 8).runs, 0);
  EXPECT_EQ(make_design(3, 4).runs, 0);
  EXPECT_EQ(make_design(1, 64).runs, 0);
  EXPECT_EQ(make_design(10, 64).runs, 0);
  EXPECT_EQ(make_design(4, 0).runs, 0);
}

TEST(MakeDesign, IsBalancedAndStartsWithTheDefaultSomewhere) {
  const Design design = make_design(6, 16);
  for (int a = 0; a < 6; ++a) {
    int highs = 0;
    for (int run = 0; run < design.runs; ++run) highs += design.is_high(run, a) ? 1 : 0;
    EXPECT_EQ(highs, design.runs / 2);
    for (int b = a + 1; b < 6; ++b) {
      int both = 0;
      for (int run = 0; run < design.runs; ++run) both += design.is_high(run, a) && design.is_high(run, b) ? 1 : 0;
      EXPECT_EQ(both, design.runs / 4);
    }
  }
}

TEST(ListInteractions, NamesThoseThatLookAlike) {
  for (const auto& [column, pairs] : list_interactions(make_design(5, 16))) EXPECT_EQ(pairs.size(), 1U);
  size_t pairs_in_all = 0;
  size_t most = 0;
  for (const auto& [column, pairs] : list_interactions(make_design(4, 8))) {
    pairs_in_all += pairs.size();
    most = std::max(most, pairs.size());
  }
  EXPECT_EQ(pairs_in_all, 6U);
  EXPECT_EQ(most, 2U);
}

}  // namespace
}  // namespace attune
