#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

Tensor integers(const std::vector<int64_t>& values) {
  return Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

TEST(Pad, PadsInEveryMode) {
  struct Case {
    std::string mode;
    std::vector<int64_t> pads;
    std::vector<float> expected;
  };
  const std::vector<Case> cases = {
      {"constant", {1, 2}, {0, 1, 2, 3, 0, 0}},
      {"reflect", {2, 1}, {3, 2, 1, 2, 3, 2}},
      {"edge", {1, 2}, {1, 1, 2, 3, 3, 3}},
      {"wrap", {2, 4}, {2, 3, 1, 2, 3, 1, 2, 3, 1}},
      {"constant", {-1, 1}, {2, 3, 0}},
      {"edge", {-1, 2}, {2, 3, 3, 3}},
      {"constant", {-5, 4}, {0, 0}},
      {"constant", {4, -5}, {0, 0}},
      {"constant", {0, -3}, {}},
      {"edge", {0, 0}, {1, 2, 3}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.mode + testing::PrintToString(c.pads));
    OpTest("Pad", 19)
        .attribute("mode", c.mode)
        .input<float>({3}, {1, 2, 3})
        .input(integers(c.pads))
        .output<float>({static_cast<int64_t>(c.expected.size())}, c.expected)
        .run();
  }
}

TEST(Pad, PadsSeveralAxes) {
  OpTest("Pad", 13)
      .attribute("mode", std::string("reflect"))
      .input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .input(integers({1, 0, 0, 2}))
      .output<float>({3, 5}, {4, 5, 6, 5, 4, 1, 2, 3, 2, 1, 4, 5, 6, 5, 4})
      .run();
  OpTest("Pad", 18)
      .input<int32_t>({2, 1}, {1, 2})
      .input(integers({1, 1}))
      .input<int32_t>({}, {7})
      .input<int32_t>({1}, {-1})
      .output<int32_t>({2, 3}, {7, 1, 7, 7, 2, 7})
      .run();
  OpTest("Pad", 10)
      .attribute("pads", std::vector<int64_t>{0, 1, 1, 0})
      .attribute("value", 5.0F)
      .input<float>({1, 2}, {1, 2})
      .output<float>({2, 3}, {5, 1, 2, 5, 5, 5})
      .run();
  OpTest("Pad", 13).input<std::string>({1}, {"a"}).input(integers({1, 0})).output<std::string>({2}, {"", "a"}).run();
  OpTest("Pad", 13).input<float>({0}, {}).input(integers({1, 1})).output<float>({2}, {0, 0}).run();
}

TEST(Pad, RefusesNonsense) {
  const auto make = [](std::string mode, std::vector<int64_t> pads) {
    OpTest test("Pad", 18);
    test.attribute("mode", std::move(mode)).input<float>({3}, {1, 2, 3}).input(integers(pads));
    return test;
  };
  make("constant", {1}).fails("wrong number of values");
  make("constant", {-2, -2}).fails("cannot be padded");
  make("constant", {int64_t{1} << 62, int64_t{1} << 62}).fails("cannot be padded");
  make("reflect", {3, 0}).fails("Pad reflect: pre-pad (3) exceeds maximum allowed (2)");
  make("wrap", {1, 1}).fails("Invalid 'mode'");
  OpTest("Pad", 18)
      .attribute("mode", std::string("edge"))
      .input<float>({0}, {})
      .input(integers({1, 0}))
      .fails("no elements to pad with");
}

TEST(Pad, PadsBlocks) {
  const int64_t block = kernels::block_channels();
  for (const std::string mode : {"constant", "reflect", "edge"}) {
    BlockedTest("Pad", 18)
        .attribute("mode", mode)
        .blocked(random_floats({2, block + 3, 4, 5}, 1))
        .constant(integers({1, 2, 0, 3}))
        .constant(Tensor::scalar(2.5F))
        .constant(integers({2, 3}))
        .expect(Layout::kBlocked, Layout::kBlocked);
  }
  BlockedTest("Pad", 18)
      .blocked(random_floats({1, block, 2, 2}, 1))
      .constant(integers({0, 1, 0, 0, 0, 0, 0, 0}))
      .expect(Layout::kPlain, Layout::kPlain);
}

TEST(Tile, Repeats) {
  OpTest("Tile")
      .input<float>({2, 2}, {1, 2, 3, 4})
      .input(integers({2, 2}))
      .output<float>({4, 4}, {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4})
      .run();
  OpTest("Tile").input<float>({1, 2}, {1, 2}).input(integers({1, 1})).output<float>({1, 2}, {1, 2}).run();
  OpTest("Tile").input<std::string>({1}, {"a"}).input(integers({3})).output<std::string>({3}, {"a", "a", "a"}).run();
  OpTest("Tile").input<float>({2}, {1, 2}).input(integers({0})).output<float>({0}, {}).run();
  OpTest("Tile").input<float>({}, {4}).input<int64_t>({0}, {}).output<float>({}, {4}).run();
}

TEST(Tile, RefusesNonsense) {
  OpTest("Tile").input<float>({2}, {1, 2}).input(integers({1, 1})).fails("as many entries");
  OpTest("Tile").input<float>({2}, {1, 2}).input(integers({-1})).fails("must be non-negative, got: -1");
  OpTest("Tile").input<float>({2}, {1, 2}).input(integers({int64_t{1} << 62})).fails("too many");
}

TEST(Range, Counts) {
  OpTest("Range")
      .input<int64_t>({}, {3})
      .input<int64_t>({}, {9})
      .input<int64_t>({}, {3})
      .output<int64_t>({2}, {3, 6})
      .run();
  OpTest("Range")
      .input<int32_t>({}, {10})
      .input<int32_t>({}, {4})
      .input<int32_t>({}, {-2})
      .output<int32_t>({3}, {10, 8, 6})
      .run();
  OpTest("Range")
      .input<float>({}, {1})
      .input<float>({}, {2.1F})
      .input<float>({}, {0.5F})
      .output<float>({3}, {1, 1.5F, 2})
      .run();
  OpTest("Range")
      .input<int16_t>({}, {4})
      .input<int16_t>({}, {4})
      .input<int16_t>({}, {1})
      .output<int16_t>({0}, {})
      .run();
  OpTest("Range").input<float>({}, {0}).input<float>({}, {1}).input<float>({}, {0}).fails("can not be zero");
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  OpTest("Range")
      .input<int64_t>({}, {-kMax})
      .input<int64_t>({}, {kMax})
      .input<int64_t>({}, {kMax})
      .output<int64_t>({2}, {-kMax, 0})
      .run();
  OpTest("Range").input<int64_t>({}, {-kMax}).input<int64_t>({}, {kMax}).input<int64_t>({}, {1}).fails("too many");
}

TEST(NonZero, FindsPlaces) {
  OpTest("NonZero").input<bool>({2, 2}, {true, false, true, true}).output<int64_t>({2, 3}, {0, 1, 1, 0, 0, 1}).run();
  OpTest("NonZero").input<float>({3}, {0, -1, 2}).output<int64_t>({1, 2}, {1, 2}).run();
  OpTest("NonZero").input<int32_t>({}, {5}).output<int64_t>({1, 1}, {0}).run();
  OpTest("NonZero").input<uint8_t>({0, 2}, {}).output<int64_t>({2, 0}, {}).run();
}

TEST(Compress, Keeps) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6};
  OpTest("Compress")
      .attribute("axis", int64_t{0})
      .input<float>({3, 2}, x)
      .input<bool>({3}, {false, true, true})
      .output<float>({2, 2}, {3, 4, 5, 6})
      .run();
  OpTest("Compress")
      .attribute("axis", int64_t{-1})
      .input<float>({3, 2}, x)
      .input<bool>({2}, {false, true})
      .output<float>({3, 1}, {2, 4, 6})
      .run();
  OpTest("Compress")
      .input<float>({3, 2}, x)
      .input<bool>({5}, {false, true, false, false, true})
      .output<float>({2}, {2, 5})
      .run();
  OpTest("Compress")
      .attribute("axis", int64_t{0})
      .input<float>({1}, {1})
      .input<bool>({3}, {false, true, true})
      .output<float>({0}, {})
      .run();
  OpTest("Compress").input<float>({1}, {1}).input<bool>({1, 1}, {true}).fails("one dimension");
}

