#include "plan/batch_split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "plan/region_layout.h"

namespace attune {
namespace {

constexpr float kMilliseconds = 1e6F;
constexpr size_t kNoLimit = SIZE_MAX;

/// A chain: step i reads memory i and writes memory i + 1.
std::vector<BatchStep> chain(int steps, int64_t samples, float cost_ns) {
  std::vector<BatchStep> chain;
  for (int i = 0; i < steps; ++i) chain.push_back({samples, cost_ns, 0, {{i, false}, {i + 1, false}}});
  return chain;
}

/// What chains need when each memory has a byte a sample.
constexpr auto kPieceBytes = [](std::span<const BatchGroup> groups) {
  size_t most = groups.empty() ? 1000 : 0;
  for (const BatchGroup& group : groups) most = std::max(most, static_cast<size_t>(group.piece));
  return most;
};

TEST(BatchSplit, StepsThatCostEnoughRunSampleBySample) {
  const auto groups = choose_batch_groups(chain(4, 32, 320 * kMilliseconds), 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].first, 0);
  EXPECT_EQ(groups[0].end, 4);
  EXPECT_EQ(groups[0].samples, 32);
  EXPECT_EQ(groups[0].piece, 1);
}

TEST(BatchSplit, ShortStepsKeepEnoughSamplesForEveryThread) {
  // 20 us a sample: a piece must hold several for calling the step and waking threads not to count.
  const auto groups = choose_batch_groups(chain(4, 256, 256 * 0.02F * kMilliseconds), 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_GE(groups[0].piece, 8);
  EXPECT_LT(groups[0].piece, 256);
}

TEST(BatchSplit, WeightsThatTakeAsLongToReadAsToUseAreReadOnce) {
  std::vector<BatchStep> steps = chain(6, 32, 32 * kMilliseconds);
  for (size_t i = 3; i < 6; ++i) steps[i].weight_bytes = size_t{100} << 20;
  const auto groups = choose_batch_groups(steps, 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].first, 0);
  EXPECT_EQ(groups[0].end, 3);
}

TEST(BatchSplit, PiecesAreEqualWhereTheyCanBe) {
  // Five samples would do, but seven of ten and three of ten are worse than twice five.
  const auto groups = choose_batch_groups(chain(2, 10, 10 * 0.1F * kMilliseconds), 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(groups.size(), 1U);
  const int64_t pieces = (10 + groups[0].piece - 1) / groups[0].piece;
  EXPECT_EQ(groups[0].piece, (10 + pieces - 1) / pieces);
}

TEST(BatchSplit, AStepThatMixesSamplesEndsAGroup) {
  std::vector<BatchStep> steps = chain(5, 8, 80 * kMilliseconds);
  steps[2].samples = 0;
  const auto groups = choose_batch_groups(steps, 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].end, 2);
  EXPECT_EQ(groups[1].first, 3);
}

TEST(BatchSplit, MemoryReadAsAWholeIsNotWrittenInPieces) {
  // Step 2 reads all that step 0 made.
  std::vector<BatchStep> steps = chain(4, 8, 80 * kMilliseconds);
  steps[2].uses.push_back({1, true});
  const auto groups = choose_batch_groups(steps, 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].end, 2);
  EXPECT_EQ(groups[1].first, 2);
  // Read by nobody else in pieces, it may be read as a whole all along.
  steps[2].uses.back().memory = 77;
  EXPECT_EQ(choose_batch_groups(steps, 2, kNoLimit, kPieceBytes).size(), 1U);
}

TEST(BatchSplit, NothingIsSplitForLittle) {
  const auto peak = [](std::span<const BatchGroup> groups) -> size_t { return groups.empty() ? 100 : 95; };
  EXPECT_TRUE(choose_batch_groups(chain(4, 32, 320 * kMilliseconds), 2, kNoLimit, peak).empty());
  EXPECT_TRUE(choose_batch_groups(chain(4, 1, 320 * kMilliseconds), 2, kNoLimit, kPieceBytes).empty());
  EXPECT_TRUE(choose_batch_groups({}, 2, kNoLimit, kPieceBytes).empty());
}

TEST(BatchSplit, ALimitIsKeptAtAnyPrice) {
  const std::vector<BatchStep> steps = chain(4, 256, 256 * 0.02F * kMilliseconds);
  const auto free = choose_batch_groups(steps, 2, kNoLimit, kPieceBytes);
  ASSERT_EQ(free.size(), 1U);
  const auto fits = choose_batch_groups(steps, 2, static_cast<size_t>(free[0].piece), kPieceBytes);
  ASSERT_EQ(fits.size(), 1U);
  EXPECT_EQ(fits[0].piece, free[0].piece);
  const auto tight = choose_batch_groups(steps, 2, 3, kPieceBytes);
  ASSERT_EQ(tight.size(), 1U);
  EXPECT_EQ(tight[0].piece, 2);  // the largest that fits
  const auto nearest = choose_batch_groups(steps, 2, 0, kPieceBytes);
  ASSERT_EQ(nearest.size(), 1U);
  EXPECT_EQ(nearest[0].piece, 1);
}

TEST(RegionLayout, PiecesShareOneBlockAndWholesOutliveTheGroup) {
  const std::vector<BatchGroup> groups = {{1, 4, 8, 2}};
  const Units units(6, groups);
  ASSERT_EQ(units.all().size(), 4U);
  EXPECT_EQ(units.group_of(0), -1);
  EXPECT_EQ(units.unit_of(3), 1);
  EXPECT_EQ(units.unit_of(5), 3);
  const std::vector<RegionBlock> blocks = {
      {0, 1, 8192},     // read by the group's first step: all pieces read it
      {1, 2, 1024, 0},  // a piece's
      {2, 3, 2048, 0},  // another one's
      {3, 4, 4096},     // written by the group's last step, of each piece
      {4, 5, 512},
  };
  const RegionLayout layout = lay_out_region(blocks, units, nullptr);
  EXPECT_EQ(layout.lower_bound, 8192U + 1024U + 2048U + 4096U);
  EXPECT_EQ(layout.bytes, layout.lower_bound);
  EXPECT_EQ(largest_live_bytes(blocks, units), layout.lower_bound);
  for (const size_t a : {0, 1, 2, 3}) {
    for (const size_t b : {0, 1, 2, 3}) {
      if (a == b) continue;
      EXPECT_TRUE(layout.offsets[a] + blocks[a].bytes <= layout.offsets[b] ||
                  layout.offsets[b] + blocks[b].bytes <= layout.offsets[a])
          << a << " and " << b;
    }
  }
}

TEST(RegionLayout, WithoutGroupsAUnitIsAStep) {
  const Units units(3, {});
  const std::vector<RegionBlock> chain = {{0, 1, 640}, {1, 2, 1280}, {2, 2, 64}};
  const RegionLayout layout = lay_out_region(chain, units, nullptr);
  EXPECT_EQ(layout.bytes, 1920U);
  EXPECT_EQ(layout.lower_bound, 1920U);
  EXPECT_EQ(lay_out_region({}, Units(0, {}), nullptr).bytes, 0U);
}

}  // namespace
}  // namespace attune
