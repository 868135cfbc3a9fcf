// Tests of the fusions: convolutions, products, normalization of sums, transposes, attention.
#include "optimize/optimize_testing.h"

namespace attune {
namespace {

using Counts = std::map<std::string, int>;

TEST(FuseConv, ResidualThenActivation) {
  const Shape shape{1, 4, 5, 5};
  const auto build = [&](GraphMaker& make) {
    Value* x = make.input("x", shape);
    Value* first = make.op("Conv", {x, make.weights({4, 4, 1, 1}), make.weights({4})}, {}, shape);
    Value* second = make.op("Conv", {make.op("Relu", {first}, {}, shape), make.weights({4, 4, 1, 1})}, {}, shape);
    make.output(make.op("Relu", {make.op("Add", {x, second}, {}, shape)}, {}, shape), "y");
  };
  const Graph graph = check_levels(build, {{"x", shape}});
  EXPECT_EQ(count_ops(graph), (Counts{{"FusedConv", 2}}));
  const Node& last = *graph.nodes()[1];
  EXPECT_EQ(last.input_count(), 4);
  EXPECT_EQ(last.input(2), nullptr);
  EXPECT_EQ(last.input(3), graph.inputs()[0]);
  EXPECT_EQ(last.attributes.get_string("activation", ""), "Relu");
  EXPECT_EQ(graph.outputs()[0].name, "y");
}

TEST(FuseConv, TheLaterOfTwoConvolutionsTakesTheSum) {
  const Shape shape{1, 4, 5, 5};
  for (const char* sum : {"Add", "Sum"}) {
    const auto build = [&](GraphMaker& make) {
      Value* x = make.input("x", shape);
      Value* early = make.op("Conv", {x, make.weights({4, 4, 1, 1})}, {}, shape);
      Value* late = make.op("Conv", {make.op("Sigmoid", {x}, {}, shape), make.weights({4, 4, 1, 1})}, {}, shape);
      make.output(make.op(sum, {early, late}, {}, shape));
    };
    const Graph graph = check_levels(build, {{"x", shape}});
    EXPECT_EQ(count_ops(graph), (Counts{{"Conv", 1}, {"FusedConv", 1}, {"Sigmoid", 1}}));
    EXPECT_TRUE(find_node(graph, "FusedConv")->input(0)->producer()->is("Sigmoid"));
  }
}

TEST(FuseConv, NoResidualOfAnotherShapeOrOfAnOutput) {
  const Shape shape{1, 4, 5, 5};
  const auto build = [&](GraphMaker& make) {
    Value* x = make.input("x", shape);
    Value* z = make.input("z", {1, 4, 1, 5});
    Value* a = make.op("Conv", {x, make.weights({4, 4, 1, 1})}, {}, shape);
    make.output(make.op("Add", {a, z}, {}, shape));
    Value* b = make.op("Conv", {x, make.weights({4, 4, 1, 1})}, {}, shape);
    make.output(b, "b");
    make.output(make.op("Relu", {b}, {}, shape), "relu_b");
  };
  const Graph graph = check_levels(build, {{"x", shape}, {"z", {1, 4, 1, 5}}});
  EXPECT_EQ(count_ops(graph), (Counts{{"Conv", 2}, {"Add", 1}, {"Relu", 1}}));
}

TEST(FuseConv, SymbolsProveShapes) {
  for (const bool same : {false, true}) {
    GraphMaker make;
    const int64_t width = make.dim("W");
    const Shape shape{1, 4, 5, width};
    Value* x = make.input("x", {1, 4, 5, same ? width : make.dim("W")});
    Value* y = make.input("y", shape);
    Value* conv = make.op("Conv", {y, make.weights({4, 4, 1, 1})}, {}, shape);
    make.output(make.op("Add", {x, conv}, {}, Shape{1, 4, 5, make.graph.symbols->fresh()}));
    optimize_checked(make.graph, OptimizationLevel::kAll, true);
    EXPECT_EQ(count_ops(make.graph), same ? (Counts{{"FusedConv", 1}}) : (Counts{{"Add", 1}, {"Conv", 1}}));
  }
}

TEST(FuseConv, ParametersOfActivations) {
  const Shape shape{1, 4, 5, 5};
  const auto build = [&](GraphMaker& make) {
    Value* x = make.input("x", shape);
    const auto conv = [&](Value* value) { return make.op("Conv", {value, make.weights({4, 4, 1, 1})}, {}, shape); };
    Value* a = make.op("Clip", {conv(x), make.scalar(0.0F), make.scalar(6.0F)}, {}, shape);
    Value* b = make.op("LeakyRelu", {conv(a)}, {{"alpha", 0.1F}}, shape);
    Value* c = conv(b);
    Value* d = make.op("Mul", {c, make.op("HardSigmoid", {c}, {{"alpha", 1.0F / 6.0F}}, shape)}, {}, shape);
    Value* e = make.op("ConvTranspose", {d, make.weights({4, 4, 1, 1})}, {}, shape);
    make.output(make.op("Clip", {e, make.scalar(0.0F)}, {}, shape));
  };
  const Graph graph = check_levels(build, {{"x", shape}});
  EXPECT_EQ(count_ops(graph), (Counts{{"FusedConv", 3}, {"FusedConvTranspose", 1}}));
  const auto activation = [&](size_t i) { return graph.nodes()[i]->attributes.get_string("activation", ""); };
  EXPECT_EQ(activation(0), "Clip");
  EXPECT_EQ(graph.nodes()[0]->attributes.get_float("activation_beta", 0.0F), 6.0F);
  EXPECT_EQ(activation(1), "LeakyRelu");
  EXPECT_EQ(graph.nodes()[1]->attributes.get_float("activation_alpha", 0.0F), 0.1F);
  EXPECT_EQ(activation(2), "HardSwish");
  EXPECT_EQ(activation(3), "Relu");
}

TEST(FuseMatMul, ScaleBiasResidualActivation) {
  const Shape shape{2, 3, 4};
  const auto build = [&](GraphMaker& make) {
    Value* x = make.input("x", {2, 3, 5});
    Value* z = make.input("z", shape);
    Value* y = make.op("MatMul", {x, make.weights({5, 4})}, {}, shape);
    y = make.op("Div", {y, make.scalar(2.0F)}, {}, shape);
    y = make.op("Add", {make.weights({4}), y}, {}, shape);
    y = make.op("Add", {z, y}, {}, shape);
    make.output(make.op("Tanh", {y}, {}, shape));
  };
  const Graph graph = check_levels(build, {{"x", {2, 3, 5}}, {"z", shape}});
  ASSERT_EQ(count_ops(graph), (Counts{{"FusedMatMul", 1}}));
  const Node& node = *graph.nodes()[0];
  EXPECT_EQ(node.attributes.get_float("scale", 1.0F), 0.5F);
  EXPECT_EQ(node.input(3), graph.inputs()[1]);
  EXPECT_EQ(node.attributes.get_string("activation", ""), "Tanh");
}

TEST(FuseMatMul, NoResidualOfAScaledProductOfActivations) {
  // Long enough that sums over parts of k wait in the result, where the residual would be.
  const Shape shape{6, 40};
  const auto build = [&](GraphMaker& make) {
    Value* a = make.input("a", {6, 1000});
    Value* b = make.input("b", {1000, 40});
    Value* z = make.op("Abs", {make.input("z", shape)}, {}, shape);
    Value* y = make.op("Mul", {make.op("MatMul", {a, b}, {}, shape), make.scalar(0.5F)}, {}, shape);
    make.output(make.op("Add", {y, z}, {}, shape));
  };
  const Graph graph = check_levels(build, {{"a", {6, 1000}}, {"b", {1000, 40}}, {"z", shape}});
  EXPECT_EQ(count_ops(graph), (Counts{{"FusedMatMul", 1}, {"Abs", 1}, {"Add", 1}}));
}

TEST(FuseMatMul, TransposesAndScalesOfOperands) {
  const auto build = [](GraphMaker& make) {
    Value* a = make.input("a", {2, 3, 5});
    Value* b = make.input("b", {2, 4, 5});
    const std::vector<int64_t> perm{0, 2, 1};
    Value* scaled = make.op("Mul", {a, make.scalar(0.5F)}, {}, Shape{2, 3, 5});
    Value* turned = make.op("Transpose", {b}, {{"perm", perm}}, Shape{2, 5, 4});
    make.output(make.op("MatMul", {scaled, turned}, {}, Shape{2, 3, 4}));
  };
  const Graph graph = check_levels(build, {{"a", {2, 3, 5}}, {"b", {2, 4, 5}}});
  ASSERT_EQ(count_ops(graph), (Counts{{"FusedMatMul", 1}}));
  EXPECT_EQ(graph.nodes()[0]->attributes.get_int("trans_b", 0), 1);
  EXPECT_EQ(graph.nodes()[0]->attributes.get_float("scale", 1.0F), 0.5F);
}

TEST(FuseMatMul, GemmWithOneRowOfBias) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", {3, 5});
    Value* y = make.op("Gemm", {x, make.weights({4, 5}), make.weights({1, 4})},
                       {{"transB", int64_t{1}}, {"beta", 0.5F}}, Shape{3, 4});
    make.output(make.op("Relu", {y}, {}, Shape{3, 4}));
    make.output(make.op("Gemm", {x, make.weights({5, 4}), make.weights({3, 1})}, {}, Shape{3, 4}));
  };
  const Graph graph = check_levels(build, {{"x", {3, 5}}});
  EXPECT_EQ(count_ops(graph), (Counts{{"FusedMatMul", 1}, {"Gemm", 1}}));
}

