#include "plan/memory_layout.h"

#include <gtest/gtest.h>

#include <random>

namespace attune {
namespace {

void expect_disjoint(const std::vector<Lifetime>& lifetimes, const MemoryLayout& layout) {
  for (size_t a = 0; a < lifetimes.size(); ++a) {
    EXPECT_EQ(layout.offsets[a] % kPlanAlignment, 0u);
    EXPECT_LE(layout.offsets[a] + lifetimes[a].bytes, layout.bytes);
    for (size_t b = a + 1; b < lifetimes.size(); ++b) {
      const bool together = lifetimes[a].first <= lifetimes[b].last && lifetimes[b].first <= lifetimes[a].last;
      if (!together || lifetimes[a].bytes == 0 || lifetimes[b].bytes == 0) continue;
      const bool apart = layout.offsets[a] + lifetimes[a].bytes <= layout.offsets[b] ||
                         layout.offsets[b] + lifetimes[b].bytes <= layout.offsets[a];
      EXPECT_TRUE(apart) << a << " and " << b << " overlap";
    }
  }
}

TEST(MemoryLayout, AChainNeedsItsTwoLargestNeighbours) {
  const std::vector<Lifetime> chain = {{0, 1, 6400}, {1, 2, 640}, {2, 3, 6400}, {3, 4, 64}};
  const MemoryLayout layout = lay_out_memory(chain);
  EXPECT_EQ(layout.bytes, 7040u);
  EXPECT_EQ(layout.lower_bound, 7040u);
  expect_disjoint(chain, layout);
}

TEST(MemoryLayout, WhatNoSortedOrderFindsIsFoundByMovingTheTopDown) {
  constexpr size_t kUnit = size_t{1} << 18;
  const std::vector<Lifetime> lifetimes = {{1, 3, 4 * kUnit}, {0, 1, 1 * kUnit}, {0, 2, 3 * kUnit}, {3, 4, 2 * kUnit},
                                           {3, 4, 5 * kUnit}, {5, 7, 6 * kUnit}, {3, 5, 6 * kUnit}, {4, 4, 5 * kUnit}};
  const MemoryLayout layout = lay_out_memory(lifetimes);
  EXPECT_EQ(layout.bytes, layout.lower_bound);
  expect_disjoint(lifetimes, layout);
}

TEST(MemoryLayout, NothingNeedsNothing) {
  EXPECT_EQ(lay_out_memory({}).bytes, 0u);
  const std::vector<Lifetime> empty = {{0, 3, 0}};
  EXPECT_EQ(lay_out_memory(empty).bytes, 0u);
}

TEST(MemoryLayout, RandomLifetimesNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lifetimes;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random() % 30);
      lifetimes.push_back({first, first + static_cast<int>(random() % 8), random() % 5000});
    }
    const MemoryLayout layout = lay_out_memory(lifetimes);
    expect_disjoint(lifetimes, layout);
    EXPECT_GE(layout.bytes, layout.lower_bound);
    EXPECT_LE(layout.bytes, layout.lower_bound * 3 / 2);
  }
}

}  // namespace
}  // namespace attune