TEST(TopK, Selects) {
  OpTest("TopK", 11)
      .input<float>({2, 4}, {0, 1, 2, 3, 7, 6, 5, 4})
      .input(integers({3}))
      .output<float>({2, 3}, {3, 2, 1, 7, 6, 5})
      .output<int64_t>({2, 3}, {3, 2, 1, 0, 1, 2})
      .run();
  OpTest("TopK", 11)
      .attribute("largest", int64_t{0})
      .attribute("axis", int64_t{0})
      .input<int64_t>({3, 2}, {5, 1, 4, 1, 3, 0})
      .input(integers({2}))
      .output<int64_t>({2, 2}, {3, 0, 4, 1})
      .output<int64_t>({2, 2}, {2, 2, 1, 0})
      .run();
  OpTest("TopK", 9)
      .attribute("k", int64_t{1})
      .input<float>({3}, {1, 5, 5})
      .output<float>({1}, {5})
      .output<int64_t>({1}, {1})
      .run();
  OpTest("TopK", 11)
      .input<float>({4}, {2, 2, 2, 2})
      .input(integers({3}))
      .output<float>({3}, {2, 2, 2})
      .output<int64_t>({3}, {0, 1, 2})
      .run();
  OpTest("TopK", 11)
      .input<float>({2}, {2, 2})
      .input(integers({0}))
      .output<float>({0}, {})
      .output<int64_t>({0}, {})
      .run();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  OpTest("TopK", 11)
      .input<float>({3}, {1, nan, 3})
      .input(integers({2}))
      .output<float>({2}, {nan, 3})
      .output<int64_t>({2}, {1, 2})
      .run();
}