TEST(FuseMatMul, ABiasMustNotWidenTheResult) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", {3, 5});
    Value* y = make.op("MatMul", {x, make.weights({5, 1})}, {}, Shape{3, 1});
    make.output(make.op("Add", {y, make.weights({4})}, {}, Shape{3, 4}));
    Value* z = make.op("MatMul", {x, make.weights({5, 4})}, {}, Shape{3, 4});
    make.output(make.op("Add", {z, make.weights({2, 1, 4})}, {}, Shape{2, 3, 4}));
  };
  const Graph graph = check_levels(build, {{"x", {3, 5}}});
  EXPECT_EQ(count_ops(graph), (Counts{{"MatMul", 2}, {"Add", 2}}));
}

TEST(FuseSkipLayerNormalization, WithTheSumReadElsewhere) {
  const Shape shape{2, 3, 8};
  for (const bool read_elsewhere : {false, true}) {
    const auto build = [&](GraphMaker& make) {
      Value* x = make.input("x", shape);
      Value* skip = make.input("skip", shape);
      Value* sum = make.op("Add", {x, skip}, {}, shape);
      Value* y =
          make.op("LayerNormalization", {sum, make.weights({8}), make.weights({8})}, {{"epsilon", 1e-6F}}, shape);
      make.output(y, "y");
      if (read_elsewhere) make.output(make.op("Relu", {sum}, {}, shape), "relu");
      if (read_elsewhere) make.output(sum, "sum");
    };
    const Graph graph = check_levels(build, {{"x", shape}, {"skip", shape}});
    EXPECT_EQ(count_ops(graph)["SkipLayerNormalization"], 1);
    EXPECT_EQ(count_ops(graph)["Add"], 0);
    EXPECT_EQ(find_node(graph, "SkipLayerNormalization")->output_count(), read_elsewhere ? 2 : 1);
  }
}

