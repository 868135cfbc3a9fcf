// Tests of the operators that models spell out.
#include <cmath>

#include "optimize/optimize_testing.h"

namespace attune {
namespace {

using Counts = std::map<std::string, int>;
const Shape kShape{2, 3, 4, 8};

/// Checks that what `build` makes of x becomes one operator.
template <class Build>
Graph expect_becomes(std::string_view op_type, Build&& build, int opset = 17) {
  const auto whole = [&](GraphMaker& make) { make.output(build(make, make.input("x", kShape))); };
  Graph graph = check_levels(whole, {{"x", kShape}}, opset);
  EXPECT_EQ(count_ops(graph), (Counts{{std::string(op_type), 1}}));
  return graph;
}

Value* op(GraphMaker& make, std::string_view type, std::vector<Value*> inputs) {
  return make.op(type, std::move(inputs), {}, kShape);
}

Value* relu6(GraphMaker& make, Value* x) { return op(make, "Clip", {x, make.scalar(0.0F), make.scalar(6.0F)}); }

TEST(RecognizeActivations, HardSwishInAllItsForms) {
  const auto ramp = [](GraphMaker& m, Value* x) { return relu6(m, op(m, "Add", {x, m.scalar(3.0F)})); };
  expect_becomes("HardSwish", [&](GraphMaker& m, Value* x) {
    return op(m, "Div", {op(m, "Mul", {x, ramp(m, x)}), m.scalar(6.0F)});
  });
  expect_becomes("HardSwish", [&](GraphMaker& m, Value* x) {
    return op(m, "Mul", {op(m, "Div", {ramp(m, x), m.scalar(6.0F)}), x});
  });
  expect_becomes("HardSwish", [&](GraphMaker& m, Value* x) {
    return op(m, "Mul", {op(m, "Mul", {x, ramp(m, x)}), m.scalar(0.16666667F)});
  });
  expect_becomes("HardSwish", [&](GraphMaker& m, Value* x) {
    return op(m, "Mul", {x, m.op("HardSigmoid", {x}, {{"alpha", 1.0F / 6.0F}}, kShape)});
  });
  expect_becomes("HardSwish", [&](GraphMaker& m, Value* x) {
    Value* clipped = op(m, "Min", {op(m, "Relu", {op(m, "Add", {m.scalar(3.0F), x})}), m.scalar(6.0F)});
    return op(m, "Mul", {x, op(m, "Mul", {clipped, m.scalar(1.0F / 6.0F)})});
  });
}

TEST(RecognizeActivations, HardSigmoidSwishMishAndLeakyRelu) {
  const Graph graph = expect_becomes("HardSigmoid", [](GraphMaker& m, Value* x) {
    return op(m, "Div", {relu6(m, op(m, "Add", {x, m.scalar(3.0F)})), m.scalar(6.0F)});
  });
  EXPECT_FLOAT_EQ(graph.nodes()[0]->attributes.get_float("alpha", 0.0F), 1.0F / 6.0F);
  expect_becomes("Swish", [](GraphMaker& m, Value* x) { return op(m, "Mul", {x, op(m, "Sigmoid", {x})}); });
  const Graph scaled = expect_becomes("Swish", [](GraphMaker& m, Value* x) {
    return op(m, "Mul", {op(m, "Sigmoid", {op(m, "Mul", {x, m.scalar(1.702F)})}), x});
  });
  EXPECT_FLOAT_EQ(scaled.nodes()[0]->attributes.get_float("alpha", 0.0F), 1.702F);
  expect_becomes("Mish", [](GraphMaker& m, Value* x) {
    return op(m, "Mul", {x, op(m, "Tanh", {op(m, "Softplus", {x})})});
  });
  expect_becomes("LeakyRelu", [](GraphMaker& m, Value* x) {
    return op(m, "PRelu", {x, m.graph.add_constant(Tensor::from_values<float>({1, 1, 1}, {0.1F}))});
  });
}

TEST(RecognizeActivations, NotWhenAnotherNodeReadsAnIntermediate) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", kShape);
    Value* gate = op(make, "Sigmoid", {x});
    make.output(op(make, "Mul", {x, gate}), "y");
    make.output(gate, "gate");
  };
  EXPECT_EQ(count_ops(check_levels(build, {{"x", kShape}})), (Counts{{"Mul", 1}, {"Sigmoid", 1}}));
}

