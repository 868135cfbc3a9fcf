#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

Tensor counted(const Shape& shape) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  float next = 0;
  for (float& value : tensor.values<float>()) value = next++;
  return tensor;
}

TEST(Reshape, TakesTheTarget) {
  struct Case {
    Shape from;
    std::vector<int64_t> target;
    Shape to;
  };
  const std::vector<Case> cases = {
      {{2, 3, 4}, {4, 2, 3}, {4, 2, 3}},
      {{2, 3, 4}, {2, -1}, {2, 12}},
      {{2, 3, 4}, {0, -1}, {2, 12}},
      {{2, 3, 4}, {-1}, {24}},
      {{2, 3, 4}, {2, 0, 4, 1}, {2, 3, 4, 1}},
      {{1}, {}, {}},
      {{}, {1, 1}, {1, 1}},
      {{0, 3}, {3, 0, 5}, {}},
      {{0, 3}, {0, 3}, {0, 3}},
      {{0, 3}, {3, -1}, {3, 0}},
      {{0, 1, 5}, {0, -1, 1}, {0, 5, 1}},
      {{0, 4, 6}, {0, 3, -1}, {0, 3, 8}},
      {{0, 0, 5}, {0, -1}, {0, 0}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.from.to_string());
    OpTest test("Reshape");
    const auto count = static_cast<int64_t>(c.target.size());
    test.input(counted(c.from)).input<int64_t>({count}, c.target);
    if (c.from == Shape{0, 3} && count == 3) {
      test.fails("cannot be reshaped");  // 0 copies dimension 1, which is 3: 45 elements
    } else {
      test.output(counted(c.to)).run();
    }
  }
}

TEST(Reshape, KeepsZerosOnRequest) {
  OpTest("Reshape", 14)
      .attribute("allowzero", int64_t{1})
      .input<float>({0, 3, 4}, {})
      .input<int64_t>({3}, {3, 4, 0})
      .output<float>({3, 4, 0}, {})
      .run();
  OpTest("Reshape", 14)
      .attribute("allowzero", int64_t{1})
      .input<float>({0, 3}, {})
      .input<int64_t>({2}, {0, -1})
      .fails("both 0 and -1");
}

TEST(Reshape, RefusesWhatDoesNotFit) {
  OpTest("Reshape")
      .input(counted({2, 3}))
      .input<int64_t>({1}, {4})
      .fails("cannot be reshaped to the requested shape. Input shape:{2,3}, requested shape:{4}");
  OpTest("Reshape").input(counted({2, 3})).input<int64_t>({2}, {4, -1}).fails("cannot be reshaped");
  OpTest("Reshape").input<float>({0, 5}, {}).input<int64_t>({3}, {0, 2, -1}).fails("cannot be reshaped");
  OpTest("Reshape").input(counted({2, 3})).input<int64_t>({2}, {-1, -1}).fails("At most one dimension");
  OpTest("Reshape").input(counted({2, 3})).input<int64_t>({2}, {-2, 3}).fails("less than -1");
  OpTest("Reshape").input(counted({2, 3})).input<int64_t>({3}, {2, 3, 0}).fails("exceeds the dimension size");
  OpTest("Reshape").input(counted({2, 3})).input<int64_t>({2}, {int64_t{1} << 40, int64_t{1} << 40}).fails("too many");
}

TEST(Reshape, FindsAnEmptyTargetWithoutItsElements) {
  Graph graph;
  graph.opsets[""] = 17;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2, 3});
  Value* target = graph.add_value("target", DataType::kInt64, Shape{0});
  const Node* node = graph.add_node("Reshape", {x, target}, {graph.add_value("y")});
  EXPECT_THROW(infer_node(graph, *node, *make_node_operator(*node)), Error);
}

TEST(Reshape, MovesEveryType) {
  OpTest("Reshape")
      .input<std::string>({2}, {"a", "b"})
      .input<int64_t>({2}, {2, 1})
      .output<std::string>({2, 1}, {"a", "b"})
      .run();
  OpTest("Reshape")
      .input<bool>({2}, {true, false})
      .input<int64_t>({2}, {1, 2})
      .output<bool>({1, 2}, {true, false})
      .run();
  OpTest("Reshape").input<int64_t>({2}, {3, -1}).input<int64_t>({1}, {2}).output<int64_t>({2}, {3, -1}).run();
}

