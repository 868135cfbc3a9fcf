#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Identity, GivesItsInput) {
  OpTest("Identity").input<float>({2, 2}, {1, 2, 3, 4}).output<float>({2, 2}, {1, 2, 3, 4}).run();
  OpTest("Identity").input<int64_t>({}, {7}).output<int64_t>({}, {7}).run();
  OpTest("Identity").input<float>({0, 3}, {}).output<float>({0, 3}, {}).run();
  OpTest("Identity").input<std::string>({2}, {"a", "b"}).output<std::string>({2}, {"a", "b"}).run();
}

TEST(Identity, NeedsOneInput) {
  OpTest("Identity").fails("input size 0 not in range");
  OpTest("Identity").input<float>({}, {1}).input<float>({}, {1}).fails("input size 2 not in range");
}

}  // namespace
}  // namespace attune
