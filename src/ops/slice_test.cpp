#include <limits>

#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

Tensor integers(const std::vector<int64_t>& values) {
  return Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

TEST(Slice, CutsOneAxis) {
  struct Case {
    int64_t start, end, step;
    std::vector<int64_t> expected;
  };
  const std::vector<Case> cases = {
      {0, 3, 1, {0, 1, 2}},
      {1, kMax, 1, {1, 2, 3, 4}},
      {-2, kMax, 1, {3, 4}},
      {0, -1, 2, {0, 2}},
      {4, kMin, -1, {4, 3, 2, 1, 0}},
      {-1, -100, -2, {4, 2, 0}},
      {kMax, kMin, -1, {4, 3, 2, 1, 0}},
      {3, 1, -1, {3, 2}},
      {3, 1, 1, {}},
      {1, 3, -1, {}},
      {-100, 100, 3, {0, 3}},
      {2, 100, kMax, {2}},
      {2, kMin, kMin, {2}},
      {5, 9, 1, {}},
      {0, std::numeric_limits<int32_t>::max(), 1, {0, 1, 2, 3, 4}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.start << ":" << c.end << ":" << c.step);
    OpTest("Slice")
        .input<int64_t>({5}, {0, 1, 2, 3, 4})
        .input(integers({c.start}))
        .input(integers({c.end}))
        .input(integers({0}))
        .input(integers({c.step}))
        .output<int64_t>({static_cast<int64_t>(c.expected.size())}, c.expected)
        .run();
  }
}

TEST(Slice, CutsSeveralAxes) {
  OpTest("Slice")
      .input<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .input(integers({1, 0}))
      .input(integers({2, 3}))
      .input(integers({0, 1}))
      .input(integers({1, 2}))
      .output<float>({1, 2}, {5, 7})
      .run();
  OpTest("Slice", 10)
      .input<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})
      .input<int32_t>({2}, {0, 1})
      .input<int32_t>({2}, {-1, 1000})
      .output<float>({1, 3}, {2, 3, 4})
      .run();
  OpTest("Slice")
      .input<std::string>({3}, {"a", "b", "c"})
      .input(integers({-1}))
      .input(integers({kMin}))
      .no_input()
      .input(integers({-1}))
      .output<std::string>({3}, {"c", "b", "a"})
      .run();
  OpTest("Slice")
      .input<float>({0, 2}, {})
      .input(integers({1}))
      .input(integers({-5}))
      .input(integers({0}))
      .input(integers({-1}))
      .output<float>({0, 2}, {})
      .run();
}

TEST(Slice, TakesAttributesBeforeVersion10) {
  OpTest("Slice", 9)
      .attribute("starts", std::vector<int64_t>{1})
      .attribute("ends", std::vector<int64_t>{1000})
      .attribute("axes", std::vector<int64_t>{-1})
      .input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .output<float>({2, 2}, {2, 3, 5, 6})
      .run();
}

TEST(Slice, RefusesNonsense) {
  const auto make = [](std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
                       std::vector<int64_t> steps) {
    OpTest test("Slice");
    test.input(random_floats({2, 3}, 1))
        .input(integers(starts))
        .input(integers(ends))
        .input(integers(axes))
        .input(integers(steps));
    return test;
  };
  make({0}, {1}, {0}, {0}).fails("'step' value cannot be 0");
  make({0}, {1}, {2}, {1}).fails("axis 2 is not in valid range");
  make({0, 0}, {1, 1}, {0, -2}, {1, 1}).fails("duplicate axis");
  make({0, 0}, {1}, {0}, {1}).fails("must be of the same length");
  OpTest("Slice").input(random_floats({2}, 1)).input(integers({0, 0})).input(integers({1, 1})).fails("more entries");
}

TEST(Slice, CutsBlocks) {
  const int64_t block = kernels::block_channels();
  const Tensor x = random_floats({2, 3 * block + 2, 5, 6}, 1);
  BlockedTest("Slice")
      .blocked(x)
      .constant(integers({1, -1}))
      .constant(integers({kMax, kMin}))
      .constant(integers({2, 3}))
      .constant(integers({2, -1}))
      .expect(Layout::kBlocked, Layout::kBlocked);
  BlockedTest("Slice")
      .blocked(x)
      .constant(integers({block}))
      .constant(integers({2 * block + 1}))
      .constant(integers({1}))
      .expect(Layout::kBlocked, Layout::kBlocked);
  BlockedTest("Slice")
      .blocked(x)
      .constant(integers({1}))
      .constant(integers({kMax}))
      .constant(integers({1}))
      .expect(Layout::kPlain, Layout::kPlain);
  BlockedTest("Slice")
      .plain(x)
      .constant(integers({1}))
      .constant(integers({3}))
      .constant(integers({2}))
      .expect(Layout::kPlain, Layout::kPlain);
}

