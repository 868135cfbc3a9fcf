#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/simd.h"
#include "kernels/simd_test.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd_math_test.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

template <class Function>
void map(const float* x, float* y, size_t n, Function function) {
  const FloatTag d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const size_t rest = std::min(n - i, hn::Lanes(d));
    store_tail(function(d, load_tail(d, x + i, rest)), d, y + i, rest);
  }
}
void run_exp(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_exp(d, v); });
}
void run_exp_nonpositive(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_exp_nonpositive(d, v); });
}
void run_log(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_log(d, v); });
}
void run_erf(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_erf(d, v); });
}
void run_gelu(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_gelu(d, v); });
}
void run_tanh(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_tanh(d, v); });
}
void run_sigmoid(const float* x, float* y, size_t n) {
  map(x, y, n, [](auto d, auto v) HWY_ATTR { return vector_sigmoid(d, v); });
}
void run_activation(const Activation& activation, const float* x, float* y, int64_t n) {
  activate_array(activation, x, y, n);
}
float sum_of_lanes(int64_t) {
  const FloatTag d;
  return hn::GetLane(hn::SumOfLanes(d, hn::Set(d, 1.0F)));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {
namespace {

HWY_EXPORT(run_exp);
HWY_EXPORT(run_exp_nonpositive);
HWY_EXPORT(run_log);
HWY_EXPORT(run_erf);
HWY_EXPORT(run_gelu);
HWY_EXPORT(run_tanh);
HWY_EXPORT(run_sigmoid);
HWY_EXPORT(run_activation);
HWY_EXPORT(sum_of_lanes);

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
constexpr float kMax = std::numeric_limits<float>::max();

// Every 997th float in [low, high], in both signs of the exponent's range: about four million at most.
std::vector<float> floats_between(float low, float high) {
  std::vector<float> values;
  constexpr uint32_t kStep = 2003;
  auto add_positive = [&](float from, float to, float sign) {
    for (uint32_t bits = std::bit_cast<uint32_t>(from); bits <= std::bit_cast<uint32_t>(to); bits += kStep) {
      values.push_back(sign * std::bit_cast<float>(bits));
    }
  };
  if (low < 0) add_positive(std::max(0.0F, -high), -low, -1.0F);
  if (high > 0) add_positive(std::max(0.0F, low), high, 1.0F);
  values.push_back(low);
  values.push_back(high);
  return values;
}

// The distance of `got` from `want` in units in the last place of a float at `want`.
double ulps(double want, float got) {
  if (std::isnan(want)) return std::isnan(got) ? 0.0 : 1e30;
  const float rounded = static_cast<float>(want);
  if (rounded == got) return 0.0;
  if (std::isinf(rounded) || std::isinf(got)) return 1e30;
  const double magnitude = std::max(std::fabs(want), static_cast<double>(std::numeric_limits<float>::min()));
  const double unit = std::ldexp(1.0, std::ilogb(magnitude) - 23);
  return std::fabs(want - static_cast<double>(got)) / unit;
}

struct Worst {
  double ulps = 0;
  double absolute = 0;
  float at = 0;
};

template <class Run, class Reference>
Worst worst_of(const std::vector<float>& x, Run run, Reference reference) {
  std::vector<float> y(x.size());
  run(x.data(), y.data(), x.size());
  Worst worst;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = reference(static_cast<double>(x[i]));
    const double error = ulps(want, y[i]);
    if (error > worst.ulps) worst.ulps = error, worst.at = x[i];
    worst.absolute = std::max(worst.absolute, std::fabs(want - static_cast<double>(y[i])));
  }
  return worst;
}

class SimdMathTest : public EachTargetTest {
 protected:
  template <class Run>
  static float one(Run run, float x) {
    float y = 0;
    run(&x, &y, 1);
    return y;
  }
};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(SimdMathTest);

TEST_P(SimdMathTest, TargetIsTheForcedOne) {
  EXPECT_EQ(active_target(), GetParam());
  EXPECT_EQ(HWY_DYNAMIC_DISPATCH(sum_of_lanes)(0), static_cast<float>(vector_floats()));
  EXPECT_EQ(block_channels(), GetParam() == Target::kAvx512 ? 16 : 8);
}

TEST_P(SimdMathTest, Exp) {
  auto run = HWY_DYNAMIC_DISPATCH(run_exp);
  const Worst worst = worst_of(floats_between(-110.0F, 88.72F), run, [](double x) { return std::exp(x); });
  EXPECT_LE(worst.ulps, 2.0) << "at " << worst.at;
  EXPECT_EQ(one(run, 0.0F), 1.0F);
  EXPECT_EQ(one(run, kInfinity), kInfinity);
  EXPECT_EQ(one(run, kMax), kInfinity);
  EXPECT_EQ(one(run, 88.73F), kInfinity);
  EXPECT_EQ(one(run, -kInfinity), 0.0F);
  EXPECT_EQ(one(run, -kMax), 0.0F);
  EXPECT_EQ(one(run, kDenormal), 1.0F);
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

TEST_P(SimdMathTest, ExpNonpositive) {
  auto run = HWY_DYNAMIC_DISPATCH(run_exp_nonpositive);
  const Worst worst = worst_of(floats_between(-87.0F, 0.0F), run, [](double x) { return std::exp(x); });
  EXPECT_LE(worst.ulps, 2.0) << "at " << worst.at;
  EXPECT_EQ(one(run, 0.0F), 1.0F);
  EXPECT_EQ(one(run, -88.0F), 0.0F);
  EXPECT_EQ(one(run, -kMax), 0.0F);
  EXPECT_EQ(one(run, -kInfinity), 0.0F);
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

TEST_P(SimdMathTest, Log) {
  auto run = HWY_DYNAMIC_DISPATCH(run_log);
  const Worst worst = worst_of(floats_between(kDenormal, kMax), run, [](double x) { return std::log(x); });
  EXPECT_LE(worst.ulps, 2.0) << "at " << worst.at;
  EXPECT_EQ(one(run, 1.0F), 0.0F);
  EXPECT_EQ(one(run, 0.0F), -kInfinity);
  EXPECT_EQ(one(run, -0.0F), -kInfinity);
  EXPECT_EQ(one(run, kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(one(run, -1.0F)));
  EXPECT_TRUE(std::isnan(one(run, -kInfinity)));
  EXPECT_TRUE(std::isnan(one(run, -kDenormal)));
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

TEST_P(SimdMathTest, Erf) {
  auto run = HWY_DYNAMIC_DISPATCH(run_erf);
  const Worst worst = worst_of(floats_between(-10.0F, 10.0F), run, [](double x) { return std::erf(x); });
  EXPECT_LE(worst.ulps, 4.0) << "at " << worst.at;
  EXPECT_LE(worst.absolute, 1e-7);
  EXPECT_EQ(one(run, kInfinity), 1.0F);
  EXPECT_EQ(one(run, -kInfinity), -1.0F);
  EXPECT_EQ(one(run, kMax), 1.0F);
  EXPECT_EQ(one(run, 0.0F), 0.0F);
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

TEST_P(SimdMathTest, Gelu) {
  auto run = HWY_DYNAMIC_DISPATCH(run_gelu);
  for (const float x : floats_between(-20.0F, 20.0F)) {
    const double want = x * 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2);
    const double last_denormal_bit = 1.5e-45;
    ASSERT_NEAR(one(run, x), want, 2e-7 * (std::fabs(x) + std::fabs(want)) + last_denormal_bit) << "x = " << x;
  }
  for (const float x : {5.62F, 7.0F, 1e6F, kMax}) {
    EXPECT_EQ(one(run, x), x);
    EXPECT_EQ(one(run, -x), 0.0F);
  }
  EXPECT_EQ(one(run, kInfinity), kInfinity);
  EXPECT_EQ(one(run, 0.0F), 0.0F);
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

TEST_P(SimdMathTest, Tanh) {
  auto run = HWY_DYNAMIC_DISPATCH(run_tanh);
  const auto x = floats_between(-20.0F, 20.0F);
  const Worst worst = worst_of(x, run, [](double v) { return std::tanh(v); });
  EXPECT_LE(worst.ulps, 4.0) << "at " << worst.at;
  std::vector<float> y(x.size());
  run(x.data(), y.data(), x.size());
  for (float value : y) ASSERT_LE(std::fabs(value), 1.0F);
  EXPECT_EQ(one(run, kInfinity), 1.0F);
  EXPECT_EQ(one(run, -kInfinity), -1.0F);
  EXPECT_EQ(one(run, -kMax), -1.0F);
  EXPECT_EQ(one(run, kDenormal), kDenormal);
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

TEST_P(SimdMathTest, Sigmoid) {
  auto run = HWY_DYNAMIC_DISPATCH(run_sigmoid);
  const Worst worst =
      worst_of(floats_between(-87.0F, 100.0F), run, [](double x) { return 1.0 / (1.0 + std::exp(-x)); });
  EXPECT_LE(worst.ulps, 4.0) << "at " << worst.at;
  EXPECT_EQ(one(run, kInfinity), 1.0F);
  EXPECT_EQ(one(run, -kInfinity), 0.0F);
  EXPECT_EQ(one(run, kMax), 1.0F);
  EXPECT_EQ(one(run, -kMax), 0.0F);
  EXPECT_TRUE(std::isnan(one(run, kNaN)));
}

double reference_activation(const Activation& f, double x) {
  using Kind = Activation::Kind;
  const double alpha = f.alpha;
  const double beta = f.beta;
  switch (f.kind) {
    case Kind::kNone:
      return x;
    case Kind::kRelu:
      return x < 0 ? 0 : x;
    case Kind::kClip:
      return x < alpha ? alpha : x > beta ? beta : x;
    case Kind::kLeakyRelu:
      return x >= 0 ? x : alpha * x;
    case Kind::kHardSigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Kind::kHardSwish:
      return x * std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Kind::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Kind::kSilu:
      return x / (1 + std::exp(-alpha * x));
    case Kind::kTanh:
      return std::tanh(x);
    case Kind::kGelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case Kind::kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Kind::kElu:
      return x >= 0 ? x : alpha * (std::exp(x) - 1);
    case Kind::kMish:
      return x * std::tanh(std::log1p(std::exp(x)));
  }
  return 0;
}

TEST_P(SimdMathTest, Activations) {
  using Kind = Activation::Kind;
  auto run = HWY_DYNAMIC_DISPATCH(run_activation);
  for (int kind = 0; kind <= static_cast<int>(Kind::kMish); ++kind) {
    SCOPED_TRACE(kind);
    Activation activation{static_cast<Kind>(kind), 1.25F, 0.5F};
    if (activation.kind == Kind::kClip) activation.alpha = -0.75F, activation.beta = 6.0F;
    if (activation.kind == Kind::kHardSwish) activation.alpha = 1.0F / 6.0F;
    for (size_t n = 0; n <= 35; ++n) {
      for (size_t offset = 0; offset < 3; ++offset) {
        std::vector<float> x(n + offset + 1);
        std::vector<float> y(n + offset + 1, 77.0F);
        for (size_t i = 0; i < x.size(); ++i) {
          x[i] = (static_cast<float>(i % 35) - 17.0F) * (n % 2 == 0 ? 0.37F : 4.1F);
        }
        run(activation, x.data() + offset, y.data() + offset, static_cast<int64_t>(n));
        for (size_t i = 0; i < n; ++i) {
          const double want = reference_activation(activation, x[offset + i]);
          // 1 + erf and 1 + tanh cancel for large negative x: the error is relative to |x| there.
          const double tolerance = 1e-6 + 4e-7 * std::fabs(want) + 1.2e-7 * std::fabs(x[offset + i]);
          ASSERT_NEAR(y[offset + i], want, tolerance) << "x = " << x[offset + i] << ", n = " << n;
        }
        EXPECT_EQ(y[offset + n], 77.0F);
        run(activation, x.data() + offset, x.data() + offset, static_cast<int64_t>(n));  // in place
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(x[offset + i], y[offset + i]);
      }
    }
    float nan = kNaN;
    run(activation, &nan, &nan, 1);
    EXPECT_TRUE(std::isnan(nan));
  }
}

TEST(SimdTest, TargetsAreListedBestFirst) {
  const auto targets = supported_targets();
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(targets.back(), Target::kBaseline);
  for (size_t i = 1; i < targets.size(); ++i) EXPECT_GT(targets[i - 1], targets[i]);
}

}  // namespace
}  // namespace attune::kernels
#endif  // HWY_ONCE
