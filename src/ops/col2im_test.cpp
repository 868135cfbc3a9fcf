#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Col2Im, OverlapsAddUp) {
  OpTest("Col2Im", 18)
      .input<float>({1, 2, 2}, {1, 2, 10, 20})
      .input<int64_t>({1}, {3})
      .input<int64_t>({1}, {2})
      .output<float>({1, 1, 3}, {1, 12, 20})
      .run();
  OpTest("Col2Im", 18)
      .attribute("pads", std::vector<int64_t>{1, 0, 0, 0})
      .input<int32_t>({1, 1, 4}, {1, 2, 3, 4})
      .input<int64_t>({2}, {1, 2})
      .input<int64_t>({2}, {1, 1})
      .output<int32_t>({1, 1, 1, 2}, {3, 4})
      .run();
  OpTest("Col2Im", 18)
      .input<float>({1, 2, 2}, {1, 2, 3, 4})
      .input<int64_t>({1}, {4})
      .input<int64_t>({1}, {2})
      .fails("blocks of 2");
}

TEST(MaxUnpool, PutsBackWhatWasFound) {
  OpTest("MaxUnpool", 11)
      .attribute("kernel_shape", std::vector<int64_t>{2, 2})
      .attribute("strides", std::vector<int64_t>{2, 2})
      .input<float>({1, 1, 1, 2}, {5, 6})
      .input<int64_t>({1, 1, 1, 2}, {1, 6})
      .output<float>({1, 1, 2, 4}, {0, 5, 0, 0, 0, 0, 6, 0})
      .run();
  OpTest("MaxUnpool", 11)
      .attribute("kernel_shape", std::vector<int64_t>{2})
      .input<float>({1, 1, 1}, {5})
      .input<int64_t>({1, 1, 1}, {2})
      .fails("index 2");
}

}  // namespace
}  // namespace attune
