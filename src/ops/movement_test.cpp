#include "ops/movement.h"

#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

Tensor integers(const std::vector<int64_t>& values) {
  return Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
}

/// Runs one node as a plan does whose shapes were not known before the run, or, with `planned`, known as another one.
class Unplanned final : public RunContext {
 public:
  static Tensor run(std::string_view type, const std::vector<Tensor>& inputs, Attributes attributes = {},
                    Tensor planned = {}) {
    Graph graph;
    std::vector<Value*> values;
    std::vector<TensorView> views;
    for (const Tensor& input : inputs) {
      values.push_back(graph.add_value({}, input.type()));
      views.push_back(TensorView::of(input));
    }
    Node* node = graph.add_node(type, values, {graph.add_value()}, "tested", "", 17);
    node->attributes = std::move(attributes);
    const auto op = make_node_operator(*node);
    infer_node(graph, *node, *op);  // knows types alone
    const Shape unknown{};
    std::vector<TensorView> outputs = {
        planned ? TensorView::of(planned) : TensorView{nullptr, &unknown, node->output(0)->type, Layout::kPlain, 1}};
    Tensor workspace =
        Tensor::allocate(DataType::kUint8, Shape{static_cast<int64_t>(op->workspace_bytes(views, outputs, 1))});
    SerialParallel parallel;
    Unplanned context(views, outputs, {static_cast<std::byte*>(workspace.raw()), workspace.bytes()}, parallel);
    op->run(context);
    return context.given_;
  }

  void give_output(int, Tensor tensor) override { given_ = std::move(tensor); }

 private:
  using RunContext::RunContext;

  Tensor given_;
};

TEST(UnplannedOutput, IsGivenByTheOperator) {
  const Tensor x = random_floats({2, 6}, 1);
  const auto with = [](std::string_view name, AttributeValue value) {
    Attributes attributes;
    attributes.set(name, std::move(value));
    return attributes;
  };
  struct Case {
    std::string type;
    std::vector<Tensor> inputs;
    Attributes attributes;
    Shape expected;
  };
  const std::vector<Case> cases = {
      {"Reshape", {x, integers({3, -1})}, {}, {3, 4}},
      {"Squeeze", {x.reshaped({2, 1, 6}), integers({1})}, {}, {2, 6}},
      {"Unsqueeze", {x, integers({0})}, {}, {1, 2, 6}},
      {"Expand", {x, integers({3, 1, 1})}, {}, {3, 2, 6}},
      {"ConstantOfShape", {integers({2, 1})}, {}, {2, 1}},
      {"Slice", {x, integers({1}), integers({3}), integers({1})}, {}, {2, 2}},
      {"Concat", {x, x}, with("axis", int64_t{1}), {2, 12}},
      {"Split", {x}, {}, {2, 6}},
      {"Transpose", {x}, {}, {6, 2}},
      {"Gather", {x, integers({1})}, {}, {1, 6}},
      {"GatherElements", {x, integers({1, 0}).reshaped({1, 2})}, {}, {1, 2}},
      {"GatherND", {x, integers({1})}, {}, {6}},
      {"Tile", {x, integers({2, 1})}, {}, {4, 6}},
      {"Pad", {x, integers({0, 1, 0, 0})}, {}, {2, 7}},
      {"Range", {Tensor::scalar(1.0F), Tensor::scalar(4.0F), Tensor::scalar(1.0F)}, {}, {3}},
      {"OneHot", {integers({1}), integers({3}), Tensor::from_values<float>(Shape{2}, {0, 1})}, {}, {1, 3}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type);
    const Tensor y = Unplanned::run(c.type, c.inputs, c.attributes);
    EXPECT_EQ(y.shape(), c.expected) << y.shape().to_string();
    EXPECT_EQ(y.type(), DataType::kFloat);
  }
}

TEST(UnplannedOutput, ContradictingThePlanIsRefused) {
  const Tensor x = random_floats({2, 6}, 1);
  EXPECT_THROW(Unplanned::run("Expand", {x, integers({3, 1, 1})}, {}, random_floats({2, 6}, 1)), Error);
  EXPECT_THROW(Unplanned::run("Tile", {x, integers({2, 2})}, {}, random_floats({2, 6}, 1)), Error);
  EXPECT_THROW(Unplanned::run("Slice", {x, integers({0}), integers({1})}, {}, random_floats({2, 6}, 1)), Error);
}

TEST(Movement, ChecksElements) {
  EXPECT_EQ(ops::element_of(DataType::kComplex128), kernels::Element::k16Bytes);
  EXPECT_EQ(ops::element_of(DataType::kString), kernels::Element::kString);
  EXPECT_THROW(ops::element_of(DataType::kUndefined), Error);
  EXPECT_EQ(ops::strides_of(Shape{2, 3, 4}), (Shape{12, 4, 1}));
}

TEST(Movement, PiecesThatBeginWithinABlock) {
  BlockedTest joined("Concat", 13);
  joined.attribute("axis", int64_t{1});
  for (const int64_t channels : {24, 3, 17, 16, 8}) {
    joined.blocked(random_floats({2, channels, 3, 5}, static_cast<uint32_t>(channels)));
  }
  joined.expect(Layout::kBlocked, Layout::kBlocked);
  BlockedTest("Split", 13)
      .attribute("axis", int64_t{1})
      .blocked(random_floats({2, 68, 3, 5}, 1))
      .constant(integers({24, 3, 17, 16, 8}))
      .expect(Layout::kBlocked, Layout::kBlocked, 5);
}

}  // namespace
}  // namespace attune
