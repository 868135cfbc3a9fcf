#include <cmath>
#include <limits>

#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

TEST(GlobalPool, OverAllSpatialAxes) {
  const std::vector<float> values{1, 2, 3, 4, -1, -2, -3, -6};
  for (const Shape& shape : {Shape{1, 2, 2, 2}, Shape{1, 2, 4}, Shape{1, 2, 2, 1, 2}}) {
    Shape out = shape;
    for (int axis = 2; axis < out.rank(); ++axis) out[axis] = 1;
    OpTest("GlobalAveragePool").input<float>(shape, values).output<float>(out, {2.5F, -3}).run();
    OpTest("GlobalMaxPool").input<float>(shape, values).output<float>(out, {4, -1}).run();
  }
  OpTest("GlobalAveragePool").input<double>({2, 1, 2}, {1, 2, 3, 5}).output<double>({2, 1, 1}, {1.5, 4}).run();
  OpTest("GlobalMaxPool").input<double>({2, 1, 2}, {1, 2, -3, -5}).output<double>({2, 1, 1}, {2, -3}).run();
}

TEST(GlobalLpPool, Norms) {
  OpTest("GlobalLpPool").input<float>({1, 2, 1, 2}, {3, -4, 0, 0}).output<float>({1, 2, 1, 1}, {5, 0}).run();
  OpTest("GlobalLpPool")
      .attribute("p", int64_t{1})
      .input<double>({1, 1, 3}, {3, -4, 1})
      .output<double>({1, 1, 1}, {8})
      .run();
  OpTest("GlobalLpPool", 1).attribute("p", 1.0F).input<float>({1, 1, 2}, {3, -4}).output<float>({1, 1, 1}, {7}).run();
  OpTest("GlobalLpPool").input<float>({1, 1, 0}, {}).output<float>({1, 1, 1}, {0}).run();
  OpTest("GlobalLpPool").attribute("p", int64_t{0}).input<float>({1, 1, 1}, {1}).fails("p is 0");
  OpTest("GlobalLpPool").input<float>({1, 2}, {1, 2}).fails("has no spatial axis");
}

TEST(GlobalPool, BlockedImages) {
  // Eighths, whose sums are exact: the order of additions may differ between the layouts.
  Tensor x = random_floats({2, 19, 7, 8}, 1, -64.0F, 64.0F);
  for (float& value : x.values<float>()) value = std::round(value) / 8.0F;
  for (const char* op_type : {"GlobalAveragePool", "GlobalMaxPool"}) {
    BlockedTest test(op_type);
    test.blocked(x).expect(Layout::kBlocked, Layout::kBlocked);
  }
}

TEST(GlobalPool, EmptyAndWrong) {
  OpTest("GlobalAveragePool").input<float>({0, 2, 3, 3}, {}).output<float>({0, 2, 1, 1}, {}).run();
  OpTest("GlobalAveragePool")
      .input<float>({1, 1, 0}, {})
      .output<float>({1, 1, 1}, {std::numeric_limits<float>::quiet_NaN()})
      .run();
  OpTest("GlobalMaxPool")
      .input<float>({1, 1, 0}, {})
      .output<float>({1, 1, 1}, {std::numeric_limits<float>::lowest()})
      .run();
  OpTest("GlobalMaxPool").input<float>({1, 2}, {1, 2}).fails("has no spatial axis");
}

}  // namespace
}  // namespace attune
