#include "kernels/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class TwoThreads final : public Parallel {
 public:
  int threads() const override { return 2; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t i = count - 1; i >= 0; --i) task(i, static_cast<int>(i % 2));
  }
};

std::vector<double> reference(SoftmaxKind kind, const float* x, int64_t n, int64_t stride) {
  double maximum = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < n; ++i) maximum = std::max(maximum, static_cast<double>(x[i * stride]));
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i * stride]) - maximum);
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) {
    const double shifted = static_cast<double>(x[i * stride]) - maximum;
    y.push_back(kind == SoftmaxKind::kSoftmax ? std::exp(shifted) / sum : shifted - std::log(sum));
  }
  return y;
}

class SoftmaxTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(SoftmaxTest);

TEST_P(SoftmaxTest, RowsOfEveryLength) {
  std::mt19937 generator(3);
  std::uniform_real_distribution<float> distribution(-20.0F, 20.0F);
  SerialParallel serial;
  for (SoftmaxKind kind : {SoftmaxKind::kSoftmax, SoftmaxKind::kLogSoftmax}) {
    for (int64_t n : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 65, 100, 1000}) {
      constexpr int64_t kRows = 3;
      std::vector<float> x(static_cast<size_t>(kRows * n + 1));
      for (float& value : x) value = distribution(generator);
      std::vector<float> y(x.size() + 1, 9.0F);
      softmax_rows(kind, x.data() + 1, y.data() + 1, kRows, n, serial);
      for (int64_t r = 0; r < kRows; ++r) {
        const auto want = reference(kind, x.data() + 1 + r * n, n, 1);
        for (int64_t i = 0; i < n; ++i) {
          const double w = want[static_cast<size_t>(i)];
          // Near 0 the logarithm of a softmax is the difference of two rounded numbers near 1.
          const double floor = kind == SoftmaxKind::kSoftmax ? 1e-10 : 3e-7;
          ASSERT_NEAR(y[static_cast<size_t>(1 + r * n + i)], w, floor + 1e-6 * std::fabs(w)) << n;
        }
      }
      EXPECT_EQ(y.back(), 9.0F);
      std::vector<float> in_place = x;
      softmax_rows(kind, in_place.data() + 1, in_place.data() + 1, kRows, n, serial);
      for (size_t i = 1; i < x.size(); ++i) ASSERT_EQ(in_place[i], y[i]);
    }
  }
}

TEST_P(SoftmaxTest, StridedAxis) {
  std::mt19937 generator(4);
  std::uniform_real_distribution<float> distribution(-5.0F, 5.0F);
  SerialParallel serial;
  TwoThreads two;
  for (SoftmaxKind kind : {SoftmaxKind::kSoftmax, SoftmaxKind::kLogSoftmax}) {
    for (int64_t inner : {1, 2, 7, 8, 17, 64, 65, 130}) {
      constexpr int64_t kOuter = 3;
      constexpr int64_t kAxis = 90;
      std::vector<float> x(static_cast<size_t>(kOuter * kAxis * inner));
      for (float& value : x) value = distribution(generator);
      std::vector<float> y(x.size());
      softmax_axis(kind, x.data(), y.data(), kOuter, kAxis, inner, serial);
      for (int64_t o = 0; o < kOuter; ++o) {
        for (int64_t j = 0; j < inner; ++j) {
          const int64_t at = o * kAxis * inner + j;
          const auto want = reference(kind, x.data() + at, kAxis, inner);
          for (int64_t i = 0; i < kAxis; ++i) {
            ASSERT_NEAR(y[static_cast<size_t>(at + i * inner)], want[static_cast<size_t>(i)], 2e-6);
          }
        }
      }
      softmax_axis(kind, x.data(), x.data(), kOuter, kAxis, inner, two);
      EXPECT_EQ(x, y);
    }
  }
}

TEST_P(SoftmaxTest, ExtremeRows) {
  SerialParallel serial;
  for (int64_t n : {3, 40}) {
    const auto size = static_cast<size_t>(n);
    std::vector<float> y(size);
    std::vector<float> x(size, -kInfinity);
    softmax_rows(SoftmaxKind::kSoftmax, x.data(), y.data(), 1, n, serial);
    for (float value : y) EXPECT_TRUE(std::isnan(value));
    x[1] = 4.0F;
    softmax_rows(SoftmaxKind::kSoftmax, x.data(), y.data(), 1, n, serial);
    EXPECT_EQ(y[0], 0.0F);
    EXPECT_EQ(y[1], 1.0F);
    softmax_rows(SoftmaxKind::kLogSoftmax, x.data(), y.data(), 1, n, serial);
    EXPECT_EQ(y[0], -kInfinity);
    EXPECT_EQ(y[1], 0.0F);
    x[0] = kInfinity;
    softmax_rows(SoftmaxKind::kSoftmax, x.data(), y.data(), 1, n, serial);
    EXPECT_TRUE(std::isnan(y[0]));
    x.assign(size, 1.0F);
    x.back() = NAN;
    softmax_rows(SoftmaxKind::kSoftmax, x.data(), y.data(), 1, n, serial);
    for (float value : y) EXPECT_TRUE(std::isnan(value));
    x.assign(size, std::numeric_limits<float>::lowest());  // a mask of large finite numbers: uniform
    softmax_rows(SoftmaxKind::kSoftmax, x.data(), y.data(), 1, n, serial);
    for (float value : y) EXPECT_NEAR(value, 1.0 / static_cast<double>(n), 1e-7);
  }
}

}  // namespace
}  // namespace attune::kernels
