#include "tensor_summary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/float16.h"

namespace attune {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(TensorSummary, LeavesOutWhatIsNotFinite) {
  const TensorSummary summary = summarize(Tensor::from_values<float>({5}, {1, 2, kNan, kInfinity, 6}));
  EXPECT_EQ(summary.least, "1");
  EXPECT_EQ(summary.mean, "3");
  EXPECT_EQ(summary.most, "6");
  EXPECT_EQ(summary.note, "1 NaN, 1 Inf");
}

TEST(TensorSummary, KnowsOtherTypes) {
  EXPECT_EQ(summarize(Tensor::from_values<int64_t>({2}, {-3, 5})).mean, "1");
  EXPECT_EQ(summarize(Tensor::from_values<bool>({2}, {true, false})).mean, "0.5");
  EXPECT_EQ(summarize(Tensor::from_values<std::string>({1}, {"text"})).note, "\"text\"");
  EXPECT_EQ(summarize(Tensor::allocate(DataType::kFloat, {0})).note, "empty");
  Tensor half = Tensor::allocate(DataType::kFloat16, {1});
  *static_cast<Float16*>(half.raw()) = to_float16(1.5F);
  EXPECT_EQ(summarize(half).most, "1.5");
}

TEST(CompareTensors, IsLikeAllclose) {
  const Tensor reference = Tensor::from_values<float>({3}, {1, 100, kNan});
  EXPECT_EQ(compare_tensors(reference, reference, 0, 0), "");
  EXPECT_EQ(compare_tensors(Tensor::from_values<float>({3}, {1.0005F, 100.05F, kNan}), reference, 1e-3, 0), "");
  EXPECT_EQ(compare_tensors(Tensor::from_values<float>({3}, {1, 101, kNan}), reference, 1e-3, 0),
            "1 of 3 elements, by up to 1");
  EXPECT_NE(compare_tensors(Tensor::from_values<float>({3}, {kNan, 100, kNan}), reference, 1, 1), "");
  EXPECT_NE(compare_tensors(Tensor::from_values<float>({3}, {kInfinity, 100, kNan}), reference, 1, 1), "");
  const Tensor infinite = Tensor::from_values<float>({1}, {kInfinity});
  EXPECT_EQ(compare_tensors(infinite, infinite, 0, 0), "");
  EXPECT_NE(compare_tensors(Tensor::from_values<float>({1}, {-kInfinity}), infinite, 1, 1), "");
}

TEST(CompareTensors, TypesAndShapesMustAgree) {
  const Tensor reference = Tensor::from_values<float>({2}, {1, 2});
  EXPECT_EQ(compare_tensors(Tensor::from_values<float>({1, 2}, {1, 2}), reference, 1, 1), "shape 1x2, not 2");
  EXPECT_EQ(compare_tensors(Tensor::from_values<double>({2}, {1, 2}), reference, 1, 1), "type double, not float");
}

TEST(MeasureDifference, IsRelativeToTheSpread) {
  const Tensor reference = Tensor::from_values<float>({4}, {10, 12, 10, 12});
  const TensorDifference same = measure_difference(reference, reference);
  EXPECT_EQ(same.differing, 0);
  EXPECT_TRUE(same.is_rounding(DataType::kFloat));
  const TensorDifference found = measure_difference(Tensor::from_values<float>({4}, {10.5F, 12, 10, 12.5F}), reference);
  EXPECT_EQ(found.differing, 2);
  EXPECT_DOUBLE_EQ(found.most, 0.5);
  EXPECT_DOUBLE_EQ(found.rms, std::sqrt(0.125));
  EXPECT_DOUBLE_EQ(found.relative, std::sqrt(0.125));  // the standard deviation is 1
  EXPECT_FALSE(found.is_rounding(DataType::kFloat));
  const Tensor equal = Tensor::from_values<float>({2}, {4, 4});
  EXPECT_DOUBLE_EQ(measure_difference(Tensor::from_values<float>({2}, {5, 5}), equal).relative, 0.25);
}

TEST(MeasureDifference, SpecialValuesMustStandInTheSamePlaces) {
  const Tensor reference = Tensor::from_values<float>({3}, {1, kNan, kInfinity});
  EXPECT_EQ(measure_difference(reference, reference).mismatch, "");
  const Tensor other = Tensor::from_values<float>({3}, {kNan, kNan, -kInfinity});
  EXPECT_EQ(measure_difference(other, reference).mismatch, "2 elements are NaN or Inf in one only");
  EXPECT_FALSE(measure_difference(other, reference).is_rounding(DataType::kFloat));
}

TEST(MeasureDifference, OtherTypesMustBeEqual) {
  const Tensor reference = Tensor::from_values<int64_t>({2}, {1, 2});
  EXPECT_TRUE(measure_difference(reference, reference).is_rounding(DataType::kInt64));
  EXPECT_FALSE(measure_difference(Tensor::from_values<int64_t>({2}, {1, 3}), reference).is_rounding(DataType::kInt64));
  const Tensor texts = Tensor::from_values<std::string>({2}, {"a", "b"});
  EXPECT_EQ(measure_difference(Tensor::from_values<std::string>({2}, {"a", "c"}), texts).differing, 1);
  EXPECT_EQ(measure_difference(texts, reference).mismatch, "type string, not int64");
}

}  // namespace
}  // namespace attune
