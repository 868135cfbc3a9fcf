#include "ops/op_test.h"

namespace attune {
namespace {

TEST(CumSum, Directions) {
  struct Row {
    int64_t exclusive, reverse;
    std::vector<float> y;
  };
  for (const Row& row : {Row{0, 0, {1, 3, 6}}, Row{1, 0, {0, 1, 3}}, Row{0, 1, {6, 5, 3}}, Row{1, 1, {5, 3, 0}}}) {
    for (const int version : {11, 14}) {
      OpTest("CumSum", version)
          .attribute("exclusive", row.exclusive)
          .attribute("reverse", row.reverse)
          .input<float>({3}, {1, 2, 3})
          .input<int32_t>({}, {0})
          .output<float>({3}, row.y)
          .run();
    }
    // The same numbers down the columns.
    std::vector<int64_t> twice;
    for (const float y : row.y) {
      twice.push_back(static_cast<int64_t>(y));
      twice.push_back(static_cast<int64_t>(10 * y));
    }
    OpTest("CumSum")
        .attribute("exclusive", row.exclusive)
        .attribute("reverse", row.reverse)
        .input<int64_t>({1, 3, 2}, {1, 10, 2, 20, 3, 30})
        .input<int64_t>({1}, {-2})
        .output<int64_t>({1, 3, 2}, twice)
        .run();
  }
}

TEST(CumSum, ManyColumns) {
  const Tensor x = random_floats({2, 5, 700}, 1);
  Tensor y = Tensor::allocate(DataType::kFloat, Shape{2, 5, 700});
  for (size_t n = 0; n < 2; ++n) {
    for (size_t c = 0; c < 700; ++c) {
      float total = 0;
      for (size_t r = 0; r < 5; ++r) {
        const size_t i = (n * 5 + r) * 700 + c;
        y.values<float>()[i] = total += x.values<float>()[i];
      }
    }
  }
  OpTest("CumSum").input(x).input<int64_t>({}, {1}).output(y).tolerance(0, 0).run();
}

TEST(CumSum, ManyRows) {
  // Rows go through in groups, the last ones alone; each is what it would be alone.
  for (const int64_t exclusive : {0, 1}) {
    for (const int64_t reverse : {0, 1}) {
      constexpr size_t kSize = 37;
      const Tensor x = random_floats({11, kSize}, 2);
      Tensor y = Tensor::allocate(DataType::kFloat, Shape{11, kSize});
      for (size_t r = 0; r < 11; ++r) {
        float total = 0;
        for (size_t step = 0; step < kSize; ++step) {
          const size_t i = r * kSize + (reverse != 0 ? kSize - 1 - step : step);
          const float before = total;
          total += x.values<float>()[i];
          y.values<float>()[i] = exclusive != 0 ? before : total;
        }
      }
      OpTest("CumSum")
          .attribute("exclusive", exclusive)
          .attribute("reverse", reverse)
          .input(x)
          .input<int64_t>({}, {-1})
          .output(y)
          .tolerance(0, 0)
          .run();
    }
  }
}

TEST(CumSum, EmptyAndInvalid) {
  OpTest("CumSum").input<float>({2, 0}, {}).input<int64_t>({}, {1}).output<float>({2, 0}, {}).run();
  OpTest("CumSum")
      .input<int32_t>({2}, {2147483647, 1})
      .input<int64_t>({}, {0})
      .output<int32_t>({2}, {2147483647, -2147483647 - 1})
      .run();
  OpTest("CumSum").input<float>({3}, {1, 2, 3}).input<int64_t>({}, {1}).fails("axis 1 is not in valid range [-1,0]");
  OpTest("CumSum").input<float>({}, {1}).input<int64_t>({}, {0}).fails("on a scalar");
  OpTest("CumSum").input<float>({1}, {1}).input<int64_t>({2}, {0, 0}).fails("exactly one element");
}

}  // namespace
}  // namespace attune