TEST(RecognizeGelu, ErfInSeveralOrders) {
  const auto one_plus_erf = [](GraphMaker& m, Value* x) {
    return op(m, "Add", {op(m, "Erf", {op(m, "Div", {x, m.scalar(1.4142135F)})}), m.scalar(1.0F)});
  };
  expect_becomes("Gelu", [&](GraphMaker& m, Value* x) {
    return op(m, "Mul", {op(m, "Mul", {x, one_plus_erf(m, x)}), m.scalar(0.5F)});
  });
  expect_becomes(
      "Gelu",
      [&](GraphMaker& m, Value* x) {
        return op(m, "Mul", {op(m, "Mul", {x, m.scalar(0.5F)}), one_plus_erf(m, x)});
      },
      11);
  expect_becomes("Gelu", [&](GraphMaker& m, Value* x) {
    Value* erf = op(m, "Erf", {op(m, "Mul", {x, m.scalar(0.70710677F)})});
    return op(m, "Mul", {x, op(m, "Mul", {m.scalar(0.5F), op(m, "Add", {m.scalar(1.0F), erf})})});
  });
}

TEST(RecognizeGelu, Tanh) {
  const Graph graph = expect_becomes("Gelu", [](GraphMaker& m, Value* x) {
    Value* cube = op(m, "Pow", {x, m.scalar(3.0F)});
    Value* sum = op(m, "Add", {x, op(m, "Mul", {cube, m.scalar(0.044715F)})});
    Value* tanh = op(m, "Tanh", {op(m, "Mul", {sum, m.scalar(0.79788458F)})});
    return op(m, "Mul", {op(m, "Mul", {x, m.scalar(0.5F)}), op(m, "Add", {tanh, m.scalar(1.0F)})});
  });
  EXPECT_EQ(graph.nodes()[0]->attributes.get_string("approximate", ""), "tanh");
  expect_becomes("Gelu", [](GraphMaker& m, Value* x) {
    Value* square = op(m, "Mul", {x, x});
    Value* poly = op(m, "Add", {op(m, "Mul", {square, m.scalar(0.044715F)}), m.scalar(1.0F)});
    Value* inner = op(m, "Mul", {op(m, "Mul", {x, m.scalar(0.7978846F)}), poly});
    return op(m, "Mul", {m.scalar(0.5F), op(m, "Mul", {x, op(m, "Add", {op(m, "Tanh", {inner}), m.scalar(1.0F)})})});
  });
}

TEST(RecognizeSoftmax, OverOneAxis) {
  const Graph graph = expect_becomes("Softmax", [](GraphMaker& m, Value* x) {
    const std::vector<int64_t> axes{1};
    const Shape reduced{2, 1, 4, 8};
    Value* power = op(m, "Exp", {op(m, "Sub", {x, m.op("ReduceMax", {x}, {{"axes", axes}}, reduced)})});
    return op(m, "Div", {power, m.op("ReduceSum", {power, m.integers(axes)}, {}, reduced)});
  });
  EXPECT_EQ(graph.nodes()[0]->attributes.get_int("axis", 9), 1);
}

struct NormalizationForm {
  bool two_differences;
  bool multiplies;
  bool scale;
  bool bias;
};

class RecognizeLayerNormalization : public testing::TestWithParam<NormalizationForm> {};

TEST_P(RecognizeLayerNormalization, BecomesOneOperator) {
  const NormalizationForm form = GetParam();
  const Graph graph = expect_becomes("LayerNormalization", [&](GraphMaker& m, Value* x) {
    const std::vector<int64_t> axes{-1};
    const Shape reduced{2, 3, 4, 1};
    Value* mean = m.op("ReduceMean", {x}, {{"axes", axes}}, reduced);
    Value* centered = op(m, "Sub", {x, mean});
    Value* again = form.two_differences ? op(m, "Sub", {x, mean}) : centered;
    Value* square = form.multiplies ? op(m, "Mul", {centered, centered}) : op(m, "Pow", {centered, m.scalar(2.0F)});
    Value* variance = m.op("ReduceMean", {square}, {{"axes", axes}}, reduced);
    Value* sum = m.op("Add", {variance, m.scalar(1e-6F)}, {}, reduced);
    Value* y = op(m, "Div", {again, m.op("Sqrt", {sum}, {}, reduced)});
    if (form.scale) y = op(m, "Mul", {y, m.weights({8})});
    if (form.bias) y = op(m, "Add", {m.weights({8}), y});
    return y;
  });
  const Node& node = *graph.nodes()[0];
  EXPECT_EQ(node.input_count(), form.bias ? 3 : 2);
  EXPECT_FLOAT_EQ(node.attributes.get_float("epsilon", 0.0F), 1e-6F);
  EXPECT_EQ(node.version, 17);
}

