#include "ops/op_test.h"

namespace attune {
namespace {

TEST(DeformConv, OffsetsMoveTheTaps) {
  OpTest("DeformConv", 19)
      .input<float>({1, 1, 1, 3}, {1, 2, 4})
      .input<float>({1, 1, 1, 2}, {1, 10})
      .input<float>({1, 4, 1, 2}, {0, 0, 0.5F, 0, 0, 0, 0, 5})
      .input<float>({1}, {100})
      .output<float>({1, 1, 1, 2}, {121.5F, 102})
      .run();
  OpTest("DeformConv", 19)
      .input<float>({1, 1, 1, 1}, {1})
      .input<float>({1, 1, 1, 1}, {1})
      .input<float>({1, 1, 1, 1}, {1})
      .fails("offset");
}

TEST(RoiAlign, AveragesSamples) {
  OpTest("RoiAlign", 16)
      .attribute("output_height", int64_t{1})
      .attribute("output_width", int64_t{1})
      .attribute("sampling_ratio", int64_t{1})
      .input<float>({1, 1, 2, 2}, {1, 2, 3, 4})
      .input<float>({1, 4}, {0, 0, 2, 2})
      .input<int64_t>({1}, {0})
      .output<float>({1, 1, 1, 1}, {2.5F})
      .run();
  OpTest("RoiAlign", 16)
      .input<float>({1, 1, 1, 1}, {1})
      .input<float>({1, 4}, {0, 0, 1, 1})
      .input<int64_t>({1}, {1})
      .fails("batch index 1");
}

}  // namespace
}  // namespace attune
