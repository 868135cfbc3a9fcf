#include "plan/joined_values.h"

#include <gtest/gtest.h>

#include "ops/joins_inputs.h"

namespace attune {
namespace {

/// What memory takes while each step runs, as if nothing were joined.
std::vector<size_t> live_of(int steps, const std::vector<OwnMemory>& blocks) {
  std::vector<size_t> live(static_cast<size_t>(steps), 0);
  for (const OwnMemory& block : blocks) {
    for (int step = block.first; step <= block.last; ++step) live[static_cast<size_t>(step)] += block.bytes;
  }
  return live;
}

void expect_place(const std::vector<JoinedPlace>& places, int value, int root, size_t offset) {
  SCOPED_TRACE(value);
  EXPECT_EQ(places[static_cast<size_t>(value)].root, root);
  if (root < 0) return;
  EXPECT_EQ(places[static_cast<size_t>(value)].offset, offset);
}

TEST(JoinedValues, InputsAreMadeWhereTheConcatWantsThem) {
  // Steps 0 and 1 make values 0 and 1 of a graph input, step 2 joins them, step 3 reads the result.
  const OwnMemory a{0, 2, 64};
  const OwnMemory b{1, 2, 128};
  const OwnMemory joined{2, 3, 192};
  const Join join{2, true, joined, {{0, 0, true, a}, {1, 64, true, b}}};
  const auto places = choose_joined_places({&join, 1}, live_of(4, {a, b, joined}), 3);
  expect_place(places, 0, 2, 0);
  expect_place(places, 1, 2, 64);
  expect_place(places, 2, 2, 0);
}

TEST(JoinedValues, WhatMustStayIsLeftAlone) {
  const OwnMemory a{0, 2, 64};
  const OwnMemory joined{2, 3, 256};
  const Join join{
      3, true, joined, {{0, 0, true, a}, {1, 64, false, {}}, {2, JoinsInputs::kMoved, true, a}, {0, 192, true, a}}};
  const auto places = choose_joined_places({&join, 1}, live_of(4, {a, a, joined}), 4);
  expect_place(places, 0, 3, 0);
  expect_place(places, 1, -1, 0);
  expect_place(places, 2, -1, 0);
}

TEST(JoinedValues, AnInputThatWaitsLongStaysWhereRoomIsScarce) {
  // As in a U-Net: value 0 is small and waits for value 1 while step 1 needs all the memory there is.
  const OwnMemory skipped{0, 3, 64};
  const OwnMemory large{1, 1, 1024};
  const OwnMemory late{2, 3, 64};
  const OwnMemory joined{3, 4, 128};
  const Join join{2, true, joined, {{0, 0, true, skipped}, {1, 64, true, late}}};
  const auto places = choose_joined_places({&join, 1}, live_of(5, {skipped, large, late, joined}), 3);
  expect_place(places, 0, -1, 0);
  expect_place(places, 1, 2, 64);
}

TEST(JoinedValues, GrowingPrefixesBecomeOneBuffer) {
  // 2 = [0, 1], 4 = [2, 3]
  const OwnMemory v0{0, 2, 64};
  const OwnMemory v1{1, 2, 64};
  const OwnMemory v2{2, 4, 128};
  const OwnMemory v3{3, 4, 64};
  const OwnMemory v4{4, 5, 192};
  const std::vector<Join> joins = {{2, true, v2, {{0, 0, true, v0}, {1, 64, true, v1}}},
                                   {4, true, v4, {{2, 0, true, v2}, {3, 128, true, v3}}}};
  const auto places = choose_joined_places(joins, live_of(6, {v0, v1, v2, v3, v4}), 5);
  expect_place(places, 0, 4, 0);
  expect_place(places, 1, 4, 64);
  expect_place(places, 2, 4, 0);
  expect_place(places, 3, 4, 128);
  expect_place(places, 4, 4, 0);
}

TEST(JoinedValues, JoiningThePartsAgainInTheSameOrderCostsNothing) {
  // 2 = [0, 1], 4 = [0, 1, 3]
  const OwnMemory v0{0, 4, 64};
  const OwnMemory v1{1, 4, 64};
  const OwnMemory v2{2, 3, 128};
  const OwnMemory v3{3, 4, 64};
  const OwnMemory v4{4, 5, 192};
  const std::vector<Join> joins = {{2, true, v2, {{0, 0, true, v0}, {1, 64, true, v1}}},
                                   {4, true, v4, {{0, 0, true, v0}, {1, 64, true, v1}, {3, 128, true, v3}}}};
  const auto places = choose_joined_places(joins, live_of(6, {v0, v1, v2, v3, v4}), 5);
  expect_place(places, 2, 4, 0);
  expect_place(places, 0, 4, 0);
  expect_place(places, 1, 4, 64);
}

TEST(JoinedValues, AnOutputOfTheGraphIsNotAPartOfAnother) {
  const OwnMemory v0{0, 2, 64};
  const OwnMemory v1{1, 2, 64};
  const OwnMemory v2{2, 3, 128};
  const std::vector<Join> joins = {{1, false, v1, {{0, 0, true, v0}}},
                                   {2, true, v2, {{0, 0, true, v0}, {1, 64, false, {}}}}};
  const auto places = choose_joined_places(joins, live_of(4, {v0, v1, v2}), 3);
  expect_place(places, 0, 2, 0);
  expect_place(places, 1, -1, 0);
}

TEST(JoinedValues, AValueOfTwoConcatsIsCopiedForOneOfThem) {
  // 1 = [0], 3 = [2, 0]: value 0 lies in the later one.
  const OwnMemory v0{0, 3, 64};
  const OwnMemory v1{1, 2, 64};
  const OwnMemory v2{2, 3, 64};
  const OwnMemory v3{3, 4, 128};
  const std::vector<Join> joins = {{1, true, v1, {{0, 0, true, v0}}},
                                   {3, true, v3, {{2, 0, true, v2}, {0, 64, true, v0}}}};
  const auto places = choose_joined_places(joins, live_of(5, {v0, v1, v2, v3}), 4);
  expect_place(places, 0, 3, 64);
  expect_place(places, 1, 3, 64);  // alone, it is that value
}

}  // namespace
}  // namespace attune
