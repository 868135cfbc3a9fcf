#include <cmath>

#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Lrn, OverNeighbouringChannels) {
  // By onnxruntime.
  OpTest("LRN")
      .attribute("size", int64_t{3})
      .attribute("alpha", 0.5F)
      .attribute("beta", 0.5F)
      .attribute("bias", 2.0F)
      .input<float>({1, 5, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
      .output<float>({1, 5, 1, 2}, {0.52223295F, 0.8660254F, 1.0718844F, 1.1881771F, 1.2565618F, 1.299038F, 1.3268305F,
                                    1.3458532F, 1.8500097F, 1.8463724F})
      .run();
}

TEST(Lrn, AnEvenWindowReachesFurtherForward) {
  OpTest("LRN", 1)
      .attribute("size", int64_t{2})
      .attribute("alpha", 2.0F)
      .attribute("beta", 1.0F)
      .input<double>({1, 3, 1}, {1, 2, 3})
      .output<double>({1, 3, 1}, {1.0 / 6.0, 2.0 / 14.0, 3.0 / 10.0})
      .run();
}

TEST(Lrn, ManyPixels) {
  const Tensor x = random_floats({2, 3, 17, 31}, 1);
  Tensor y = Tensor::allocate(DataType::kFloat, x.shape());
  const size_t pixels = 17 * 31;
  for (size_t n = 0; n < 2; ++n) {
    for (size_t p = 0; p < pixels; ++p) {
      double sum = 0.0;
      for (size_t c = 0; c < 3; ++c) sum += std::pow(x.values<float>()[(n * 3 + c) * pixels + p], 2.0);
      for (size_t c = 0; c < 3; ++c) {
        const size_t place = (n * 3 + c) * pixels + p;
        y.values<float>()[place] = static_cast<float>(x.values<float>()[place] / std::pow(1.0 + 0.1 * sum / 5.0, 0.75));
      }
    }
  }
  OpTest("LRN").attribute("size", int64_t{5}).attribute("alpha", 0.1F).input(x).output(y).run();
}

TEST(Lrn, EmptyAndWrong) {
  OpTest("LRN").attribute("size", int64_t{3}).input<float>({1, 0, 2}, {}).output<float>({1, 0, 2}, {}).run();
  OpTest("LRN").input<float>({1, 1, 1}, {1}).fails("size");
  OpTest("LRN").attribute("size", int64_t{0}).input<float>({1, 1, 1}, {1}).fails("size is 0");
  OpTest("LRN").attribute("size", int64_t{1}).input<float>({1}, {1}).fails("no channel axis");
}

}  // namespace
}  // namespace attune