TEST(Concat, Joins) {
  OpTest("Concat")
      .attribute("axis", int64_t{0})
      .input<float>({1, 2}, {1, 2})
      .input<float>({2, 2}, {3, 4, 5, 6})
      .output<float>({3, 2}, {1, 2, 3, 4, 5, 6})
      .run();
  OpTest("Concat")
      .attribute("axis", int64_t{-1})
      .input<int64_t>({2, 1}, {1, 2})
      .input<int64_t>({2, 2}, {3, 4, 5, 6})
      .output<int64_t>({2, 3}, {1, 3, 4, 2, 5, 6})
      .run();
  OpTest("Concat")
      .attribute("axis", int64_t{0})
      .input<std::string>({1}, {"a"})
      .input<std::string>({1}, {"b"})
      .output<std::string>({2}, {"a", "b"})
      .run();
  OpTest("Concat")
      .attribute("axis", int64_t{1})
      .input<float>({2, 0}, {})
      .input<float>({2, 1}, {3, 4})
      .output<float>({2, 1}, {3, 4})
      .run();
  OpTest("Concat").attribute("axis", int64_t{0}).input<float>({2}, {3, 4}).output<float>({2}, {3, 4}).run();
}

TEST(Concat, RefusesWhatDoesNotFit) {
  OpTest("Concat").input<float>({1}, {1}).fails("'axis' is missing");
  OpTest("Concat")
      .attribute("axis", int64_t{0})
      .input<float>({1, 2}, {1, 2})
      .input<float>({1, 1}, {3})
      .fails("must match");
  OpTest("Concat")
      .attribute("axis", int64_t{0})
      .input<float>({1, 2}, {1, 2})
      .input<float>({1}, {3})
      .fails("Ranks of input data are different");
  OpTest("Concat").attribute("axis", int64_t{2}).input<float>({1, 2}, {1, 2}).fails("not in valid range");
}

TEST(Concat, JoinsBlocks) {
  const int64_t block = kernels::block_channels();
  BlockedTest("Concat")
      .attribute("axis", int64_t{1})
      .blocked(random_floats({2, block, 3, 4}, 1))
      .plain(random_floats({2, block + 3, 3, 4}, 2))
      .expect(Layout::kBlocked, Layout::kBlocked);
  BlockedTest("Concat")
      .attribute("axis", int64_t{-1})
      .blocked(random_floats({2, 5, 3, 4}, 1))
      .blocked(random_floats({2, 5, 3, 2}, 2))
      .expect(Layout::kBlocked, Layout::kBlocked);
  BlockedTest("Concat")
      .attribute("axis", int64_t{0})
      .blocked(random_floats({2, 5, 3, 4}, 1))
      .blocked(random_floats({1, 5, 3, 4}, 2))
      .expect(Layout::kBlocked, Layout::kBlocked);
  BlockedTest("Concat")
      .attribute("axis", int64_t{1})
      .blocked(random_floats({2, 5, 3, 4}, 1))
      .blocked(random_floats({2, 5, 3, 4}, 2))
      .expect(Layout::kBlocked, Layout::kBlocked);
}

TEST(Split, Cuts) {
  OpTest("Split")
      .input<float>({6}, {1, 2, 3, 4, 5, 6})
      .output<float>({2}, {1, 2})
      .output<float>({2}, {3, 4})
      .output<float>({2}, {5, 6})
      .run();
  OpTest("Split")
      .attribute("axis", int64_t{1})
      .input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .input(integers({2, 1}))
      .output<float>({2, 2}, {1, 2, 4, 5})
      .output<float>({2, 1}, {3, 6})
      .run();
  OpTest("Split", 11)
      .attribute("axis", int64_t{-1})
      .attribute("split", std::vector<int64_t>{1, 2})
      .input<float>({1, 3}, {1, 2, 3})
      .output<float>({1, 1}, {1})
      .output<float>({1, 2}, {2, 3})
      .run();
  OpTest("Split", 18)
      .attribute("num_outputs", int64_t{2})
      .input<float>({5}, {1, 2, 3, 4, 5})
      .output<float>({3}, {1, 2, 3})
      .output<float>({2}, {4, 5})
      .run();
  OpTest("Split")
      .input<float>({2}, {1, 2})
      .input(integers({0, 2}))
      .output<float>({0}, {})
      .output<float>({2}, {1, 2})
      .run();
  OpTest("Split").input<float>({2}, {1, 2}).output(Tensor()).output<float>({1}, {2}).run();
}

