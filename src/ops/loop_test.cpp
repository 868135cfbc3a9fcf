#include "ops/graph_test.h"

namespace attune {
namespace {

struct LoopParts {
  bool has_count = true;
  bool has_condition = true;
  bool grows = false;  // the state: state ++ x instead of state + x
  float limit = 1e9F;  // goes on while the largest element is less
  int control_rank = 0;
};

/// The state, and all of it stacked with the iteration's number, for a captured x.
std::function<void(Graph&)> build_loop(const LoopParts& parts) {
  return [=](Graph& graph) {
    Value* count = add_test_input(graph, "m", DataType::kInt64, 0);
    Value* condition = add_test_input(graph, "c", DataType::kBool, 0);
    Value* x = add_test_input(graph, "x", DataType::kFloat, 1);
    Value* y = graph.add_value("y");
    Value* seen = graph.add_value("seen");
    Node* node = graph.add_node(
        "Loop", {parts.has_count ? count : nullptr, parts.has_condition ? condition : nullptr, x}, {y, seen}, "loop");
    Value* inner = nullptr;
    node->attributes.set("body", make_test_body(graph, [&](Graph& body) {
                           Value* i = add_test_input(body, "i", DataType::kInt64, parts.control_rank);
                           add_test_input(body, "go", DataType::kBool, parts.control_rank);
                           Value* state = add_test_input(body, "state", DataType::kFloat, 1);
                           inner = body.add_value("x");
                           Value* next = parts.grows ? add_test_node(body, "Concat", {state, inner},
                                                                     [](Attributes& a) { a.set("axis", int64_t{0}); })
                                                     : add_test_node(body, "Add", {state, inner});
                           Value* most = add_test_node(body, "ReduceMax", {next},
                                                       [](Attributes& a) { a.set("keepdims", int64_t{0}); });
                           Value* limit = body.add_constant(Tensor::scalar(parts.limit));
                           body.add_output(add_test_node(body, "Less", {most, limit}));
                           body.add_output(next);
                           body.add_output(add_test_node(body, "Identity", {i}));
                         }));
    graph.add_captured(node, x, {&inner, 1});
    graph.add_output(y);
    graph.add_output(seen);
  };
}

std::vector<Tensor> run_loop(const LoopParts& parts, int64_t count, bool condition) {
  return GraphTest(build_loop(parts))
      .feed(Tensor::scalar(count))
      .feed(Tensor::scalar(condition))
      .feed(floats({2}, {1, 2}))
      .run();
}

TEST(Loop, EndsWithItsCount) {
  const auto results = run_loop({}, 3, true);
  GraphTest::expect_equal(results[0], floats({2}, {4, 8}));
  GraphTest::expect_equal(results[1], integers({3}, {0, 1, 2}));
}

TEST(Loop, EndsWithItsCondition) {
  const auto results = run_loop({.has_count = false, .limit = 9}, 0, true);
  GraphTest::expect_equal(results[0], floats({2}, {5, 10}));
  GraphTest::expect_equal(results[1], integers({4}, {0, 1, 2, 3}));
}

TEST(Loop, WithoutAConditionTheBodyStillEndsIt) {
  GraphTest::expect_equal(run_loop({.has_condition = false, .limit = 5}, 100, false)[0], floats({2}, {3, 6}));
}

TEST(Loop, MayNotRunAtAll) {
  for (const auto& [count, condition] : {std::pair<int64_t, bool>(0, true), {5, false}, {-1, true}}) {
    const auto results = run_loop({}, count, condition);
    GraphTest::expect_equal(results[0], floats({2}, {1, 2}));
    GraphTest::expect_equal(results[1], integers({0}, {}));
  }
}

TEST(Loop, StatesMayGrow) {
  const auto results = run_loop({.grows = true}, 2, true);
  GraphTest::expect_equal(results[0], floats({6}, {1, 2, 1, 2, 1, 2}));
}

TEST(Loop, TheBodyMayWantVectorsOfOneElement) {
  GraphTest::expect_equal(run_loop({.control_rank = 1}, 2, true)[1], integers({2, 1}, {0, 1}));
}

TEST(Loop, InfersOnlyWhatEveryIterationKeeps) {
  for (const bool grows : {false, true}) {
    Graph graph;
    graph.opsets[""] = 17;
    build_loop({.grows = grows})(graph);
    graph.find_value("x")->shape = Shape{2};
    optimize_graph(graph, OptimizationLevel::kNone);
    const Shape& y = *graph.outputs()[0].value->shape;
    ASSERT_EQ(y.rank(), 1);
    EXPECT_EQ(is_known(y[0]), !grows);
    const Shape& seen = *graph.outputs()[1].value->shape;
    ASSERT_EQ(seen.rank(), 1);
    EXPECT_FALSE(is_known(seen[0]));
  }
}

TEST(Loop, ScanOutputsMustKeepTheirShape) {
  const auto build = [](Graph& graph) {
    build_loop({.grows = true})(graph);
    const auto body = graph.nodes()[0]->subgraphs()[0];
    Value* state = body->outputs()[1].value;
    body->replace_all_uses(body->outputs()[2].value, state);
  };
  GraphTest(build)
      .feed(Tensor::scalar(int64_t{2}))
      .feed(Tensor::scalar(true))
      .feed(floats({1}, {1}))
      .fails("A scan output has the shape {2}, and later {3}");
}

TEST(Loop, TheBodyMustFit) {
  const auto build = [](Graph& graph) {
    Value* y = graph.add_value("y");
    Value* count = add_test_input(graph, "m", DataType::kInt64, 0);
    Node* node = graph.add_node("Loop", {count}, {y}, "loop");
    node->attributes.set("body", make_test_body(graph, [](Graph& body) {
                           Value* i = add_test_input(body, "i", DataType::kInt64, 0);
                           body.add_output(i);
                         }));
    graph.add_output(y);
  };
  GraphTest(build).feed(Tensor::scalar(int64_t{1})).fails("The body has 1 inputs instead of 2");
}

}  // namespace
}  // namespace attune
