#include "graph/symbols.h"
#include "ops/op_test.h"

namespace attune {
namespace {

TEST(ShapeOp, GivesDimensions) {
  OpTest("Shape").input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).output<int64_t>({2}, {2, 3}).run();
  OpTest("Shape").input<float>({}, {1}).output<int64_t>({0}, {}).run();
  OpTest("Shape").input<std::string>({0, 3, 1}, {}).output<int64_t>({3}, {0, 3, 1}).run();
}

TEST(ShapeOp, CutsFromStartToEnd) {
  struct Case {
    int64_t start, end;
    std::vector<int64_t> expected;
  };
  const std::vector<Case> cases = {{1, 100, {3, 4}}, {-1, 100, {4}}, {0, -1, {2, 3}},
                                   {1, 2, {3}},      {2, 1, {}},     {-100, 1, {2}}};
  for (const Case& c : cases) {
    OpTest("Shape", 15)
        .attribute("start", c.start)
        .attribute("end", c.end)
        .input(random_floats({2, 3, 4}, 1))
        .output<int64_t>({static_cast<int64_t>(c.expected.size())}, c.expected)
        .run();
  }
  OpTest("Shape", 13).attribute("start", int64_t{1}).input(random_floats({2, 3}, 1)).output<int64_t>({2}, {2, 3}).run();
}

TEST(SizeOp, CountsElements) {
  OpTest("Size").input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).output<int64_t>({}, {6}).run();
  OpTest("Size").input<float>({}, {1}).output<int64_t>({}, {1}).run();
  OpTest("Size").input<float>({4, 0}, {}).output<int64_t>({}, {0}).run();
}

/// A graph as exporters write shape arithmetic; `last` is the value asked about.
class ShapeArithmetic : public testing::Test {
 protected:
  ShapeArithmetic() {
    graph.opsets[""] = 17;
    batch = graph.symbols->fresh("batch");
    seq = graph.symbols->fresh("seq");
    x = graph.add_value("x", DataType::kFloat, Shape{batch, seq, 768});
    graph.add_input(x);
  }
  Value* integers(std::initializer_list<int64_t> values) {
    return graph.add_constant(Tensor::from_values(Shape{static_cast<int64_t>(values.size())}, values));
  }
  Value* node(std::string_view type, std::vector<Value*> inputs, Attributes attributes = {}) {
    Value* result = graph.add_value();
    graph.add_node(type, std::move(inputs), {result})->attributes = std::move(attributes);
    return result;
  }
  static Attributes with(std::string_view name, AttributeValue value) {
    Attributes attributes;
    attributes.set(name, std::move(value));
    return attributes;
  }

  Graph graph;
  Value* x = nullptr;
  int64_t batch = 0;
  int64_t seq = 0;
};

TEST_F(ShapeArithmetic, SplitsHeadsAsExportersDo) {
  Value* dims = node("Shape", {x});
  Value* index = graph.add_constant(Tensor::scalar<int64_t>(0));
  Value* n = node("Unsqueeze", {node("Gather", {dims, index}), integers({0})});
  Value* s = node("Slice", {dims, integers({1}), integers({2}), integers({0})});
  Value* target = node("Concat", {n, s, integers({12, -1})}, with("axis", int64_t{0}));
  Value* heads = node("Reshape", {x, target});
  Value* swapped = node("Transpose", {heads}, with("perm", std::vector<int64_t>{0, 2, 1, 3}));
  Value* back = node("Reshape", {swapped, node("Shape", {x})});
  Value* tail = node("Slice", {x, integers({0}), node("Slice", {dims, integers({1}), integers({2})}), integers({1})});
  infer_graph(graph);
  EXPECT_EQ(*target->elements, (Shape{batch, seq, 12, kUnknownDim}));
  EXPECT_EQ(*heads->shape, (Shape{batch, seq, 12, 64}));
  EXPECT_EQ(*swapped->shape, (Shape{batch, 12, seq, 64}));
  EXPECT_EQ(*back->shape, (Shape{batch, seq, 768}));
  EXPECT_EQ(*tail->shape, (Shape{batch, seq, 768}));
}

TEST_F(ShapeArithmetic, ExpandsAndSplitsShapes) {
  Value* a = graph.add_value();
  Value* b = graph.add_value();
  graph.add_node("Split", {node("Shape", {x}), integers({2, 1})}, {a, b});
  Value* ones = node("ConstantOfShape", {a});
  Value* expanded = node("Expand", {graph.add_constant(Tensor::scalar(1.0F)), node("Shape", {x})});
  Value* scalar = node("Squeeze", {b, integers({0})});
  Value* filled = node("ConstantOfShape", {integers({3})}, with("value", Tensor::from_values<int64_t>(Shape{1}, {5})));
  infer_graph(graph);
  EXPECT_EQ(*ones->shape, (Shape{batch, seq}));
  EXPECT_EQ(*expanded->shape, (Shape{batch, seq, 768}));
  EXPECT_EQ(*scalar->shape, Shape{});
  EXPECT_EQ(*scalar->elements, Shape{768});
  EXPECT_EQ(*filled->elements, (Shape{5, 5, 5}));
}

TEST_F(ShapeArithmetic, DoesNotTakeNegativeNumbersForSymbols) {
  Value* ends = node("Concat", {integers({5}), integers({-2})}, with("axis", int64_t{0}));
  Value* cut = node("Slice", {x, integers({0, 0}), ends});
  infer_graph(graph);
  EXPECT_EQ(*ends->elements, (Shape{5, kUnknownDim}));
  EXPECT_NE((*cut->shape)[0], batch);
  EXPECT_NE((*cut->shape)[1], seq);
  EXPECT_EQ((*cut->shape)[2], 768);
}

TEST_F(ShapeArithmetic, FlattensWhatCancels) {
  Value* flat = node("Flatten", {x}, with("axis", int64_t{1}));
  Value* merged = node("Reshape", {x, integers({-1, 768})});
  Value* known = node("Reshape", {x, integers({0, 0, -1, 2})});
  infer_graph(graph);
  EXPECT_EQ((*flat->shape)[0], batch);
  EXPECT_FALSE(is_known((*flat->shape)[1]));
  EXPECT_TRUE(is_symbol((*merged->shape)[0]));
  EXPECT_EQ((*merged->shape)[1], 768);
  EXPECT_EQ(*known->shape, (Shape{batch, seq, 384, 2}));
}

}  // namespace
}  // namespace attune
