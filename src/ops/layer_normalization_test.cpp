#include <cmath>

#include "ops/op_test.h"

namespace attune {
namespace {

/// By the definition, with scale and bias of one value a column.
Tensor normalize(const Tensor& x, const Tensor& scale, const Tensor& bias, int64_t columns, bool rms = false) {
  Tensor y = Tensor::allocate(DataType::kFloat, x.shape());
  for (int64_t row = 0; row < x.elements() / columns; ++row) {
    const float* in = x.values<float>().data() + row * columns;
    double mean = 0.0;
    for (int64_t i = 0; i < columns && !rms; ++i) mean += in[i];
    mean /= static_cast<double>(columns);
    double variance = 0.0;
    for (int64_t i = 0; i < columns; ++i) variance += (in[i] - mean) * (in[i] - mean);
    const double inverse = 1.0 / std::sqrt(variance / static_cast<double>(columns) + 1e-5);
    for (int64_t i = 0; i < columns; ++i) {
      const auto at = static_cast<size_t>(i);
      const double shift = bias ? bias.values<float>()[at] : 0.0F;
      y.values<float>()[static_cast<size_t>(row * columns + i)] =
          static_cast<float>((in[i] - mean) * inverse * scale.values<float>()[at] + shift);
    }
  }
  return y;
}

TEST(LayerNormalization, NormalizesTheLastAxis) {
  const Tensor x = random_floats({2, 3, 37}, 1, -2.0F, 5.0F);
  const Tensor scale = random_floats({37}, 2);
  const Tensor bias = random_floats({37}, 3);
  OpTest("LayerNormalization").input(x).input(scale).input(bias).output(normalize(x, scale, bias, 37)).run();
  OpTest("LayerNormalization").input(x).input(scale).output(normalize(x, scale, Tensor(), 37)).run();
}

TEST(LayerNormalization, NormalizesSeveralAxes) {
  const Tensor x = random_floats({2, 3, 5}, 4);
  const Tensor scale = random_floats({3, 5}, 5);
  const Tensor bias = random_floats({3, 5}, 6);
  OpTest("LayerNormalization")
      .attribute("axis", int64_t{1})
      .input(x)
      .input(scale)
      .input(bias)
      .output(normalize(x, scale, bias, 15))
      .run();
}

TEST(LayerNormalization, GivesItsStatistics) {
  OpTest("LayerNormalization")
      .attribute("epsilon", 0.0F)
      .input<float>({2, 2}, {1, 3, 2, 6})
      .input<float>({2}, {1, 2})
      .output<float>({2, 2}, {-1, 2, -1, 2})
      .output<float>({2, 1}, {2, 4})
      .output<float>({2, 1}, {1, 0.5F})
      .run();
  OpTest("LayerNormalization")
      .attribute("epsilon", 0.0F)
      .input<double>({2, 2}, {1, 3, 2, 6})
      .input<double>({2}, {1, 2})
      .input<double>({2}, {0, 1})
      .output<double>({2, 2}, {-1, 3, -1, 3})
      .output<float>({2, 1}, {2, 4})
      .output<float>({2, 1}, {1, 0.5F})
      .run();
}

TEST(LayerNormalization, ScaleBroadcasts) {
  OpTest("LayerNormalization")
      .attribute("epsilon", 0.0F)
      .input<float>({2, 2}, {1, 3, 2, 6})
      .input<float>({1}, {2})
      .input<float>({2, 1}, {0, 1})
      .output<float>({2, 2}, {-2, 2, -1, 3})
      .run();
}

TEST(LayerNormalization, EmptyAndWrong) {
  OpTest("LayerNormalization").input<float>({0, 2}, {}).input<float>({2}, {1, 1}).output<float>({0, 2}, {}).run();
  OpTest("LayerNormalization").input<float>({1, 2}, {1, 1}).input<float>({3}, {1, 1, 1}).fails("scale of shape {3}");
  OpTest("LayerNormalization")
      .input<float>({2}, {1, 1})
      .input<float>({1, 2}, {1, 1})
      .fails("scale of shape {1,2} does not broadcast");
  OpTest("LayerNormalization")
      .attribute("axis", int64_t{-3})
      .input<float>({1, 2}, {1, 1})
      .input<float>({2}, {1, 1})
      .fails("xis -3");
}

TEST(RMSNormalization, LeavesTheMeanIn) {
  const Tensor x = random_floats({3, 21}, 7);
  const Tensor scale = random_floats({21}, 8);
  OpTest("RMSNormalization", 23).input(x).input(scale).output(normalize(x, scale, Tensor(), 21, true)).run();
  OpTest("RMSNormalization", 23)
      .attribute("epsilon", 0.0F)
      .input<double>({1, 2}, {1, 7})
      .input<double>({2}, {5, 10})
      .output<double>({1, 2}, {1, 14})
      .run();
}

TEST(SkipLayerNormalization, AddsFirst) {
  const Tensor x = random_floats({2, 3, 16}, 9);
  const Tensor skip = random_floats({2, 3, 16}, 10);
  const Tensor scale = random_floats({16}, 11);
  const Tensor bias = random_floats({16}, 12);
  Tensor sum = Tensor::allocate(DataType::kFloat, x.shape());
  for (size_t i = 0; i < 96; ++i) sum.values<float>()[i] = x.values<float>()[i] + skip.values<float>()[i];
  OpTest("SkipLayerNormalization", 1, "attune")
      .input(x)
      .input(skip)
      .input(scale)
      .input(bias)
      .output(normalize(sum, scale, bias, 16))
      .output(sum)
      .run();
  OpTest("SkipLayerNormalization", 1, "attune")
      .input(x)
      .input(skip)
      .input(scale)
      .output(normalize(sum, scale, Tensor(), 16))
      .run();
  OpTest("SkipLayerNormalization", 1, "attune").input(x).input(scale).input(scale).fails("skip of shape");
  OpTest("SkipLayerNormalization", 1, "attune").input(x).input(skip).input<float>({2}, {1, 1}).fails("scale of shape");
}

}  // namespace
}  // namespace attune
