#include <bit>
#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int32_t kMin32 = std::numeric_limits<int32_t>::min();
constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();

TEST(Binary, Floats) {
  OpTest("Add").input<float>({2}, {1, 2}).input<float>({2}, {10, 20}).output<float>({2}, {11, 22}).run();
  OpTest("Sub").input<float>({2}, {1, 2}).input<float>({2}, {10, 30}).output<float>({2}, {-9, -28}).run();
  OpTest("Mul").input<float>({2}, {1, 2}).input<float>({2}, {10, 20}).output<float>({2}, {10, 40}).run();
  OpTest("Div").input<float>({3}, {1, 2, 0}).input<float>({3}, {0, 4, 0}).output<float>({3}, {kInf, 0.5, kNaN}).run();
  OpTest("Add", 7).input<double>({2}, {1, 2}).input<double>({1}, {0.5}).output<double>({2}, {1.5, 2.5}).run();
  OpTest("Div").input<double>({}, {1}).input<double>({2}, {4, 0}).output<double>({2}, {0.25, kInf}).run();
}

TEST(Binary, Broadcasts) {
  OpTest("Sub")
      .input<float>({2, 1}, {10, 20})
      .input<float>({3}, {1, 2, 3})
      .output<float>({2, 3}, {9, 8, 7, 19, 18, 17})
      .run();
  OpTest("Mul")
      .input<int64_t>({}, {3})
      .input<int64_t>({2, 2}, {1, 2, 3, 4})
      .output<int64_t>({2, 2}, {3, 6, 9, 12})
      .run();
  OpTest("Add").input<float>({0, 3}, {}).input<float>({3}, {1, 2, 3}).output<float>({0, 3}, {}).run();
  OpTest("Add").input<float>({0}, {}).input<float>({1}, {1}).output<float>({0}, {}).run();
  OpTest("Add").input<float>({2}, {1, 2}).input<float>({3}, {1, 2, 3}).fails("cannot be broadcast");
  OpTest("Add").input<float>({2}, {1, 2}).input<double>({2}, {1, 2}).fails("bound to different types");
  OpTest("Add").input<bool>({1}, {true}).input<bool>({1}, {true}).fails("is invalid");
}

TEST(Binary, IntegersWrapAround) {
  OpTest("Add").input<int8_t>({2}, {127, -128}).input<int8_t>({2}, {1, -1}).output<int8_t>({2}, {-128, 127}).run();
  OpTest("Sub").input<uint8_t>({1}, {3}).input<uint8_t>({1}, {5}).output<uint8_t>({1}, {254}).run();
  OpTest("Mul").input<uint16_t>({1}, {65535}).input<uint16_t>({1}, {65535}).output<uint16_t>({1}, {1}).run();
  OpTest("Mul").input<int32_t>({1}, {kMin32}).input<int32_t>({1}, {-1}).output<int32_t>({1}, {kMin32}).run();
  OpTest("Add").input<uint64_t>({1}, {5}).input<uint64_t>({1}, {6}).output<uint64_t>({1}, {11}).run();
}

TEST(Binary, IntegerDivisionTruncates) {
  OpTest("Div")
      .input<int32_t>({4}, {-7, 7, -7, kMin32})
      .input<int32_t>({4}, {2, -2, -2, -1})
      .output<int32_t>({4}, {-3, -3, 3, kMin32})
      .run();
  OpTest("Div").input<int64_t>({2}, {kMin64, 9}).input<int64_t>({1}, {-1}).output<int64_t>({2}, {kMin64, -9}).run();
  OpTest("Div").input<int8_t>({1}, {-128}).input<int8_t>({1}, {-1}).output<int8_t>({1}, {-128}).run();
  OpTest("Div")
      .input<uint32_t>({1}, {4000000000U})
      .input<uint32_t>({1}, {2})
      .output<uint32_t>({1}, {2000000000U})
      .run();
  OpTest("Div").input<int32_t>({2}, {1, 2}).input<int32_t>({2}, {1, 0}).fails("Integer division by zero");
  OpTest("Div").input<int64_t>({1}, {1}).input<int64_t>({}, {0}).fails("Integer division by zero");
}

