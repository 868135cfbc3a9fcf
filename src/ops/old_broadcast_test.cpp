#include "ops/op_test.h"

namespace attune {
namespace {

OpTest old(std::string_view name, int64_t broadcast) {
  OpTest test(name, 6);
  test.attribute("broadcast", broadcast);
  return test;
}

TEST(OldBroadcast, AxisSaysWhereTheSecondBegins) {
  old("Add", 1)
      .attribute("axis", int64_t{0})
      .input<float>({2, 2}, {1, 2, 3, 4})
      .input<float>({2}, {10, 20})
      .output<float>({2, 2}, {11, 12, 23, 24})
      .run();
  old("Mul", 1)
      .input<float>({2, 2}, {1, 2, 3, 4})
      .input<float>({2}, {10, 20})
      .output<float>({2, 2}, {10, 40, 30, 80})
      .run();
  old("Sub", 0).input<float>({2}, {1, 2}).input<float>({2}, {1, 1}).output<float>({2}, {0, 1}).run();
  old("Pow", 1).input<float>({2}, {2, 3}).input<float>({}, {2}).output<float>({2}, {4, 9}).run();
  old("Less", 1).input<float>({2}, {2, 3}).input<float>({1}, {3}).output<bool>({2}, {true, false}).run();
  OpTest("PRelu", 6)
      .input<float>({1, 2, 1}, {-1, -1})
      .input<float>({2}, {2, 3})
      .output<float>({1, 2, 1}, {-2, -3})
      .run();
  old("Add", 0).input<float>({2, 2}, {1, 2, 3, 4}).input<float>({2}, {1, 1}).fails("cannot be broadcast");
  old("Add", 1)
      .attribute("axis", int64_t{1})
      .input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .input<float>({2}, {1, 1})
      .fails("cannot be broadcast");
}

}  // namespace
}  // namespace attune
