#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(ArgMax, AlongEachAxis) {
  const std::vector<float> x{2, 1, 3, 10, 0, -1};
  OpTest("ArgMax").input<float>({2, 3}, x).output<int64_t>({1, 3}, {1, 0, 0}).run();
  OpTest("ArgMax").attribute("axis", int64_t{-1}).input<float>({2, 3}, x).output<int64_t>({2, 1}, {2, 0}).run();
  OpTest("ArgMin").attribute("axis", int64_t{1}).input<float>({2, 3}, x).output<int64_t>({2, 1}, {1, 2}).run();
  OpTest("ArgMin", 1)
      .attribute("keepdims", int64_t{0})
      .input<double>({2, 3}, {2, 1, 3, 10, 0, -1})
      .output<int64_t>({3}, {0, 1, 1})
      .run();
  OpTest("ArgMax").input<int8_t>({3}, {3, -1, 5}).output<int64_t>({1}, {2}).run();
  OpTest("ArgMax").input<uint64_t>({3}, {3, ~uint64_t{0}, 5}).output<int64_t>({1}, {1}).run();
}

TEST(ArgMax, Ties) {
  for (const char* op : {"ArgMax", "ArgMin"}) {
    OpTest(op).input<float>({4}, {3, 3, 3, 3}).output<int64_t>({1}, {0}).run();
    OpTest(op)
        .attribute("select_last_index", int64_t{1})
        .input<float>({4}, {3, 3, 3, 3})
        .output<int64_t>({1}, {3})
        .run();
    OpTest(op)
        .attribute("select_last_index", int64_t{1})
        .input<int32_t>({2, 2}, {1, 1, 1, 1})
        .output<int64_t>({1, 2}, {1, 1})
        .run();
  }
  OpTest("ArgMax")
      .attribute("select_last_index", int64_t{1})
      .input<float>({4}, {3, 1, 3, 1})
      .output<int64_t>({1}, {2})
      .run();
  OpTest("ArgMin")
      .attribute("select_last_index", int64_t{1})
      .input<float>({5}, {1, 3, 1, 3, 2})
      .output<int64_t>({1}, {2})
      .run();
}

TEST(ArgMax, NaNIsNoExtreme) {
  OpTest("ArgMax").input<float>({3}, {1, kNaN, 3}).output<int64_t>({1}, {2}).run();
  OpTest("ArgMax").input<float>({3}, {kNaN, 1, 3}).output<int64_t>({1}, {0}).run();
  OpTest("ArgMax").input<float>({3, 1, 2}, {1, 1, kNaN, 2, 0, 3}).output<int64_t>({1, 1, 2}, {0, 2}).run();
}

TEST(ArgMax, Columns) {
  const Tensor x = random_floats({3, 50, 150}, 4);
  Tensor expected = Tensor::allocate(DataType::kInt64, Shape{3, 1, 150});
  for (size_t n = 0; n < 3; ++n) {
    for (size_t c = 0; c < 150; ++c) {
      size_t best = 0;
      for (size_t r = 1; r < 50; ++r) {
        if (x.values<float>()[(n * 50 + r) * 150 + c] > x.values<float>()[(n * 50 + best) * 150 + c]) best = r;
      }
      expected.values<int64_t>()[n * 150 + c] = static_cast<int64_t>(best);
    }
  }
  OpTest("ArgMax").attribute("axis", int64_t{1}).input(x).output(expected).run();
}

TEST(ArgMax, EmptyAndInvalid) {
  OpTest("ArgMax").input<float>({2, 0}, {}).output<int64_t>({1, 0}, {}).run();
  OpTest("ArgMax").attribute("axis", int64_t{1}).input<float>({2, 0}, {}).fails("no elements to choose from");
  OpTest("ArgMax").attribute("axis", int64_t{2}).input<float>({2, 2}, {1, 2, 3, 4}).fails("'axis' must be in");
  OpTest("ArgMax").input<float>({}, {1}).fails("'axis' must be in");
  OpTest("ArgMax").input<bool>({1}, {true}).fails("is invalid");
}

}  // namespace
}  // namespace attune
