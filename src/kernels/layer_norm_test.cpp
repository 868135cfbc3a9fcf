#include "kernels/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

std::vector<float> random_floats(int64_t n, float center, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(center - 1.0F, center + 1.0F);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = distribution(generator);
  return values;
}

class LayerNormTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(LayerNormTest);

TEST_P(LayerNormTest, AllFormsAndLengths) {
  SerialParallel serial;
  constexpr int64_t kRows = 3;
  for (int64_t n : {1, 2, 5, 8, 15, 16, 17, 33, 63, 64, 65, 130, 384}) {
    const auto x = random_floats(kRows * n, 0.3F, 1);
    const auto residual = random_floats(kRows * n, -0.2F, 2);
    const auto input_bias = random_floats(n, 0.0F, 3);
    const auto scale = random_floats(n, 1.0F, 4);
    const auto bias = random_floats(n, 0.0F, 5);
    for (int form = 0; form < 32; ++form) {
      std::vector<float> y(x.size() + 1, 9.0F);
      std::vector<float> sum(x.size());
      std::vector<float> mean(kRows);
      std::vector<float> inverse_std(kRows);
      LayerNorm norm;
      norm.rows = kRows;
      norm.columns = n;
      norm.epsilon = 1e-3F;
      norm.x = x.data();
      norm.y = y.data();
      norm.mean = mean.data();
      norm.inverse_std = inverse_std.data();
      if ((form & 1) != 0) norm.residual = residual.data();
      if ((form & 2) != 0) norm.input_bias = input_bias.data();
      if ((form & 4) != 0) norm.scale = scale.data();
      if ((form & 8) != 0) norm.bias = bias.data();
      if ((form & 16) != 0) norm.sum = sum.data();
      norm.rms = form % 3 == 0;
      layer_norm(norm, serial);
      for (int64_t r = 0; r < kRows; ++r) {
        std::vector<double> s;
        double total = 0;
        for (int64_t i = 0; i < n; ++i) {
          const auto at = static_cast<size_t>(r * n + i);
          double value = static_cast<double>(x[at]);
          if (norm.residual != nullptr) value += static_cast<double>(residual[at]);
          if (norm.input_bias != nullptr) value += static_cast<double>(input_bias[static_cast<size_t>(i)]);
          if (norm.sum != nullptr) {
            ASSERT_NEAR(sum[at], value, 1e-6);
          }
          s.push_back(value);
          total += value;
        }
        const double m = norm.rms ? 0.0 : total / static_cast<double>(n);
        double variance = 0;
        for (double value : s) variance += (value - m) * (value - m);
        const double factor = 1.0 / std::sqrt(variance / static_cast<double>(n) + static_cast<double>(norm.epsilon));
        ASSERT_NEAR(mean[static_cast<size_t>(r)], m, 1e-6);
        ASSERT_NEAR(inverse_std[static_cast<size_t>(r)], factor, 3e-6 * factor);
        for (int64_t i = 0; i < n; ++i) {
          double want = (s[static_cast<size_t>(i)] - m) * factor;
          if (norm.scale != nullptr) want *= static_cast<double>(scale[static_cast<size_t>(i)]);
          if (norm.bias != nullptr) want += static_cast<double>(bias[static_cast<size_t>(i)]);
          // 1 / sqrt(epsilon) = 32 is what an error in a row of one element is multiplied by.
          ASSERT_NEAR(y[static_cast<size_t>(r * n + i)], want, 2e-5) << n << " form " << form;
        }
      }
      EXPECT_EQ(y.back(), 9.0F);
      if (norm.sum == nullptr) {
        std::vector<float> in_place = x;
        norm.x = norm.y = in_place.data();
        layer_norm(norm, serial);
        for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(in_place[i], y[i]);
      }
    }
  }
}

TEST_P(LayerNormTest, LargeMeanKeepsTheVariance) {
  SerialParallel serial;
  constexpr int64_t kColumns = 768;
  const auto x = random_floats(kColumns, 10000.0F, 7);
  std::vector<float> y(x.size());
  LayerNorm norm;
  norm.rows = 1;
  norm.columns = kColumns;
  norm.x = x.data();
  norm.y = y.data();
  layer_norm(norm, serial);
  double sum = 0;
  double squares = 0;
  for (float value : y) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  EXPECT_NEAR(squares / kColumns, 1.0, 1e-2);
  EXPECT_NEAR(sum / kColumns, 0.0, 1e-2);
}

TEST_P(LayerNormTest, NanStaysInItsRow) {
  SerialParallel serial;
  std::vector<float> x = random_floats(2 * 20, 0.0F, 8);
  x[21] = NAN;
  std::vector<float> y(x.size());
  LayerNorm norm;
  norm.rows = 2;
  norm.columns = 20;
  norm.x = x.data();
  norm.y = y.data();
  layer_norm(norm, serial);
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(y[i]), i >= 20);
}

}  // namespace
}  // namespace attune::kernels
