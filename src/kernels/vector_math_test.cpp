#include "kernels/vector_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double reference(UnaryFunction function, double alpha, double beta, double x) {
  switch (function) {
    case UnaryFunction::kAbs:
      return std::fabs(x);
    case UnaryFunction::kCeil:
      return std::ceil(x);
    case UnaryFunction::kClip:
      return std::min(std::max(x, alpha), beta);
    case UnaryFunction::kCos:
      return std::cos(x);
    case UnaryFunction::kElu:
      return x >= 0 ? x : alpha * (std::exp(x) - 1);
    case UnaryFunction::kErf:
      return std::erf(x);
    case UnaryFunction::kExp:
      return std::exp(x);
    case UnaryFunction::kFloor:
      return std::floor(x);
    case UnaryFunction::kGelu:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case UnaryFunction::kGeluTanh:
      return x / 2 * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case UnaryFunction::kHardSigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case UnaryFunction::kHardSwish:
      return x * std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case UnaryFunction::kLeakyRelu:
      return x >= 0 ? x : alpha * x;
    case UnaryFunction::kLog:
      return std::log(x);
    case UnaryFunction::kMish:
      return x * std::tanh(std::log1p(std::exp(x)));
    case UnaryFunction::kNeg:
      return -x;
    case UnaryFunction::kReciprocal:
      return 1 / x;
    case UnaryFunction::kRelu:
      return std::max(x, 0.0);
    case UnaryFunction::kRound:
      return std::nearbyint(x);
    case UnaryFunction::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case UnaryFunction::kSign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryFunction::kSilu:
      return x / (1 + std::exp(-alpha * x));
    case UnaryFunction::kSin:
      return std::sin(x);
    case UnaryFunction::kSoftplus:
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    case UnaryFunction::kSqrt:
      return std::sqrt(x);
    case UnaryFunction::kSquare:
      return x * x;
    case UnaryFunction::kTanh:
      return std::tanh(x);
  }
  return 0;
}

double reference(BinaryFunction function, double x, double y) {
  switch (function) {
    case BinaryFunction::kAdd:
      return x + y;
    case BinaryFunction::kSub:
      return x - y;
    case BinaryFunction::kMul:
      return x * y;
    case BinaryFunction::kDiv:
      return x / y;
    case BinaryFunction::kMax:
      return std::max(x, y);
    case BinaryFunction::kMin:
      return std::min(x, y);
    case BinaryFunction::kMod:
      return std::fmod(x, y);
    case BinaryFunction::kPow:
      return std::pow(x, y);
    case BinaryFunction::kPrelu:
      return x >= 0 ? x : x * y;
  }
  return 0;
}

class VectorMathTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(VectorMathTest);

TEST_P(VectorMathTest, UnaryFunctions) {
  const float halves[] = {0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 0.0F, 3.3F, -7.1F, 12.75F, 0.004F};
  for (int f = 0; f <= static_cast<int>(UnaryFunction::kTanh); ++f) {
    const auto function = static_cast<UnaryFunction>(f);
    SCOPED_TRACE(f);
    for (int64_t n = 0; n <= 35; ++n) {
      std::vector<float> x(static_cast<size_t>(n + 1));
      for (size_t i = 0; i < x.size(); ++i) x[i] = halves[(i + static_cast<size_t>(n)) % 11];
      std::vector<float> y(x.size() + 1, 55.0F);
      map_unary(function, 0.4F, 0.6F, x.data() + 1, y.data() + 1, n);
      for (size_t i = 1; i <= static_cast<size_t>(n); ++i) {
        const double want = reference(function, 0.4F, 0.6F, x[i]);
        if (std::isnan(want) || std::isinf(want)) {
          ASSERT_EQ(std::isnan(want), std::isnan(y[i])) << x[i];
          if (std::isinf(want)) {
            ASSERT_EQ(want, y[i]);
          }
        } else {
          ASSERT_NEAR(y[i], want, 1e-6 * (1 + std::fabs(want)) + 1e-7 * std::fabs(x[i])) << x[i];
        }
      }
      EXPECT_EQ(y.back(), 55.0F);
      std::vector<float> in_place = x;
      map_unary(function, 0.4F, 0.6F, in_place.data() + 1, in_place.data() + 1, n);
      for (size_t i = 1; i < x.size(); ++i) ASSERT_TRUE(in_place[i] == y[i] || std::isnan(y[i]));
    }
    float nan = NAN;
    map_unary(function, 0.4F, 0.6F, &nan, &nan, 1);
    EXPECT_TRUE(std::isnan(nan));
  }
}

