#include "ops/op_test.h"

namespace attune {
namespace {

// Two channels of 4 x 5 pixels, every third negative.
const std::vector<float> kImage{-1, 2,   3,   -4, 5,   6,   -7, 8,   9,   -10, 11,  12, -13, 14,
                                15, -16, 17,  18, -19, 20,  21, -22, 23,  24,  -25, 26, 27,  -28,
                                29, 30,  -31, 32, 33,  -34, 35, 36,  -37, 38,  39,  -40};

OpTest pool(float scale) {
  OpTest test("MaxRoiPool");
  test.attribute("pooled_shape", std::vector<int64_t>{2, 3}).attribute("spatial_scale", scale);
  return test;
}

// Results are onnxruntime's: a whole region, one that the image cuts off, one outside, one turned around, one that
// begins before the image.
TEST(MaxRoiPool, Regions) {
  pool(1.0F)
      .input<float>({1, 2, 4, 5}, kImage)
      .input<float>({5, 5}, {0, 0, 0, 3, 3, 0, 1, 2, 9, 9, 0, 7, 7, 8, 8, 0, 3, 3, 1, 1, 0, -2, 1, 0.5F, 2.5F})
      .output<float>({5, 2, 2, 3}, {6,   8,   9,  17, 18, 18, 27, 27, 29, 36, 38, 39, 18, 20, 0, 0,  0,   0,   39,  35,
                                    0,   0,   0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, 0,  -19, -19, -19, -19,
                                    -19, -19, 39, 39, 39, 39, 39, 39, 0,  11, 12, 0,  11, 17, 0, 26, 32,  0,   36,  36})
      .run();
  pool(0.5F)
      .input<double>({1, 1, 1, 2}, {1, 2})
      .input<double>({1, 5}, {0, 0, 0, 3, 3})
      .output<double>({1, 1, 2, 3}, {1, 2, 0, 0, 0, 0})
      .run();
  pool(1.0F).input<float>({1, 2, 4, 5}, kImage).input<float>({0, 5}, {}).output<float>({0, 2, 2, 3}, {}).run();
}

TEST(MaxRoiPool, RefusesNonsense) {
  const std::vector<float> roi{1, 0, 0, 1, 1};
  pool(1.0F).input<float>({1, 1, 1, 1}, {1}).input<float>({1, 5}, roi).fails("batch index 1 of a batch of 1");
  pool(1.0F).input<float>({1, 1, 1}, {1}).input<float>({1, 5}, roi).fails("X of shape");
  pool(1.0F).input<float>({1, 1, 1, 1}, {1}).input<float>({1, 4}, {0, 0, 0, 0}).fails("rois of shape");
  pool(0.0F).input<float>({1, 1, 1, 1}, {1}).input<float>({1, 5}, roi).fails("spatial_scale");
  pool(1.0F)
      .attribute("pooled_shape", std::vector<int64_t>{2})
      .input<float>({1, 1, 1, 1}, {1})
      .input<float>({1, 5}, roi)
      .fails("pooled_shape of [2]");
}

}  // namespace
}  // namespace attune