TEST(Binary, Mod) {
  OpTest("Mod", 13)
      .input<int32_t>({6}, {-4, 7, 5, 4, -7, 8})
      .input<int32_t>({6}, {2, -3, 8, -2, 3, 5})
      .output<int32_t>({6}, {0, -2, 5, 0, 2, 3})
      .run();
  OpTest("Mod", 13)
      .attribute("fmod", int64_t{1})
      .input<int32_t>({6}, {-4, 7, 5, 4, -7, kMin32})
      .input<int32_t>({6}, {2, -3, 8, -2, 3, -1})
      .output<int32_t>({6}, {0, 1, 5, 0, -1, 0})
      .run();
  OpTest("Mod", 13)
      .attribute("fmod", int64_t{1})
      .input<float>({4}, {-4.3F, 7.2F, 5.0F, 7.0F})
      .input<float>({4}, {2.1F, -3.4F, 8.0F, 0.0F})
      .output<float>({4}, {-0.1F, 0.4F, 5.0F, kNaN})
      .run();
  OpTest("Mod").input<uint8_t>({2}, {7, 200}).input<uint8_t>({2}, {3, 150}).output<uint8_t>({2}, {1, 50}).run();
  OpTest("Mod", 28).input<float>({2}, {-7.5F, 7.5F}).input<float>({2}, {2, -2}).output<float>({2}, {0.5F, -0.5F}).run();
  OpTest("Mod").input<float>({1}, {1}).input<float>({1}, {1}).fails("fmod attribute must be true");
  OpTest("Mod").input<int32_t>({1}, {1}).input<int32_t>({1}, {0}).fails("Integer division by zero");
}

TEST(Binary, Pow) {
  OpTest("Pow").input<float>({3}, {1, 2, 3}).input<float>({3}, {4, 5, 6}).output<float>({3}, {1, 32, 729}).run();
  OpTest("Pow", 7).input<float>({3}, {1, 2, 3}).input<float>({}, {2}).output<float>({3}, {1, 4, 9}).run();
  OpTest("Pow").input<float>({2}, {2, 9}).input<int64_t>({}, {3}).output<float>({2}, {8, 729}).run();
  OpTest("Pow").input<float>({2}, {2, 3}).input<int64_t>({2}, {2, 3}).output<float>({2}, {4, 27}).run();
  OpTest("Pow").input<float>({2}, {-8, 4}).input<float>({1}, {1 / 3.0F}).output<float>({2}, {kNaN, 1.587401F}).run();
  OpTest("Pow").input<double>({2}, {2, 9}).input<float>({1}, {0.5F}).output<double>({2}, {1.4142135623730951, 3}).run();
  // Beyond the type: onnxruntime's values.
  OpTest("Pow")
      .input<int32_t>({4}, {2, -3, 10, 0})
      .input<int32_t>({4}, {31, 3, 20, -1})
      .output<int32_t>({4}, {kMin32, -27, kMin32, kMin32})
      .run();
  OpTest("Pow").input<int32_t>({2}, {70000, 3}).input<int64_t>({1}, {2}).output<int32_t>({2}, {605032704, 9}).run();
  OpTest("Pow").input<int32_t>({2}, {70000, 3}).input<int64_t>({1}, {3}).output<int32_t>({2}, {-383225856, 27}).run();
  OpTest("Pow")
      .input<int64_t>({3}, {2, 3, 10})
      .input<int64_t>({3}, {62, 41, -1})
      .output<int64_t>({3}, {int64_t{1} << 62, kMin64, 0})
      .run();
  OpTest("Pow")
      .input<int32_t>({3}, {2, 3, 10})
      .input<float>({3}, {0.5, 2.7F, kNaN})
      .output<int32_t>({3}, {1, 19, kMin32})
      .run();
}

