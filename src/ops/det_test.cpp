#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Det, Pivots) {
  OpTest("Det", 11).input<float>({2, 2}, {0, 2, 3, 4}).output<float>({}, {-6}).run();
  OpTest("Det", 11).input<double>({2, 1, 1}, {5, 0}).output<double>({2}, {5, 0}).run();
  OpTest("Det", 11).input<float>({0, 0}, {}).output<float>({}, {1}).run();
  OpTest("Det", 11).input<float>({1, 2}, {1, 2}).fails("Rows and columns");
}

}  // namespace
}  // namespace attune
