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

TEST(RoiAlign, SamplesBeyondTheImageAreZero) {
  // As many samples as the box is pixels high and wide: (0, 0) to (1, 1); then rows 2 to 5, of which 2 is the border's.
  OpTest("RoiAlign", 16)
      .attribute("coordinate_transformation_mode", std::string("output_half_pixel"))
      .input<float>({1, 1, 2, 2}, {1, 2, 3, 4})
      .input<float>({2, 4}, {-0.5F, -0.5F, 1.5F, 1.5F, 0, 1.5F, 2, 5.5F})
      .input<int64_t>({2}, {0, 0})
      .output<float>({2, 1, 1, 1}, {2.5F, (3.5F + 4) / 8})
      .run();
  OpTest("RoiAlign", 16)
      .attribute("mode", std::string("max"))
      .attribute("coordinate_transformation_mode", std::string("output_half_pixel"))
      .input<float>({1, 1, 2, 2}, {-1, -2, -3, -4})
      .input<float>({1, 4}, {0, 1.5F, 2, 5.5F})
      .input<int64_t>({1}, {0})
      .output<float>({1, 1, 1, 1}, {0})
      .run();
  // A box of any size is sampled by a bounded grid, a row at a time.
  OpTest("RoiAlign", 16)
      .input<float>({1, 1, 2, 2}, {1, 2, 3, 4})
      .input<float>({1, 4}, {0, 0, 1e30F, 1e30F})
      .input<int64_t>({1}, {0})
      .output<float>({1, 1, 1, 1}, {0})
      .run();
}

}  // namespace
}  // namespace attune