TEST(TopK, FindsTheSameBySortAndHeap) {
  const Tensor x = random_floats({3, 100}, 5);
  const auto few = OpTest("TopK", 11).input(x).input(integers({5})).results(2);
  const auto all = OpTest("TopK", 11).input(x).input(integers({100})).results(2);
  for (int row = 0; row < 3; ++row) {
    for (int i = 0; i < 5; ++i) {
      const auto a = static_cast<size_t>(row * 5 + i);
      const auto b = static_cast<size_t>(row * 100 + i);
      EXPECT_EQ(few[0].values<float>()[a], all[0].values<float>()[b]);
      EXPECT_EQ(few[1].values<int64_t>()[a], all[1].values<int64_t>()[b]);
      EXPECT_EQ(x.values<float>()[static_cast<size_t>(row * 100 + all[1].values<int64_t>()[b])],
                all[0].values<float>()[b]);
    }
  }
}

TEST(TopK, RefusesNonsense) {
  OpTest("TopK", 11)
      .input<float>({2}, {1, 2})
      .input(integers({3}))
      .fails("k argument [3] should not be greater than specified axis dim value [2]", 2);
  OpTest("TopK", 11).input<float>({2}, {1, 2}).input(integers({-1})).fails("must not be negative", 2);
  OpTest("TopK", 11).input<float>({}, {1}).input(integers({1})).fails("not in valid range", 2);
}

TEST(OneHot, SetsOne) {
  OpTest("OneHot", 11)
      .input<int64_t>({3}, {0, -1, 5})
      .input<int64_t>({}, {3})
      .input<float>({2}, {0, 1})
      .output<float>({3, 3}, {1, 0, 0, 0, 0, 1, 0, 0, 0})
      .run();
  OpTest("OneHot", 11)
      .attribute("axis", int64_t{0})
      .input<float>({2}, {1.9F, 0})
      .input<float>({1}, {2})
      .input<int32_t>({2}, {7, 8})
      .output<int32_t>({2, 2}, {7, 8, 8, 7})
      .run();
  OpTest("OneHot", 11)
      .input<int64_t>({1}, {0})
      .input<int64_t>({}, {0})
      .input<float>({2}, {0, 1})
      .fails("Depth is negative");
  OpTest("OneHot", 11)
      .input<int64_t>({1}, {0})
      .input<int64_t>({}, {2})
      .input<float>({3}, {0, 1, 2})
      .fails("Invalid argument for values");
}

}  // namespace
}  // namespace attune