TEST_P(VectorMathTest, SoftplusIsAccurateEverywhere) {
  for (float x = -100.0F; x < 100.0F; x += 0.0371F) {
    float y = 0;
    map_unary(UnaryFunction::kSoftplus, 0, 0, &x, &y, 1);
    const double want = reference(UnaryFunction::kSoftplus, 0, 0, x);
    ASSERT_NEAR(y, want, 5e-7 * want + 1.2e-38) << x;
  }
  float y = kInfinity;
  map_unary(UnaryFunction::kSoftplus, 0, 0, &y, &y, 1);
  EXPECT_EQ(y, kInfinity);
  y = -kInfinity;
  map_unary(UnaryFunction::kSoftplus, 0, 0, &y, &y, 1);
  EXPECT_EQ(y, 0.0F);
}

TEST_P(VectorMathTest, BinaryFunctions) {
  std::mt19937 generator(5);
  std::uniform_real_distribution<float> distribution(0.25F, 3.0F);
  for (int f = 0; f <= static_cast<int>(BinaryFunction::kPrelu); ++f) {
    const auto function = static_cast<BinaryFunction>(f);
    SCOPED_TRACE(f);
    for (int strides = 0; strides < 4; ++strides) {
      const int x_stride = strides & 1;
      const int y_stride = strides >> 1;
      for (int64_t n = 0; n <= 35; ++n) {
        std::vector<float> x(static_cast<size_t>(n + 1));
        std::vector<float> y(x.size());
        for (float& value : x) value = distribution(generator) - (function == BinaryFunction::kPow ? 0.0F : 1.5F);
        for (float& value : y) value = distribution(generator);
        std::vector<float> out(x.size() + 1, 55.0F);
        map_binary(function, x.data(), x_stride, y.data(), y_stride, out.data(), n);
        for (int64_t i = 0; i < n; ++i) {
          const double want =
              reference(function, x[static_cast<size_t>(i * x_stride)], y[static_cast<size_t>(i * y_stride)]);
          ASSERT_NEAR(out[static_cast<size_t>(i)], want, 3e-7 * (1 + std::fabs(want)));
        }
        EXPECT_EQ(out[static_cast<size_t>(n)], 55.0F);
        if (x_stride == 1) {
          map_binary(function, x.data(), x_stride, y.data(), y_stride, x.data(), n);
          for (size_t i = 0; i < static_cast<size_t>(n); ++i) ASSERT_EQ(x[i], out[i]);
        } else if (y_stride == 1) {
          map_binary(function, x.data(), x_stride, y.data(), y_stride, y.data(), n);
          for (size_t i = 0; i < static_cast<size_t>(n); ++i) ASSERT_EQ(y[i], out[i]);
        }
      }
    }
  }
}

TEST_P(VectorMathTest, PowOfOneExponent) {
  const std::vector<float> x = {0.0F, -0.0F, 1.0F, -2.0F, 3.5F, kInfinity, -kInfinity, NAN, 1e-20F};
  for (float exponent : {2.0F, 3.0F, 0.5F, -0.5F, 1.0F, -1.0F, 0.0F, 2.5F}) {
    std::vector<float> out(x.size());
    map_binary(BinaryFunction::kPow, x.data(), 1, &exponent, 0, out.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      const float want = std::pow(x[i], exponent);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(out[i])) << x[i] << " ^ " << exponent;
      } else {
        EXPECT_FLOAT_EQ(out[i], want) << x[i] << " ^ " << exponent;
        EXPECT_EQ(std::signbit(out[i]), std::signbit(want)) << x[i] << " ^ " << exponent;
      }
    }
  }
}

TEST_P(VectorMathTest, MaxAndMinOfNan) {
  for (BinaryFunction function : {BinaryFunction::kMax, BinaryFunction::kMin}) {
    const float nan = NAN;
    const float one = 1.0F;
    float out = 0;
    map_binary(function, &nan, 1, &one, 1, &out, 1);
    EXPECT_TRUE(std::isnan(out));
    map_binary(function, &one, 1, &nan, 1, &out, 1);
    EXPECT_TRUE(std::isnan(out));
  }
}

TEST_P(VectorMathTest, ScaleShift) {
  for (int stride : {0, 1}) {
    for (int64_t n = 0; n <= 35; ++n) {
      std::vector<float> x(static_cast<size_t>(n + 1), 2.0F);
      std::vector<float> scale(x.size(), 3.0F);
      std::vector<float> shift(x.size(), 1.0F);
      if (stride == 1 && n > 2) scale[2] = 5.0F;
      map_scale_shift(x.data(), scale.data(), shift.data(), stride, x.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_EQ(x[static_cast<size_t>(i)], stride == 1 && i == 2 ? 11.0F : 7.0F);
      }
      EXPECT_EQ(x.back(), 2.0F);
    }
  }
}

