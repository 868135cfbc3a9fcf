#include "ops/op_test.h"

namespace attune {
namespace {

TEST(ReverseSequence, Reverses) {
  const std::vector<float> x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  OpTest("ReverseSequence")
      .attribute("time_axis", int64_t{1})
      .attribute("batch_axis", int64_t{0})
      .input<float>({4, 4}, x)
      .input<int64_t>({4}, {1, 2, 3, 4})
      .output<float>({4, 4}, {0, 1, 2, 3, 5, 4, 6, 7, 10, 9, 8, 11, 15, 14, 13, 12})
      .run();
  OpTest("ReverseSequence")
      .input<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .input<int64_t>({2}, {2, 0})
      .output<float>({2, 2, 2}, {5, 6, 3, 4, 1, 2, 7, 8})
      .run();
}

TEST(ReverseSequence, RefusesNonsense) {
  OpTest("ReverseSequence")
      .input<float>({2, 1}, {1, 2})
      .input<int64_t>({1}, {3})
      .fails("Invalid sequence length: 3. Value must be in range [0,2]");
  OpTest("ReverseSequence")
      .input<float>({2, 1}, {1, 2})
      .input<int64_t>({2}, {1, 1})
      .fails("sequence_lens shape must be {1}");
  OpTest("ReverseSequence")
      .attribute("time_axis", int64_t{1})
      .input<float>({2, 1}, {1, 2})
      .input<int64_t>({1}, {1})
      .fails("must be 0 and 1");
}

TEST(Unique, FindsValues) {
  OpTest("Unique")
      .input<float>({6}, {2, 1, 1, 3, 4, 3})
      .output<float>({4}, {1, 2, 3, 4})
      .output<int64_t>({4}, {1, 0, 3, 4})
      .output<int64_t>({6}, {1, 0, 0, 2, 3, 2})
      .output<int64_t>({4}, {2, 1, 2, 1})
      .run();
  OpTest("Unique")
      .attribute("sorted", int64_t{0})
      .input<std::string>({2, 2}, {"b", "a", "a", "b"})
      .output<std::string>({2}, {"b", "a"})
      .output<int64_t>({2}, {0, 1})
      .output<int64_t>({4}, {0, 1, 1, 0})
      .output<int64_t>({2}, {2, 2})
      .run();
  OpTest("Unique").input<int32_t>({0}, {}).output<int32_t>({0}, {}).run();
}

TEST(Unique, FindsSlices) {
  OpTest("Unique")
      .attribute("axis", int64_t{0})
      .input<float>({3, 3}, {1, 0, 0, 1, 0, 0, 2, 3, 4})
      .output<float>({2, 3}, {1, 0, 0, 2, 3, 4})
      .output<int64_t>({2}, {0, 2})
      .output<int64_t>({3}, {0, 0, 1})
      .output<int64_t>({2}, {2, 1})
      .run();
  OpTest("Unique")
      .attribute("axis", int64_t{-1})
      .input<float>({2, 3}, {2, 1, 2, 3, 3, 3})
      .output<float>({2, 2}, {1, 2, 3, 3})
      .run();
}

TEST(Unique, TakesAllNanForOne) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  OpTest("Unique").input<float>({3}, {nan, 1, nan}).output<float>({2}, {1, nan}).output<int64_t>({2}, {1, 0}).run();
}

/// The six boxes of the ONNX page.
Tensor page_boxes() {
  return Tensor::from_values<float>(Shape{1, 6, 4}, {0, 0,  1, 1,  0, 0.1F,  1, 1.1F,  0, -0.1F, 1, 0.9F,
                                                     0, 10, 1, 11, 0, 10.1F, 1, 11.1F, 0, 100,   1, 101});
}

TEST(NonMaxSuppression, KeepsTheBest) {
  const std::vector<float> scores = {0.9F, 0.75F, 0.6F, 0.95F, 0.5F, 0.3F};
  OpTest("NonMaxSuppression")
      .input(page_boxes())
      .input<float>({1, 1, 6}, scores)
      .input<int64_t>({1}, {3})
      .input<float>({1}, {0.5F})
      .input<float>({1}, {0})
      .output<int64_t>({3, 3}, {0, 0, 3, 0, 0, 0, 0, 0, 5})
      .run();
  OpTest("NonMaxSuppression")
      .input(page_boxes())
      .input<float>({1, 1, 6}, scores)
      .input<int64_t>({1}, {2})
      .input<float>({1}, {0.5F})
      .input<float>({1}, {0.4F})
      .output<int64_t>({2, 3}, {0, 0, 3, 0, 0, 0})
      .run();
  OpTest("NonMaxSuppression").input(page_boxes()).input<float>({1, 1, 6}, scores).output<int64_t>({0, 3}, {}).run();
  OpTest("NonMaxSuppression")
      .attribute("center_point_box", int64_t{1})
      .input<float>({1, 3, 4}, {0.5F, 0.5F, 1, 1, 0.5F, 0.6F, 1, 1, 0.5F, 10.5F, 1, 1})
      .input<float>({1, 2, 3}, {0.9F, 0.9F, 0.3F, 0.1F, 0.2F, 0.2F})
      .input<int64_t>({}, {5})
      .input<float>({}, {0.5F})
      .output<int64_t>({4, 3}, {0, 0, 0, 0, 0, 2, 0, 1, 1, 0, 1, 2})
      .run();
}

TEST(NonMaxSuppression, RefusesNonsense) {
  const std::vector<float> scores = {0.9F, 0.75F, 0.6F, 0.95F, 0.5F, 0.3F};
  OpTest("NonMaxSuppression")
      .input(page_boxes())
      .input<float>({1, 1, 6}, scores)
      .input<int64_t>({1}, {3})
      .input<float>({1}, {1.5F})
      .fails("iou_threshold must be in range");
  OpTest("NonMaxSuppression").input(page_boxes()).input<float>({1, 2, 3}, scores).fails("same spatial_dimension");
  OpTest("NonMaxSuppression").input(page_boxes()).input<float>({6}, scores).fails("3D");
}

TEST(Random, HasItsMoments) {
  OpTest uniform("RandomUniform");
  uniform.attribute("shape", std::vector<int64_t>{100, 200})
      .attribute("low", 2.0F)
      .attribute("high", 4.0F)
      .attribute("seed", 1.0F);
  OpTest normal("RandomNormal");
  normal.attribute("shape", std::vector<int64_t>{20000})
      .attribute("mean", 3.0F)
      .attribute("scale", 0.5F)
      .attribute("seed", 1.0F);
  struct Case {
    OpTest* test;
    double deviation;
  };
  for (const Case& c : {Case{&uniform, 2 / std::sqrt(12.0)}, Case{&normal, 0.5}}) {
    const Tensor y = c.test->results()[0];
    ASSERT_EQ(y.elements(), 20000);
    double sum = 0;
    double squares = 0;
    for (const float value : y.values<float>()) {
      sum += value;
      squares += (value - 3.0) * (value - 3.0);
    }
    EXPECT_NEAR(sum / 20000, 3.0, 0.02);
    EXPECT_NEAR(std::sqrt(squares / 20000), c.deviation, 0.02);
    const Tensor again = c.test->results()[0];
    EXPECT_EQ(0, std::memcmp(y.raw(), again.raw(), y.bytes())) << "the seed decides";
  }
  const Tensor bounded = uniform.results()[0];
  for (const float value : bounded.values<float>()) {
    EXPECT_GE(value, 2.0F);
    EXPECT_LE(value, 4.0F);
  }
}

TEST(Random, DiffersWithoutASeed) {
  OpTest test("RandomNormalLike");
  test.attribute("dtype", int64_t{11}).input<int32_t>({2, 3}, std::vector<int32_t>(6, 0));
  const Tensor a = test.results()[0];
  EXPECT_EQ(a.type(), DataType::kDouble);
  EXPECT_EQ(a.shape(), (Shape{2, 3}));
  EXPECT_NE(0, std::memcmp(a.raw(), test.results()[0].raw(), a.bytes()));
}

TEST(Multinomial, DrawsClassesAsOftenAsTheirProbabilitiesSay) {
  const float infinity = std::numeric_limits<float>::infinity();
  OpTest test("Multinomial");
  test.attribute("sample_size", int64_t{20000})
      .attribute("dtype", int64_t{7})
      .attribute("seed", 1.0F)
      .input<float>({2, 3}, {std::log(1.0F), std::log(2.0F), std::log(5.0F), -infinity, 80.0F, infinity});
  const Tensor drawn = test.results()[0];
  ASSERT_EQ(drawn.type(), DataType::kInt64);
  ASSERT_EQ(drawn.shape(), (Shape{2, 20000}));
  int64_t counts[2][3] = {};
  for (int64_t i = 0; i < drawn.elements(); ++i) ++counts[i / 20000][drawn.values<int64_t>()[static_cast<size_t>(i)]];
  EXPECT_NEAR(static_cast<double>(counts[0][0]) / 20000, 1.0 / 8, 0.01);
  EXPECT_NEAR(static_cast<double>(counts[0][1]) / 20000, 2.0 / 8, 0.01);
  EXPECT_EQ(counts[1][1], 20000) << "what is not finite is never drawn";
  const Tensor again = test.results()[0];
  EXPECT_EQ(0, std::memcmp(drawn.raw(), again.raw(), drawn.bytes())) << "the seed decides";
  const Tensor one = OpTest("Multinomial").input<float>({3, 1}, {0, 0, 0}).results()[0];
  EXPECT_EQ(one.type(), DataType::kInt32);
  EXPECT_EQ(one.shape(), (Shape{3, 1}));
  OpTest("Multinomial").input<float>({3}, {0, 0, 0}).fails("rows of classes");
  OpTest("Multinomial").attribute("sample_size", int64_t{0}).input<float>({1, 1}, {0}).fails("0 samples");
  OpTest("Multinomial").attribute("dtype", int64_t{1}).input<float>({1, 1}, {0}).fails("not supported");
}

TEST(Random, RefusesNonsense) {
  OpTest("RandomUniform").fails("'shape' is missing");
  OpTest("RandomUniform").attribute("shape", std::vector<int64_t>{-1}).fails("not concrete");
  OpTest("RandomUniformLike").input<int64_t>({1}, {0}).fails("not supported");
}

}  // namespace
}  // namespace attune