TEST(Reshape, ReadsBlocksOfOnePixel) {
  const int64_t block = kernels::block_channels();
  BlockedTest("Reshape")
      .blocked(random_floats({2, 2 * block, 1, 1}, 1))
      .constant(Tensor::from_values<int64_t>(Shape{2}, {2, 2 * block}))
      .expect(Layout::kBlocked, Layout::kPlain);
  BlockedTest("Reshape")
      .blocked(random_floats({2, block + 1, 1, 1}, 1))
      .constant(Tensor::from_values<int64_t>(Shape{2}, {2, -1}))
      .expect(Layout::kPlain, Layout::kPlain);
}

TEST(Flatten, MakesMatrices) {
  struct Case {
    int64_t axis;
    Shape to;
  };
  for (const Case& c :
       std::vector<Case>{{0, {1, 24}}, {1, {2, 12}}, {2, {6, 4}}, {3, {24, 1}}, {-1, {6, 4}}, {-3, {1, 24}}}) {
    OpTest("Flatten").attribute("axis", c.axis).input(counted({2, 3, 4})).output(counted(c.to)).run();
  }
  OpTest("Flatten").input(counted({2, 3, 4})).output(counted({2, 12})).run();
  OpTest("Flatten").attribute("axis", int64_t{0}).input<float>({}, {7}).output<float>({1, 1}, {7}).run();
  OpTest("Flatten").attribute("axis", int64_t{4}).input(counted({2, 3, 4})).fails("not in valid range");
}

TEST(Squeeze, DropsAxes) {
  OpTest("Squeeze").input(counted({1, 3, 1, 5})).input<int64_t>({1}, {0}).output(counted({3, 1, 5})).run();
  OpTest("Squeeze").input(counted({1, 3, 1, 5})).input<int64_t>({2}, {-2, 0}).output(counted({3, 5})).run();
  OpTest("Squeeze").input(counted({1, 3, 1, 5})).output(counted({3, 5})).run();
  OpTest("Squeeze", 11)
      .attribute("axes", std::vector<int64_t>{2})
      .input(counted({1, 3, 1}))
      .output(counted({1, 3}))
      .run();
  OpTest("Squeeze", 11).input(counted({1, 3, 1})).output(counted({3})).run();
  OpTest("Squeeze").input(counted({1})).input<int64_t>({0}, {}).output(counted({1})).run();
  OpTest("Squeeze").input<int64_t>({1}, {4}).output<int64_t>({}, {4}).run();
}

TEST(Squeeze, RefusesOtherDimensions) {
  OpTest("Squeeze")
      .input(counted({1, 3}))
      .input<int64_t>({1}, {1})
      .fails("Dimension of input 1 must be 1 instead of 3");
  OpTest("Squeeze").input(counted({1, 3})).input<int64_t>({1}, {2}).fails("axis 2 is not in valid range");
}

TEST(Unsqueeze, AddsAxes) {
  OpTest("Unsqueeze").input(counted({3, 4})).input<int64_t>({1}, {0}).output(counted({1, 3, 4})).run();
  OpTest("Unsqueeze").input(counted({3, 4})).input<int64_t>({3}, {2, 4, -5}).output(counted({1, 3, 1, 4, 1})).run();
  OpTest("Unsqueeze").input<int64_t>({}, {4}).input<int64_t>({1}, {0}).output<int64_t>({1}, {4}).run();
  OpTest("Unsqueeze", 11).attribute("axes", std::vector<int64_t>{1}).input(counted({3})).output(counted({3, 1})).run();
}

TEST(Unsqueeze, RefusesWrongAxes) {
  OpTest("Unsqueeze").input(counted({3, 4})).input<int64_t>({2}, {0, 0}).fails("duplicate axis");
  OpTest("Unsqueeze").input(counted({3, 4})).input<int64_t>({1}, {3}).fails("not in valid range");
  OpTest("Unsqueeze", 11).input(counted({3})).fails("'axes' is missing");
}

}  // namespace
}  // namespace attune