TEST(FuseSkipLayerNormalization, NotWithABiasMadeOfTheSum) {
  const Shape shape{8};
  const auto build = [&](GraphMaker& make) {
    Value* sum = make.op("Add", {make.input("x", shape), make.input("skip", shape)}, {}, shape);
    make.output(make.op("LayerNormalization", {sum, make.weights({8}), make.op("Relu", {sum}, {}, shape)}, {}, shape));
  };
  const Graph graph = check_levels(build, {{"x", shape}, {"skip", shape}});
  EXPECT_EQ(count_ops(graph)["SkipLayerNormalization"], 0);
}

Value* transpose(GraphMaker& make, Value* x, const std::vector<int64_t>& perm) {
  Shape shape;
  for (const int64_t axis : perm) shape.push_back((*x->shape)[static_cast<int>(axis)]);
  return make.op("Transpose", {x}, {{"perm", perm}}, shape);
}

TEST(PushTransposes, LayoutChangesMeetAndVanish) {
  const std::vector<int64_t> to_last{0, 2, 3, 1};
  const std::vector<int64_t> to_first{0, 3, 1, 2};
  const Shape nchw{1, 4, 5, 6};
  const Shape nhwc{1, 5, 6, 4};
  const auto build = [&](GraphMaker& make) {
    Value* x = make.input("x", nchw);
    const auto conv = [&](Value* value) {
      Value* y = make.op("Conv", {transpose(make, value, to_first), make.weights({4, 4, 1, 1})}, {}, nchw);
      return transpose(make, y, to_last);
    };
    Value* a = make.op("Relu", {conv(transpose(make, x, to_last))}, {}, nhwc);
    Value* b = conv(a);
    Value* biased = make.op("Add", {b, make.weights({4})}, {}, nhwc);
    Value* sum = make.op("Add", {biased, conv(biased)}, {}, nhwc);
    make.output(
        make.op("ReduceMean", {sum}, {{"axes", std::vector<int64_t>{1, 2}}, {"keepdims", int64_t{0}}}, Shape{1, 4}));
  };
  const Graph graph = check_levels(build, {{"x", nchw}});
  EXPECT_EQ(count_ops(graph)["Transpose"], 0);
  EXPECT_EQ(count_ops(graph)["FusedConv"], 2);
  EXPECT_EQ(count_ops(graph)["GlobalAveragePool"], 1);
}