double reduce(Reduction reduction, const float* x, int64_t n, int64_t stride) {
  double result = reduction == Reduction::kMax    ? -std::numeric_limits<double>::infinity()
                  : reduction == Reduction::kMin  ? std::numeric_limits<double>::infinity()
                  : reduction == Reduction::kProd ? 1.0
                                                  : 0.0;
  for (int64_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(x[i * stride]);
    switch (reduction) {
      case Reduction::kSum:
      case Reduction::kMean:
        result += v;
        break;
      case Reduction::kMax:
        result = std::max(result, v);
        break;
      case Reduction::kMin:
        result = std::min(result, v);
        break;
      case Reduction::kProd:
        result *= v;
        break;
      case Reduction::kSumAbs:
        result += std::fabs(v);
        break;
      case Reduction::kSumSquare:
        result += v * v;
        break;
    }
  }
  return reduction == Reduction::kMean ? result / static_cast<double>(n) : result;
}

constexpr Reduction kReductions[] = {Reduction::kSum,  Reduction::kMean,   Reduction::kMax,      Reduction::kMin,
                                     Reduction::kProd, Reduction::kSumAbs, Reduction::kSumSquare};

TEST_P(VectorMathTest, Reductions) {
  std::mt19937 generator(6);
  std::uniform_real_distribution<float> distribution(-1.2F, 1.2F);
  for (Reduction reduction : kReductions) {
    SCOPED_TRACE(static_cast<int>(reduction));
    for (int64_t columns : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130, 9001}) {
      const int64_t rows = columns > 1000 ? 2 : 3;
      const int64_t stride = columns + 2;
      std::vector<float> x(static_cast<size_t>(rows * stride + 1));
      for (float& value : x) value = distribution(generator);
      std::vector<float> y(static_cast<size_t>(rows + 1), 55.0F);
      reduce_rows(reduction, x.data() + 1, rows, columns, stride, y.data());
      for (int64_t r = 0; r < rows; ++r) {
        const double want = reduce(reduction, x.data() + 1 + r * stride, columns, 1);
        const double size = reduce(Reduction::kSumAbs, x.data() + 1 + r * stride, columns, 1);
        ASSERT_NEAR(y[static_cast<size_t>(r)], want, 1e-6 * (std::fabs(want) + 0.1 * size)) << columns;
      }
      EXPECT_EQ(y.back(), 55.0F);
    }
    for (int64_t rows : {1, 2, 63, 64, 65, 200}) {
      for (int64_t columns = 1; columns <= 70; columns += columns < 35 ? 1 : 7) {
        const int64_t stride = columns + 1;
        std::vector<float> x(static_cast<size_t>(rows * stride));
        for (float& value : x) value = distribution(generator);
        std::vector<float> y(static_cast<size_t>(columns + 1), 55.0F);
        reduce_columns(reduction, x.data(), rows, columns, stride, y.data());
        for (int64_t c = 0; c < columns; ++c) {
          const double want = reduce(reduction, x.data() + c, rows, stride);
          const double size = reduce(Reduction::kSumAbs, x.data() + c, rows, stride);
          ASSERT_NEAR(y[static_cast<size_t>(c)], want, 1e-5 * std::fabs(want) + 2e-7 * size) << rows << " " << columns;
          float alone = 0;
          reduce_columns(reduction, x.data() + c, rows, 1, stride, &alone);
          ASSERT_EQ(alone, y[static_cast<size_t>(c)]);
        }
        EXPECT_EQ(y.back(), 55.0F);
      }
    }
  }
}

TEST_P(VectorMathTest, ReductionsOfNanAndNothing) {
  for (Reduction reduction : kReductions) {
    for (size_t at : {0U, 5U, 17U, 70U}) {
      std::vector<float> x(71, 1.0F);
      x[at] = NAN;
      float y = 0;
      reduce_rows(reduction, x.data(), 1, 71, 71, &y);
      EXPECT_TRUE(std::isnan(y)) << static_cast<int>(reduction) << " at " << at;
      reduce_columns(reduction, x.data(), 71, 1, 1, &y);
      EXPECT_TRUE(std::isnan(y)) << static_cast<int>(reduction) << " at " << at;
    }
    float y = 7;
    reduce_rows(reduction, nullptr, 1, 0, 0, &y);
    float z = 7;
    reduce_columns(reduction, nullptr, 0, 1, 1, &z);
    if (reduction == Reduction::kMean) {
      EXPECT_TRUE(std::isnan(y) && std::isnan(z));
    } else {
      EXPECT_EQ(y, static_cast<float>(reduce(reduction, nullptr, 0, 1)));
      EXPECT_EQ(z, y);
    }
  }
}

}  // namespace
}  // namespace attune::kernels
