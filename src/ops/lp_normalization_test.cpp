#include "ops/op_test.h"

namespace attune {
namespace {

TEST(LpNormalization, NormsAndZero) {
  OpTest("LpNormalization", 1).input<float>({2, 2}, {3, 4, 0, 0}).output<float>({2, 2}, {0.6F, 0.8F, 0, 0}).run();
  OpTest("LpNormalization", 1)
      .attribute("axis", int64_t{0})
      .attribute("p", int64_t{1})
      .input<double>({2, 1}, {-1, 3})
      .output<double>({2, 1}, {-0.25, 0.75})
      .run();
  OpTest("LpNormalization", 1).attribute("p", int64_t{3}).input<float>({1}, {1}).fails("p is 3");
}

TEST(MeanVarianceNormalization, OverAxes) {
  OpTest("MeanVarianceNormalization", 13)
      .attribute("axes", std::vector<int64_t>{1})
      .input<float>({1, 2}, {1, 3})
      .output<float>({1, 2}, {-1, 1})
      .run();
  // 1e-9 is added to the deviation, not to the variance, where it would be half of it here.
  OpTest("MeanVarianceNormalization", 13)
      .attribute("axes", std::vector<int64_t>{1})
      .input<float>({1, 2}, {-0x1p-15F, 0x1p-15F})
      .output<float>({1, 2}, {-1 / (1 + 1e-9F * 0x1p15F), 1 / (1 + 1e-9F * 0x1p15F)})
      .run();
  OpTest("MeanVarianceNormalization", 13).input<float>({1, 2}, {1, 3}).fails("axis");
}

}  // namespace
}  // namespace attune
