#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Dropout, PassesItsInputOn) {
  OpTest("Dropout", 7).attribute("ratio", 0.5F).input<float>({2}, {1, 2}).output<float>({2}, {1, 2}).run();
  OpTest("Dropout", 7).input<float>({2}, {1, 2}).output<float>({2}, {1, 2}).output<float>({2}, {1, 1}).run();
  OpTest("Dropout", 10).input<double>({2}, {1, 2}).output<double>({2}, {1, 2}).output<bool>({2}, {true, true}).run();
  OpTest("Dropout", 13)
      .input<float>({2}, {1, 2})
      .input<float>({}, {0.5F})
      .input<bool>({}, {false})
      .output<float>({2}, {1, 2})
      .output<bool>({2}, {true, true})
      .run();
}

TEST(Dropout, TrainsOnlyWithNothingToDrop) {
  OpTest("Dropout", 13)
      .input<float>({1}, {1})
      .input<float>({}, {0})
      .input<bool>({}, {true})
      .output<float>({1}, {1})
      .run();
  OpTest("Dropout", 13).input<float>({1}, {1}).no_input().input<bool>({}, {true}).fails("training mode");
}

TEST(Dropout, BlockedImages) {
  BlockedTest("Dropout").blocked(random_floats({1, 3, 2, 2}, 1)).expect(Layout::kBlocked, Layout::kBlocked);
}

}  // namespace
}  // namespace attune
