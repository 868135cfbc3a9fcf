#include "optimize/pattern.h"

#include "optimize/optimize_testing.h"

namespace attune::optimize {
namespace {

const Shape kShape{2, 8};

TEST(Pattern, FindsNamesThroughCommutedOperands) {
  GraphMaker make;
  Value* x = make.input("x", kShape);
  Value* s = make.op("Sigmoid", {x}, {}, kShape);
  make.output(make.op("Mul", {s, x}, {}, kShape));
  const Pattern swish = op("Mul", {any("x"), op("Sigmoid", {any("x")}).as("gate")});
  const auto match = swish.match(make.graph, *find_node(make.graph, "Mul"));
  ASSERT_TRUE(match);
  EXPECT_EQ((*match)["x"], x);
  EXPECT_EQ(match->node("gate")->op_type, "Sigmoid");
  EXPECT_EQ(match->nodes().size(), 2U);
  EXPECT_FALSE(match->has("other"));
}

TEST(Pattern, OneNameIsOneValue) {
  GraphMaker make;
  Value* x = make.input("x", kShape);
  Value* y = make.input("y", kShape);
  make.output(make.op("Mul", {y, make.op("Sigmoid", {x}, {}, kShape)}, {}, kShape));
  const Pattern swish = op("Mul", {any("x"), op("Sigmoid", {any("x")})});
  EXPECT_FALSE(swish.match(make.graph, *find_node(make.graph, "Mul")));
}

TEST(Pattern, TakesChoicesBackThatFailLater) {
  GraphMaker make;
  Value* x = make.input("x", kShape);
  Value* y = make.input("y", kShape);
  // Both operands fit the inner pattern at first; only one order leads on.
  Value* a = make.op("Relu", {y}, {}, kShape);
  Value* b = make.op("Relu", {x}, {}, kShape);
  make.output(make.op("Sub", {make.op("Add", {a, b}, {}, kShape), x}, {}, kShape));
  const Pattern pattern = op("Sub", {op("Add", {op("Relu", {any("x")}), op("Relu", {any("y")})}), any("x")});
  const auto match = pattern.match(make.graph, *find_node(make.graph, "Sub"));
  ASSERT_TRUE(match);
  EXPECT_EQ((*match)["x"], x);
  EXPECT_EQ((*match)["y"], y);
}

TEST(Pattern, IntermediatesMustBePrivate) {
  for (const bool as_output : {false, true}) {
    GraphMaker make;
    Value* x = make.input("x", kShape);
    Value* r = make.op("Relu", {x}, {}, kShape);
    make.output(make.op("Neg", {r}, {}, kShape));
    if (as_output) {
      make.output(r);
    } else {
      make.output(make.op("Exp", {r}, {}, kShape));
    }
    Node& root = *find_node(make.graph, "Neg");
    EXPECT_FALSE(op("Neg", {op("Relu", {any()})}).match(make.graph, root));
    EXPECT_TRUE(op("Neg", {op("Relu", {any()}).shared()}).match(make.graph, root));
  }
}

TEST(Pattern, NumbersHaveATolerance) {
  GraphMaker make;
  Value* x = make.input("x", kShape);
  make.output(make.op("Div", {x, make.scalar(1.4142135F)}, {}, kShape));
  Node& root = *find_node(make.graph, "Div");
  EXPECT_TRUE(op("Div", {any(), number(1.41421356237)}).match(make.graph, root));
  EXPECT_FALSE(op("Div", {any(), number(1.4143)}).match(make.graph, root));
  const auto match = op("Div", {any(), number("divisor")}).match(make.graph, root);
  ASSERT_TRUE(match);
  EXPECT_FLOAT_EQ(static_cast<float>(match->number("divisor")), 1.4142135F);
}

TEST(Pattern, AScalarMustNotGiveTheResultItsRank) {
  for (const int rank : {0, 1, 2, 3}) {
    GraphMaker make;
    Value* x = make.input("x", kShape);
    Tensor two = Tensor::from_values<float>(Shape::filled(rank, 1), {2.0F});
    make.output(make.op("Mul", {x, make.graph.add_constant(std::move(two))}, {}, rank <= 2 ? kShape : Shape{1, 2, 8}));
    Node& root = *find_node(make.graph, "Mul");
    EXPECT_EQ(op("Mul", {any(), number(2.0)}).match(make.graph, root).has_value(), rank <= 2);
  }
}

TEST(Pattern, AlternativesConditionsAndDomains) {
  GraphMaker make;
  Value* x = make.input("x", kShape);
  Value* y = make.op("Softmax", {x}, {{"axis", int64_t{-1}}}, kShape);
  make.output(y);
  Node& root = *find_node(make.graph, "Softmax");
  const auto last = [](const Node& node) { return node.attributes.get_int("axis", 0) == -1; };
  const auto first = [](const Node& node) { return node.attributes.get_int("axis", 0) == 0; };
  EXPECT_TRUE(op("Relu|Softmax", {any()}).match(make.graph, root));
  EXPECT_FALSE(op("attune.Softmax", {any()}).match(make.graph, root));
  EXPECT_FALSE(op("Softmax", {any()}).when(first).match(make.graph, root));
  EXPECT_TRUE(either({op("Softmax", {any()}).when(first), op("Softmax", {any()}).when(last)}).match(make.graph, root));
  EXPECT_FALSE(op("Softmax", {}).match(make.graph, root));
  EXPECT_TRUE(op("Softmax", {}).with_more_inputs().match(make.graph, root));
  EXPECT_FALSE(op("Softmax", {any(), any()}).match(make.graph, root));
}

TEST(Pattern, ProductsMatchInEveryOrder) {
  const std::vector<std::vector<int>> orders = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {1, 0, 2}, {0, 2, 1}};
  for (const bool right : {false, true}) {
    for (const auto& order : orders) {
      GraphMaker make;
      Value* x = make.input("x", kShape);
      const std::vector<Value*> factors = {x, make.op("Erf", {x}, {}, kShape), make.scalar(0.5F)};
      const auto factor = [&](int i) { return factors[static_cast<size_t>(order[static_cast<size_t>(i)])]; };
      Value* inner = make.op("Mul", {factor(0), factor(1)}, {}, kShape);
      make.output(right ? make.op("Mul", {factor(2), inner}, {}, kShape)
                        : make.op("Mul", {inner, factor(2)}, {}, kShape));
      const Pattern pattern = product(any("x"), number(0.5), op("Erf", {any("x")}));
      EXPECT_TRUE(pattern.match(make.graph, *make.graph.nodes().back()));
    }
  }
}

}  // namespace
}  // namespace attune::optimize
