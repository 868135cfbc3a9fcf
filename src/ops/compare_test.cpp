#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Compare, EveryRelation) {
  struct Row {
    const char* op;
    bool less, equal, greater, unordered;
  };
  for (const Row& row : {Row{"Equal", false, true, false, false}, Row{"Less", true, false, false, false},
                         Row{"LessOrEqual", true, true, false, false}, Row{"Greater", false, false, true, false},
                         Row{"GreaterOrEqual", false, true, true, false}}) {
    const std::vector<bool> expected{row.less, row.equal, row.greater};
    OpTest(row.op).input<int32_t>({3}, {-1, 2, 3}).input<int32_t>({3}, {1, 2, 2}).output<bool>({3}, expected).run();
    OpTest(row.op).input<uint8_t>({3}, {1, 2, 200}).input<uint8_t>({1}, {2}).output<bool>({3}, expected).run();
    OpTest(row.op).input<int64_t>({}, {2}).input<int64_t>({3}, {3, 2, 1}).output<bool>({3}, expected).run();
    OpTest(row.op).input<double>({1, 3}, {1, 2, 3}).input<double>({1, 1}, {2}).output<bool>({1, 3}, expected).run();
    OpTest(row.op)
        .input<float>({3}, {kNaN, 1, kNaN})
        .input<float>({3}, {1, kNaN, kNaN})
        .output<bool>({3}, {row.unordered, row.unordered, row.unordered})
        .run();
    OpTest(row.op).input<float>({0}, {}).input<float>({1}, {1}).output<bool>({0}, {}).run();
    OpTest(row.op).input<float>({2}, {1, 2}).input<float>({3}, {1, 2, 3}).fails("cannot be broadcast");
    OpTest(row.op).input<float>({1}, {1}).input<int32_t>({1}, {1}).fails("bound to different types");
  }
}

TEST(Compare, LongTensors) {
  const Tensor x = random_floats({7, 100}, 1);
  const Tensor y = random_floats({100}, 2);
  Tensor less = Tensor::allocate(DataType::kBool, Shape{7, 100});
  for (size_t i = 0; i < 700; ++i) less.values<bool>()[i] = x.values<float>()[i] < y.values<float>()[i % 100];
  OpTest("Less").input(x).input(y).output(less).run();
}

TEST(Compare, EqualStringsAndBools) {
  OpTest("Equal", 19)
      .input<std::string>({2}, {"a", "b"})
      .input<std::string>({1}, {"a"})
      .output<bool>({2}, {true, false})
      .run();
  OpTest("Equal", 7).input<bool>({2}, {true, false}).input<bool>({}, {false}).output<bool>({2}, {false, true}).run();
  OpTest("Less").input<bool>({1}, {true}).input<bool>({1}, {true}).fails("is invalid");
}

// What exporters write for Expand: Where(shape == -1, ones, shape).
TEST(Compare, SymbolsAreNotNegative) {
  Graph graph;
  graph.opsets[""] = 17;
  const int64_t batch = graph.symbols->fresh("batch");
  Value* shape = graph.add_value("shape", DataType::kInt64, Shape{3});
  shape->elements = Shape{batch, 5, kUnknownDim};
  Value* minus = graph.add_constant(Tensor::from_values<int64_t>(Shape{3}, {-1, -1, -1}));
  Value* ones = graph.add_constant(Tensor::from_values<int64_t>(Shape{3}, {1, 1, 1}));
  Node* equal = graph.add_node("Equal", {shape, minus}, {graph.add_value()});
  infer_node(graph, *equal, *make_node_operator(*equal));
  EXPECT_EQ(equal->output(0)->elements.value_or(Shape{}), (Shape{0, 0, kUnknownDim}));
  Node* where = graph.add_node("Where", {equal->output(0), ones, shape}, {graph.add_value()});
  infer_node(graph, *where, *make_node_operator(*where));
  EXPECT_EQ(where->output(0)->elements.value_or(Shape{}), (Shape{batch, 5, kUnknownDim}));
}

}  // namespace
}  // namespace attune
