#include "plan/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "plan/memory_layout.h"

namespace attune {
namespace {

Dependencies depend(const std::vector<std::vector<int>>& before) {
  Dependencies dependencies;
  for (const auto& steps : before) dependencies.add_step(steps);
  return dependencies;
}

/// Each of `count` steps waits for up to three of the few before it.
std::vector<std::vector<int>> random_graph(int count, std::mt19937& random) {
  std::vector<std::vector<int>> before(static_cast<size_t>(count));
  for (int s = 1; s < count; ++s) {
    auto& steps = before[static_cast<size_t>(s)];
    for (unsigned k = random() % 4; k > 0; --k) {
      steps.push_back(static_cast<int>(std::max<int64_t>(0, s - 1 - static_cast<int64_t>(random() % 12))));
    }
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  }
  return before;
}

TEST(Schedule, FollowersAreDirectAndIndirect) {
  const auto followers = find_followers(depend({{}, {0}, {}, {1, 2}, {}}));
  const auto of = [&](int step) {
    std::vector<int> steps;
    for (int s = 0; s < 5; ++s) {
      if (contains(followers[static_cast<size_t>(step)], s)) steps.push_back(s);
    }
    return steps;
  };
  EXPECT_EQ(of(0), (std::vector<int>{1, 3}));
  EXPECT_EQ(of(1), (std::vector<int>{3}));
  EXPECT_EQ(of(2), (std::vector<int>{3}));
  EXPECT_TRUE(of(3).empty());
  EXPECT_TRUE(of(4).empty());
}

TEST(Schedule, BranchesAreStepsWithoutAnOrder) {
  EXPECT_FALSE(has_branches(depend({})));
  EXPECT_FALSE(has_branches(depend({{}})));
  EXPECT_FALSE(has_branches(depend({{}, {0}, {0, 1}})));
  EXPECT_TRUE(has_branches(depend({{}, {}})));
  EXPECT_TRUE(has_branches(depend({{}, {0}, {0}, {1, 2}})));
}

TEST(Schedule, ShortStepsInARowAreOneChain) {
  const std::vector<float> cheap(6, 100.0F);
  // 0 - 1 - 2 and 3 - 4 meet in 5.
  const Dependencies dependencies = depend({{}, {0}, {1}, {}, {3}, {2, 4}});
  const Schedule schedule = make_schedule(dependencies, cheap);
  ASSERT_EQ(schedule.pending.size(), 3u);
  const auto steps_of = [](const Schedule& of, int chain) {
    return std::vector<int>(of.steps_of(chain).begin(), of.steps_of(chain).end());
  };
  EXPECT_EQ(steps_of(schedule, 0), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(steps_of(schedule, 1), (std::vector<int>{3, 4}));
  EXPECT_EQ(steps_of(schedule, 2), (std::vector<int>{5}));
  EXPECT_EQ(schedule.pending, (std::vector<int>{0, 0, 2}));
  EXPECT_EQ(schedule.by_rank, (std::vector<int>{0, 1, 2}));
  EXPECT_FLOAT_EQ(schedule.critical_ns, 400);
  EXPECT_FLOAT_EQ(schedule.branch_ns[0], 300);  // what is behind the meeting belongs to nobody
  const std::vector<float> costly(6, Schedule::kChainNs);
  EXPECT_EQ(make_schedule(dependencies, costly).pending.size(), 6u);
}

TEST(Schedule, TheLongestWayRanksFirst) {
  // A short branch 0, a long one 1 - 2, and 3 that needs both.
  const Schedule schedule = make_schedule(depend({{}, {}, {1}, {0, 2}}), std::vector<float>{5e3, 4e3, 4e3, 3e3});
  EXPECT_EQ(schedule.by_rank, (std::vector<int>{1, 0, 2, 3}));
  EXPECT_FLOAT_EQ(schedule.path_ns[1], 11e3);
  EXPECT_FLOAT_EQ(schedule.path_ns[0], 8e3);
  EXPECT_FLOAT_EQ(schedule.branch_ns[1], 8e3);
}

TEST(Schedule, ChainsKeepTheOrderOfTheirSteps) {
  std::mt19937 random(3);
  for (int round = 0; round < 30; ++round) {
    const auto before = random_graph(100, random);
    std::vector<float> costs;
    for (int s = 0; s < 100; ++s) costs.push_back(static_cast<float>(random() % 1500));
    const Schedule schedule = make_schedule(depend(before), costs);
    std::vector<int> place(100, -1);  // when the step runs, chain after chain
    for (size_t k = 0; k < schedule.steps.size(); ++k)
      place[static_cast<size_t>(schedule.steps[k])] = static_cast<int>(k);
    for (size_t s = 0; s < 100; ++s) {
      ASSERT_GE(place[s], 0);
      for (const int earlier : before[s]) EXPECT_LT(place[static_cast<size_t>(earlier)], place[s]);
    }
  }
}

TEST(Schedule, MemoryIsSharedOnlyByWhatCannotRunAtTheSameTime) {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const int count = 80;
    const auto before = random_graph(count, random);
    const auto followers = find_followers(depend(before));
    // Each step writes one block, which those that wait for it read.
    std::vector<StepBits> after = followers;
    std::vector<Lifetime> lifetimes;
    for (int s = 0; s < count; ++s) lifetimes.push_back({s, s, 1 + random() % 5000, &after[static_cast<size_t>(s)]});
    for (int s = 0; s < count; ++s) {
      for (const int earlier : before[static_cast<size_t>(s)]) {
        lifetimes[static_cast<size_t>(earlier)].last = s;
        for (size_t word = 0; word < 2; ++word) {
          after[static_cast<size_t>(earlier)][word] &= followers[static_cast<size_t>(s)][word];
        }
      }
    }
    const MemoryLayout layout = lay_out_memory(lifetimes);
    EXPECT_GE(layout.bytes, layout.lower_bound);
    bool shared = false;
    for (size_t a = 0; a < lifetimes.size(); ++a) {
      for (size_t b = a + 1; b < lifetimes.size(); ++b) {
        const bool apart = layout.offsets[a] + lifetimes[a].bytes <= layout.offsets[b] ||
                           layout.offsets[b] + lifetimes[b].bytes <= layout.offsets[a];
        if (apart) continue;
        shared = true;
        EXPECT_TRUE(contains(after[a], static_cast<int>(b))) << a << " and " << b;
      }
    }
    EXPECT_TRUE(shared) << "nothing would be saved";
  }
}

}  // namespace
}  // namespace attune