TEST(Split, RefusesWhatDoesNotAddUp) {
  OpTest("Split").input<float>({3}, {1, 2, 3}).input(integers({1, 1})).fails("sum of split=2", 2);
  OpTest("Split").input<float>({3}, {1, 2, 3}).input(integers({4, -1})).fails("Cannot split", 2);
  OpTest("Split").input<float>({3}, {1, 2, 3}).input(integers({3})).fails("Cannot split", 2);
  OpTest("Split").input<float>({3}, {1, 2, 3}).fails("cannot be split evenly", 2);
  OpTest("Split", 18).attribute("num_outputs", int64_t{3}).input<float>({3}, {1, 2, 3}).fails("has 2 outputs", 2);
}

TEST(Split, CutsBlocks) {
  const int64_t block = kernels::block_channels();
  BlockedTest("Split")
      .attribute("axis", int64_t{1})
      .blocked(random_floats({2, 2 * block + 3, 3, 4}, 1))
      .constant(integers({block, block + 3}))
      .expect(Layout::kBlocked, Layout::kBlocked, 2);
  BlockedTest("Split")
      .attribute("axis", int64_t{2})
      .blocked(random_floats({2, 5, 4, 4}, 1))
      .expect(Layout::kBlocked, Layout::kBlocked, 2);
  BlockedTest("Split")
      .attribute("axis", int64_t{1})
      .blocked(random_floats({2, 6, 4, 4}, 1))
      .expect(Layout::kBlocked, Layout::kBlocked, 2);
}

TEST(Gather, Picks) {
  OpTest("Gather")
      .input<float>({3, 2}, {1, 2, 3, 4, 5, 6})
      .input<int64_t>({2, 2}, {0, 1, -2, 2})
      .output<float>({2, 2, 2}, {1, 2, 3, 4, 3, 4, 5, 6})
      .run();
  OpTest("Gather")
      .attribute("axis", int64_t{1})
      .input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .input<int32_t>({1, 2}, {0, -1})
      .output<float>({2, 1, 2}, {1, 3, 4, 6})
      .run();
  OpTest("Gather").input<int64_t>({3}, {7, 8, 9}).input<int64_t>({}, {1}).output<int64_t>({}, {8}).run();
  OpTest("Gather")
      .input<std::string>({2}, {"a", "b"})
      .input<int64_t>({3}, {1, 0, 1})
      .output<std::string>({3}, {"b", "a", "b"})
      .run();
  OpTest("Gather").input<float>({3, 2}, {1, 2, 3, 4, 5, 6}).input<int64_t>({0}, {}).output<float>({0, 2}, {}).run();
}

TEST(Gather, RefusesIndicesOutside) {
  OpTest("Gather")
      .input<float>({2}, {1, 2})
      .input<int64_t>({1}, {2})
      .fails("idx=2 must be within the inclusive range [-2,1]");
  OpTest("Gather").input<float>({2}, {1, 2}).input<int64_t>({1}, {-3}).fails("out of data bounds");
  OpTest("Gather").input<float>({0}, {}).input<int64_t>({1}, {0}).fails("out of data bounds");
  OpTest("Gather").input<float>({}, {1}).input<int64_t>({1}, {0}).fails("not in valid range");
}

TEST(Expand, Repeats) {
  OpTest("Expand")
      .input<float>({3, 1}, {1, 2, 3})
      .input(integers({2, 1, 2}))
      .output<float>({2, 3, 2}, {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3})
      .run();
  OpTest("Expand").input<float>({2, 2}, {1, 2, 3, 4}).input(integers({1})).output<float>({2, 2}, {1, 2, 3, 4}).run();
  OpTest("Expand").input<int64_t>({}, {5}).input(integers({3})).output<int64_t>({3}, {5, 5, 5}).run();
  OpTest("Expand").input<float>({1}, {5}).input(integers({0, 2})).output<float>({0, 2}, {}).run();
  OpTest("Expand").input<std::string>({1}, {"a"}).input(integers({2})).output<std::string>({2}, {"a", "a"}).run();
}

TEST(Expand, RefusesWhatCannotBroadcast) {
  OpTest("Expand").input<float>({2}, {1, 2}).input(integers({3})).fails("cannot be broadcast");
  OpTest("Expand").input<float>({2}, {1, 2}).input(integers({-1})).fails("invalid expand shape");
}

}  // namespace
}  // namespace attune