TEST(PushTransposes, ThroughConcatAndConstants) {
  const std::vector<int64_t> to_last{0, 2, 3, 1};
  const auto build = [&](GraphMaker& make) {
    Value* x = make.input("x", {1, 4, 5, 6});
    Value* y = make.input("y", {1, 3, 5, 6});
    Value* joined = make.op("Concat", {transpose(make, x, to_last), transpose(make, y, to_last)},
                            {{"axis", int64_t{3}}}, Shape{1, 5, 6, 7});
    Value* scaled = make.op("Mul", {joined, make.weights({1, 1, 7})}, {}, Shape{1, 5, 6, 7});
    make.output(transpose(make, scaled, {0, 3, 1, 2}));
  };
  const Graph graph = check_levels(build, {{"x", {1, 4, 5, 6}}, {"y", {1, 3, 5, 6}}});
  EXPECT_EQ(count_ops(graph), (Counts{{"Concat", 1}, {"Mul", 1}}));
  EXPECT_EQ(find_node(graph, "Concat")->attributes.get_int("axis", 0), 1);
}

struct AttentionForm {
  bool packed;
  bool scale_query;
  bool masked;
  bool key_in_two_steps;
};

class FuseAttention : public testing::TestWithParam<AttentionForm> {};

constexpr int64_t kHeads = 2;
constexpr int64_t kSize = 3;
constexpr int64_t kWidth = kHeads * kSize;