TEST(Binary, PRelu) {
  OpTest("PRelu").input<float>({3}, {-1, 2, kNaN}).input<float>({1}, {.5}).output<float>({3}, {-0.5, 2, kNaN}).run();
  OpTest("PRelu")
      .input<float>({1, 2, 2, 1}, {-1, 2, -3, -4})
      .input<float>({2, 1, 1}, {2, 10})
      .output<float>({1, 2, 2, 1}, {-2, 2, -30, -40})
      .run();
  OpTest("PRelu").input<int32_t>({2}, {-3, 2}).input<int32_t>({1}, {2}).output<int32_t>({2}, {-6, 2}).run();
  OpTest("PRelu").input<float>({1}, {1}).input<float>({2}, {1, 2}).fails("cannot be broadcast");
  OpTest("PRelu").input<float>({2}, {1, 2}).input<float>({1, 1}, {1}).fails("cannot be broadcast");
}

TEST(Binary, ComputesInPlace) {
  const Tensor x = random_floats({3, 40}, 1);
  const Tensor y = random_floats({40}, 2);
  Graph graph;
  graph.opsets[""] = 17;
  Node* node = graph.add_node("Sub", {graph.add_constant(x), graph.add_constant(y)}, {graph.add_value()});
  const auto op = make_node_operator(*node);
  SerialParallel parallel;
  const Tensor inputs[] = {x, y};
  const Tensor expected = evaluate_prepared(*op, inputs, 1, parallel)[0];
  class InPlace final : public RunContext {
   public:
    using RunContext::RunContext;
    void give_output(int, Tensor) override { FAIL(); }
  };
  const TensorView views[] = {TensorView::of(x), TensorView::of(y)};
  TensorView result[] = {TensorView::of(x)};
  InPlace context(views, result, {}, parallel);
  op->run(context);
  for (size_t i = 0; i < 120; ++i) ASSERT_EQ(x.values<float>()[i], expected.values<float>()[i]);
}

TEST(Binary, ComputesWithSymbolicElements) {
  Graph graph;
  graph.opsets[""] = 17;
  const int64_t batch = graph.symbols->fresh("batch");
  Value* shape = graph.add_value("shape", DataType::kInt64, Shape{3});
  shape->elements = Shape{batch, 7, 10};
  const auto elements_of = [&](std::string_view op_type, std::vector<int64_t> constant, bool constant_first) {
    Value* other = graph.add_constant(
        Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(constant.size())}, std::span<const int64_t>(constant)));
    std::vector<Value*> inputs{shape, other};
    if (constant_first) std::swap(inputs[0], inputs[1]);
    Node* node = graph.add_node(op_type, inputs, {graph.add_value()});
    infer_node(graph, *node, *make_node_operator(*node));
    return node->output(0)->elements.value_or(Shape{});
  };
  EXPECT_EQ(elements_of("Add", {0}, false), (Shape{batch, 7, 10}));
  EXPECT_EQ(elements_of("Add", {-2}, false), (Shape{kUnknownDim, 5, 8}));
  EXPECT_EQ(elements_of("Sub", {1, 8, 1}, true), (Shape{kUnknownDim, 1, kUnknownDim}));
  EXPECT_EQ(elements_of("Mul", {1, 2, 3}, false), (Shape{batch, 14, 30}));
  EXPECT_EQ(elements_of("Mul", {0}, true), (Shape{0, 0, 0}));
  EXPECT_EQ(elements_of("Div", {1, 2, 0}, false), (Shape{batch, 3, kUnknownDim}));
  EXPECT_EQ(elements_of("Mod", {4}, false), (Shape{kUnknownDim, 3, 2}));
}

}  // namespace
}  // namespace attune