INSTANTIATE_TEST_SUITE_P(Forms, RecognizeLayerNormalization,
                         testing::Values(NormalizationForm{false, false, true, true},
                                         NormalizationForm{true, false, true, true},
                                         NormalizationForm{false, true, true, false},
                                         NormalizationForm{false, false, false, true},
                                         NormalizationForm{true, true, false, false}));

TEST(RecognizeGlobalPooling, MeansOfImages) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", kShape);
    const std::vector<int64_t> axes{2, 3};
    make.output(make.op("ReduceMean", {x}, {{"axes", axes}}, Shape{2, 3, 1, 1}));
    make.output(make.op("ReduceMean", {x}, {{"axes", axes}, {"keepdims", int64_t{0}}}, Shape{2, 3}));
    make.output(make.op("ReduceMean", {x}, {{"axes", std::vector<int64_t>{1, 2}}}, Shape{2, 1, 1, 8}));
  };
  EXPECT_EQ(count_ops(check_levels(build, {{"x", kShape}})),
            (Counts{{"GlobalAveragePool", 2}, {"Squeeze", 1}, {"ReduceMean", 1}}));
}

TEST(FactorGates, ShortcutsAroundGates) {
  const auto build = [](GraphMaker& make) {
    Value* x = make.input("x", kShape);
    const Shape pooled{2, 3, 1, 1};
    Value* gate = make.op("Sigmoid", {make.op("GlobalAveragePool", {x}, {}, pooled)}, {}, pooled);
    make.output(op(make, "Add", {op(make, "Mul", {gate, x}), x}));
    Value* large = op(make, "Sigmoid", {op(make, "Neg", {x})});
    make.output(op(make, "Add", {x, op(make, "Mul", {x, large})}));
  };
  const Graph graph = check_levels(build, {{"x", kShape}});
  const Node& first = *graph.outputs()[0].value->producer();
  EXPECT_TRUE(first.is("Mul"));
  EXPECT_EQ(*first.input(1)->shape, (Shape{2, 3, 1, 1}));
  EXPECT_TRUE(graph.outputs()[1].value->producer()->is("Add"));
}

TEST(RecognizeChannelShuffle, OfReshapesAroundATranspose) {
  for (const bool swaps_channels : {true, false}) {
    const auto build = [&](GraphMaker& make) {
      Value* x = make.input("x", {2, 20, 4, 3});
      Value* y = make.op("Reshape", {x, make.integers({2, 5, 4, 4, 3})}, {}, Shape{2, 5, 4, 4, 3});
      const std::vector<int64_t> perm =
          swaps_channels ? std::vector<int64_t>{0, 2, 1, 3, 4} : std::vector<int64_t>{0, 3, 2, 1, 4};
      y = make.op("Transpose", {y}, {{"perm", perm}}, swaps_channels ? Shape{2, 4, 5, 4, 3} : Shape{2, 4, 4, 5, 3});
      make.output(make.op("Reshape", {y, make.integers({2, 20, 4, 3})}, {}, Shape{2, 20, 4, 3}));
    };
    const Graph graph = check_levels(build, {{"x", {2, 20, 4, 3}}});
    if (swaps_channels) {
      EXPECT_EQ(count_ops(graph), (Counts{{"ChannelShuffle", 1}}));
      EXPECT_EQ(graph.nodes()[0]->attributes.get_int("groups", 0), 5);
    } else {
      EXPECT_EQ(count_ops(graph)["ChannelShuffle"], 0);
    }
  }
}

}  // namespace
}  // namespace attune
