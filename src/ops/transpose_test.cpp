#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Transpose, Permutes) {
  OpTest("Transpose").input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).output<float>({3, 2}, {1, 4, 2, 5, 3, 6}).run();
  OpTest("Transpose")
      .attribute("perm", std::vector<int64_t>{1, 0, 2})
      .input<int64_t>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .output<int64_t>({2, 2, 2}, {1, 2, 5, 6, 3, 4, 7, 8})
      .run();
  OpTest("Transpose").input<std::string>({1, 2}, {"a", "b"}).output<std::string>({2, 1}, {"a", "b"}).run();
  OpTest("Transpose")
      .input<bool>({2, 2}, {true, true, false, false})
      .output<bool>({2, 2}, {true, false, true, false})
      .run();
  OpTest("Transpose").input<float>({}, {3}).output<float>({}, {3}).run();
  OpTest("Transpose").input<float>({0, 2}, {}).output<float>({2, 0}, {}).run();
}

TEST(Transpose, RefusesWrongOrders) {
  OpTest("Transpose")
      .attribute("perm", std::vector<int64_t>{0, 0})
      .input(random_floats({2, 2}, 1))
      .fails("invalid value");
  OpTest("Transpose")
      .attribute("perm", std::vector<int64_t>{0, 2})
      .input(random_floats({2, 2}, 1))
      .fails("invalid value");
  OpTest("Transpose")
      .attribute("perm", std::vector<int64_t>{1, 0})
      .input(random_floats({2}, 1))
      .fails("does not match");
}

TEST(Transpose, ReadsBlocks) {
  const int64_t block = kernels::block_channels();
  for (const int64_t channels : {int64_t{3}, block, 2 * block + 5}) {
    for (const std::vector<int64_t>& order : {std::vector<int64_t>{0, 2, 3, 1}, {0, 1, 2, 3}, {3, 1, 0, 2}}) {
      BlockedTest("Transpose")
          .attribute("perm", order)
          .blocked(random_floats({2, channels, 3, 5}, 1))
          .expect(Layout::kBlocked, Layout::kPlain);
    }
    BlockedTest("Transpose").blocked(random_floats({2, channels, 3, 5}, 1)).expect(Layout::kBlocked, Layout::kPlain);
  }
}

}  // namespace
}  // namespace attune
