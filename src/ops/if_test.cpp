#include "ops/graph_test.h"

namespace attune {
namespace {

/// y = c ? x + w : transpose(x), x and w captured.
void build_if(Graph& graph) {
  Value* c = add_test_input(graph, "c", DataType::kBool, 0);
  Value* x = add_test_input(graph, "x", DataType::kFloat, 2);
  Value* w = graph.add_constant(floats({2}, {10, 20}), "w");
  Value* y = graph.add_value("y");
  Node* node = graph.add_node("If", {c}, {y}, "if");
  Value* inner_x[2] = {};
  Value* inner_w = nullptr;
  node->attributes.set("then_branch", make_test_body(graph, [&](Graph& body) {
                         inner_x[0] = body.add_value("x");
                         inner_w = body.add_value("w");
                         body.add_output(add_test_node(body, "Add", {inner_x[0], inner_w}));
                       }));
  node->attributes.set("else_branch", make_test_body(graph, [&](Graph& body) {
                         inner_x[1] = body.add_value("x");
                         body.add_output(add_test_node(body, "Transpose", {inner_x[1]}));
                       }));
  graph.add_captured(node, x, inner_x);
  Value* only_then[] = {inner_w, nullptr};
  graph.add_captured(node, w, only_then);
  graph.add_output(y);
}

TEST(If, TakesTheBranchOfItsCondition) {
  const Tensor x = floats({1, 2}, {1, 2});
  const auto yes = GraphTest(build_if).feed(Tensor::scalar(true)).feed(x).run();
  GraphTest::expect_equal(yes[0], floats({1, 2}, {11, 22}));
  const auto no = GraphTest(build_if).feed(Tensor::scalar(false)).feed(x).run();
  GraphTest::expect_equal(no[0], floats({2, 1}, {1, 2}));
}

TEST(If, TheConditionMayHaveOneElement) {
  const auto build = [](Graph& graph) {
    Value* c = add_test_input(graph, "c", DataType::kBool, 1);
    Value* y = graph.add_value("y");
    Node* node = graph.add_node("If", {c}, {y}, "if");
    for (const char* branch : {"then_branch", "else_branch"}) {
      node->attributes.set(branch, make_test_body(graph, [&](Graph& body) {
                             const float value = std::string_view(branch) == "then_branch" ? 1.0F : 2.0F;
                             body.add_output(body.add_constant(Tensor::scalar(value)));
                           }));
    }
    graph.add_output(y);
  };
  const Tensor yes = Tensor::from_values<bool>({1}, {true});
  GraphTest::expect_equal(GraphTest(build).feed(yes).run()[0], Tensor::scalar(1.0F));
  GraphTest(build).feed(Tensor::from_values<bool>({2}, {true, true})).fails("2 elements instead of one");
}

TEST(If, InfersWhatHoldsForBothBranches) {
  Graph graph;
  graph.opsets[""] = 17;
  build_if(graph);
  optimize_graph(graph, OptimizationLevel::kNone);
  const Value& y = *graph.outputs()[0].value;
  EXPECT_EQ(y.type, DataType::kFloat);
  ASSERT_TRUE(y.shape.has_value());
  EXPECT_EQ(y.shape->rank(), 2);
  EXPECT_FALSE(is_known((*y.shape)[0]));
}

TEST(If, AKnownConditionLeavesTheBranchAlone) {
  Graph graph;
  graph.opsets[""] = 17;
  build_if(graph);
  graph.replace_all_uses(graph.find_value("c"), graph.add_constant(Tensor::scalar(true)));
  optimize_graph(graph, OptimizationLevel::kBasic);
  graph.check();
  ASSERT_EQ(graph.nodes().size(), 1U);
  EXPECT_EQ(graph.nodes()[0]->op_type, "Add");
}

TEST(If, ReadsConstantsAsItsOwn) {
  Graph graph;
  graph.opsets[""] = 17;
  build_if(graph);
  optimize_graph(graph, OptimizationLevel::kNone);
  EXPECT_EQ(graph.nodes()[0]->captured(), 1);
  optimize_graph(graph, OptimizationLevel::kAll);
  graph.check();
  EXPECT_EQ(graph.find_value("w"), nullptr);  // nobody else reads it
}

TEST(If, BranchesMustFit) {
  const auto build = [](bool inputs, bool types) {
    return [=](Graph& graph) {
      Value* c = add_test_input(graph, "c", DataType::kBool, 0);
      Value* y = graph.add_value("y");
      Node* node = graph.add_node("If", {c}, {y}, "if");
      node->attributes.set("then_branch", make_test_body(graph, [&](Graph& body) {
                             if (inputs) add_test_input(body, "i", DataType::kFloat, 1);
                             body.add_output(body.add_constant(Tensor::scalar(1.0F)));
                           }));
      node->attributes.set(
          "else_branch", make_test_body(graph, [&](Graph& body) {
            body.add_output(body.add_constant(types ? Tensor::scalar(int64_t{1}) : Tensor::scalar(1.0F)));
          }));
      graph.add_output(y);
    };
  };
  GraphTest(build(true, false)).feed(Tensor::scalar(true)).fails("A branch has inputs");
  GraphTest(build(false, true)).feed(Tensor::scalar(true)).fails("then=tensor(float) else=tensor(int64)");
}

}  // namespace
}  // namespace attune
