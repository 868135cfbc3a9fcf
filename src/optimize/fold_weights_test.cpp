// Tests of what moves into weights and attributes: normalization, scales, biases, padding.
#include "optimize/optimize_testing.h"

namespace attune {
namespace {

using Counts = std::map<std::string, int>;

std::vector<Value*> normalization(GraphMaker& make, Value* x, int64_t channels) {
  return {x, make.weights({channels}, 0.5F, 1.5F), make.weights({channels}), make.weights({channels}),
          make.weights({channels}, 0.1F, 2.0F)};
}

TEST(FoldBatchNormalization, IntoConvolutionsWithAndWithoutBias) {
  for (const bool with_bias : {false, true}) {
    const auto build = [&](GraphMaker& make) {
      Value* x = make.input("x", {2, 4, 6, 6});
      std::vector<Value*> inputs{x, make.weights({6, 2, 3, 3})};
      if (with_bias) inputs.push_back(make.weights({6}));
      Value* y =
          make.op("Conv", inputs, {{"group", int64_t{2}}, {"strides", std::vector<int64_t>{2, 2}}}, Shape{2, 6, 2, 2});
      make.output(make.op("BatchNormalization", normalization(make, y, 6), {{"epsilon", 1e-3F}}, Shape{2, 6, 2, 2}));
    };
    const Graph graph = check_levels(build, {{"x", {2, 4, 6, 6}}});
    EXPECT_EQ(count_ops(graph), (Counts{{"Conv", 1}}));
    EXPECT_EQ(graph.nodes()[0]->input_count(), 3);
    EXPECT_EQ(graph.nodes()[0]->attributes.get_int("group", 1), 2);
  }
}

TEST(FoldBatchNormalization, IntoTransposedConvolutionAndGemm) {
  const auto transposed = [](GraphMaker& make) {
    Value* x = make.input("x", {1, 4, 3, 3});
    Value* y = make.op("ConvTranspose", {x, make.weights({4, 3, 2, 2})},
                       {{"group", int64_t{2}}, {"strides", std::vector<int64_t>{2, 2}}}, Shape{1, 6, 6, 6});
    make.output(make.op("BatchNormalization", normalization(make, y, 6), {}, Shape{1, 6, 6, 6}));
  };
  EXPECT_EQ(count_ops(check_levels(transposed, {{"x", {1, 4, 3, 3}}})), (Counts{{"ConvTranspose", 1}}));
  for (const int64_t trans_b : {0, 1}) {
    const auto gemm = [&](GraphMaker& make) {
      Value* x = make.input("x", {3, 5});
      Value* w = make.weights(trans_b != 0 ? Shape{4, 5} : Shape{5, 4});
      Value* y = make.op("Gemm", {x, w, make.weights({4})}, {{"transB", trans_b}, {"alpha", 0.5F}, {"beta", 2.0F}},
                         Shape{3, 4});
      make.output(make.op("BatchNormalization", normalization(make, y, 4), {}, Shape{3, 4}));
    };
    EXPECT_EQ(count_ops(check_levels(gemm, {{"x", {3, 5}}})), (Counts{{"FusedMatMul", 1}}));
  }
}

TEST(FoldBatchNormalization, NotWhenTheConvolutionIsReadElsewhere) {
  for (const bool as_output : {false, true}) {
    const auto build = [&](GraphMaker& make) {
      Value* x = make.input("x", {1, 3, 4, 4});
      Value* y = make.op("Conv", {x, make.weights({4, 3, 1, 1})}, {}, Shape{1, 4, 4, 4});
      make.output(make.op("BatchNormalization", normalization(make, y, 4), {}, Shape{1, 4, 4, 4}));
      make.output(as_output ? y : make.op("Neg", {y}, {}, Shape{1, 4, 4, 4}));
    };
    const Graph graph = check_levels(build, {{"x", {1, 3, 4, 4}}});
    EXPECT_EQ(count_ops(graph)["BatchNormalization"], 1);
  }
}

TEST(RecognizeDepthwise, TakesWhatFollowsANormalizationThatStandsAlone) {
  const auto build = [](GraphMaker& make) {
    const Shape shape{2, 20, 5, 3};
    Value* x = make.op("Concat", {make.input("x", {2, 12, 5, 3}), make.input("z", {2, 8, 5, 3})},
                       {{"axis", int64_t{1}}}, shape);
    Value* y = make.op("BatchNormalization", normalization(make, x, 20), {}, shape);
    y = make.op("Mul", {y, make.weights({20, 1, 1})}, {}, shape);
    y = make.op("Add", {y, make.weights({20, 1, 1})}, {}, shape);
    make.output(make.op("Relu", {y}, {}, shape));
    make.output(x);
  };
  const Graph graph = check_levels(build, {{"x", {2, 12, 5, 3}}, {"z", {2, 8, 5, 3}}});
  EXPECT_EQ(count_ops(graph), (Counts{{"Concat", 1}, {"FusedConv", 1}}));
  EXPECT_EQ(find_node(graph, "FusedConv")->attributes.get_int("group", 1), 20);
}

TEST(RecognizeDepthwise, LeavesImagesOfFewChannels) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", {1, 3, 4, 4});
    make.output(make.op("BatchNormalization", normalization(make, x, 3), {}, Shape{1, 3, 4, 4}));
  };
  EXPECT_EQ(count_ops(check_levels(build, {{"x", {1, 3, 4, 4}}})), (Counts{{"BatchNormalization", 1}}));
}

