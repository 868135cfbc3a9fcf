#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Hardmax, MarksTheFirstLargest) {
  OpTest("Hardmax", 13).input<float>({2, 3}, {3, 0, 3, 0, 1, 2}).output<float>({2, 3}, {1, 0, 0, 0, 0, 1}).run();
  OpTest("Hardmax", 13)
      .attribute("axis", int64_t{0})
      .input<double>({2, 2}, {1, 4, 2, 3})
      .output<double>({2, 2}, {0, 1, 1, 0})
      .run();
  OpTest("Hardmax", 11).input<float>({1, 2, 2}, {1, 4, 2, 3}).output<float>({1, 2, 2}, {0, 1, 0, 0}).run();
  OpTest("Hardmax", 13).input<float>({0, 2}, {}).output<float>({0, 2}, {}).run();
  OpTest("Hardmax", 13).attribute("axis", int64_t{2}).input<float>({1, 1}, {1}).fails("not in valid range");
}

}  // namespace
}  // namespace attune