/// Q, K^T and V of [batch, 4 tokens, 6] tokens.
std::array<Value*, 3> split_heads(GraphMaker& make, Value* x, const AttentionForm& form, int64_t batch) {
  const Shape split{batch, kHeads, 4, kSize};
  const Shape turned{batch, kHeads, kSize, 4};
  std::array<Value*, 3> heads{};
  if (form.packed) {
    Value* all = make.op("MatMul", {x, make.weights({kWidth, 3 * kWidth})}, {}, Shape{batch, 4, 3 * kWidth});
    all = make.op("Add", {all, make.weights({3 * kWidth})}, {}, Shape{batch, 4, 3 * kWidth});
    all = make.op("Reshape", {all, make.integers({0, -1, 3, kHeads, kSize})}, {}, Shape{batch, 4, 3, kHeads, kSize});
    all = transpose(make, all, {2, 0, 3, 1, 4});
    for (int64_t i = 0; i < 3; ++i) {
      Value* slab = make.op("Slice", {all, make.integers({i}), make.integers({i + 1}), make.integers({0})}, {},
                            Shape{1, batch, kHeads, 4, kSize});
      heads[static_cast<size_t>(i)] = make.op("Squeeze", {slab, make.integers({0})}, {}, split);
    }
    heads[1] = make.op("Transpose", {heads[1]}, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}}, turned);
    return heads;
  }
  for (size_t i = 0; i < 3; ++i) {
    Value* part = make.op("MatMul", {x, make.weights({kWidth, kWidth})}, {}, Shape{batch, 4, kWidth});
    part = make.op("Add", {part, make.weights({kWidth})}, {}, Shape{batch, 4, kWidth});
    part = make.op("Reshape", {part, make.integers({0, -1, kHeads, kSize})}, {}, Shape{batch, 4, kHeads, kSize});
    if (i == 1 && !form.key_in_two_steps) {
      heads[i] = transpose(make, part, {0, 2, 3, 1});
    } else {
      heads[i] = transpose(make, part, {0, 2, 1, 3});
      if (i == 1) heads[i] = transpose(make, heads[i], {0, 1, 3, 2});
    }
  }
  return heads;
}

TEST_P(FuseAttention, BecomesOneOperator) {
  const AttentionForm form = GetParam();
  const auto build = [&](GraphMaker& make) {
    const int64_t batch = 2;
    Value* x = make.input("x", {batch, 4, kWidth});
    const Shape scores_shape{batch, kHeads, 4, 4};
    auto [query, key, value] = split_heads(make, x, form, batch);
    if (form.scale_query) query = make.op("Mul", {query, make.scalar(0.577F)}, {}, Shape{batch, kHeads, 4, kSize});
    Value* scores = make.op("MatMul", {query, key}, {}, scores_shape);
    if (!form.scale_query) scores = make.op("Div", {scores, make.scalar(1.732F)}, {}, scores_shape);
    if (form.masked) {
      Value* mask = make.input("mask", {batch, 1, 1, 4});
      scores = make.op("Add", {scores, mask}, {}, scores_shape);
    }
    Value* weights = make.op("Softmax", {scores}, {{"axis", int64_t{3}}}, scores_shape);
    Value* mixed = make.op("MatMul", {weights, value}, {}, Shape{batch, kHeads, 4, kSize});
    Value* joined = make.op("Reshape", {transpose(make, mixed, {0, 2, 1, 3}), make.integers({0, -1, kWidth})}, {},
                            Shape{batch, 4, kWidth});
    make.output(make.op("MatMul", {joined, make.weights({kWidth, 5})}, {}, Shape{batch, 4, 5}));
  };
  std::map<std::string, Shape> shapes{{"x", {2, 4, kWidth}}};
  if (form.masked) shapes["mask"] = Shape{2, 1, 1, 4};
  const Graph graph = check_levels(build, shapes, 13);
  EXPECT_EQ(count_ops(graph), (Counts{{"FusedMatMul", 3}, {"FusedAttention", 1}, {"MatMul", 1}}));
  const Node& node = *find_node(graph, "FusedAttention");
  EXPECT_EQ(node.input_count(), form.masked ? 4 : 3);
  EXPECT_EQ(node.attributes.get_int("num_heads", 0), kHeads);
  EXPECT_NEAR(node.attributes.get_float("scale", 0.0F), 0.577F, 1e-3F);
}

INSTANTIATE_TEST_SUITE_P(Forms, FuseAttention,
                         testing::Values(AttentionForm{false, false, true, false},
                                         AttentionForm{false, true, false, true},
                                         AttentionForm{true, true, false, false},
                                         AttentionForm{true, false, true, false}));

}  // namespace
}  // namespace attune