TEST(FoldScaleAndBias, ChainsOfArithmeticWithChannels) {
  const auto build = [](GraphMaker& make) {
    const Shape shape{1, 4, 5, 5};
    Value* x = make.input("x", {1, 3, 5, 5});
    Value* y = make.op("Conv", {x, make.weights({4, 3, 1, 1})}, {}, shape);
    y = make.op("Add", {make.weights({1, 4, 1, 1}), y}, {}, shape);
    y = make.op("Mul", {y, make.weights({4, 1, 1})}, {}, shape);
    y = make.op("Sub", {y, make.scalar(0.25F)}, {}, shape);
    make.output(make.op("Div", {y, make.weights({1}, 1.0F, 2.0F)}, {}, shape));
  };
  EXPECT_EQ(count_ops(check_levels(build, {{"x", {1, 3, 5, 5}}})), (Counts{{"Conv", 1}}));
}

TEST(FoldScaleAndBias, NotAlongOtherAxes) {
  const auto build = [](GraphMaker& make) {
    const Shape shape{1, 4, 4, 4};
    Value* x = make.input("x", {1, 3, 4, 4});
    Value* y = make.op("Conv", {x, make.weights({4, 3, 1, 1})}, {}, shape);
    make.output(make.op("Add", {y, make.weights({4})}, {}, shape));  // along the width
    Value* z = make.op("Conv", {x, make.weights({1, 3, 1, 1})}, {}, Shape{1, 1, 4, 4});
    make.output(make.op("Add", {z, make.weights({1, 4, 1, 1})}, {}, shape));  // widens the result
    Value* w = make.op("Conv", {x, make.weights({4, 3, 1, 1})}, {}, shape);
    make.output(make.op("Sub", {make.scalar(1.0F), w}, {}, shape));  // the constant comes first
  };
  EXPECT_EQ(count_ops(check_levels(build, {{"x", {1, 3, 4, 4}}})), (Counts{{"Conv", 3}, {"Add", 2}, {"Sub", 1}}));
}

TEST(FoldPad, IntoConvolutionsAndPoolings) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", {1, 3, 6, 6});
    const std::vector<int64_t> kernel{3, 3};
    const auto pad = [&](Value* value, const std::vector<int64_t>& pads) {
      return make.op("Pad", {value, make.integers(pads)}, {}, Shape{1, 3, 7, 8});
    };
    make.output(make.op("Conv", {pad(x, {0, 0, 0, 1, 0, 0, 1, 1}), make.weights({4, 3, 3, 3})},
                        {{"pads", std::vector<int64_t>{1, 1, 1, 1}}}, Shape{1, 4, 7, 8}));
    make.output(
        make.op("AveragePool", {pad(x, {0, 0, 1, 1, 0, 0, 0, 1})}, {{"kernel_shape", kernel}}, Shape{1, 3, 5, 6}));
    Value* positive = make.op("Relu", {x}, {}, Shape{1, 3, 6, 6});
    make.output(
        make.op("MaxPool", {pad(positive, {0, 0, 1, 1, 0, 0, 0, 1})}, {{"kernel_shape", kernel}}, Shape{1, 3, 5, 6}));
    make.output(make.op("MaxPool", {pad(x, {0, 0, 1, 2, 0, 0, 0, 0})}, {{"kernel_shape", kernel}}, Shape{1, 3, 5, 6}));
  };
  const Graph graph = check_levels(build, {{"x", {1, 3, 6, 6}}});
  EXPECT_EQ(count_ops(graph)["Pad"], 1);
  const auto pads = find_node(graph, "Conv")->attributes.get_ints("pads");
  EXPECT_EQ(std::vector<int64_t>(pads.begin(), pads.end()), (std::vector<int64_t>{1, 2, 2, 2}));
  EXPECT_EQ(find_node(graph, "AveragePool")->attributes.get_int("count_include_pad", 0), 1);
}

}  // namespace
}  // namespace attune
