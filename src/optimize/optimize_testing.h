// What the tests of the passes share: short graph building, a node-by-node evaluator, histograms.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "ops/evaluate.h"
#include "ops/infer.h"
#include "ops/op_def.h"
#include "optimize/optimize.h"
#include "optimize/standardize.h"

namespace attune {

/// Builds graphs of fp32 values. Shapes of what nodes give are stated by the test where an operator is not there yet.
class GraphMaker {
 public:
  explicit GraphMaker(int opset = 17) {
    graph.opsets[""] = opset;
    graph.opsets["attune"] = 1;
  }

  Value* input(std::string_view name, const Shape& shape, DataType type = DataType::kFloat) {
    Value* value = graph.add_value(name, type, shape);
    graph.add_input(value);
    return value;
  }
  /// A symbolic dimension.
  int64_t dim(std::string_view name) { return graph.symbols->fresh(name); }

  Value* weights(const Shape& shape, float low = -1.0F, float high = 1.0F) {
    Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
    std::uniform_real_distribution<float> distribution(low, high);
    for (float& value : tensor.values<float>()) value = distribution(generator_);
    return graph.add_constant(std::move(tensor));
  }
  Value* scalar(float value) { return graph.add_constant(Tensor::scalar(value)); }
  Value* integers(const std::vector<int64_t>& values) {
    return graph.add_constant(Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
  }

  /// One node with one output; shape and type are inferred where the operator exists.
  Value* op(std::string_view type, std::vector<Value*> inputs,
            std::initializer_list<std::pair<std::string_view, AttributeValue>> attributes = {},
            const std::optional<Shape>& shape = std::nullopt) {
    Value* output = graph.add_value({}, DataType::kFloat, shape);
    Node* node = graph.add_node(type, std::move(inputs), {output}, std::string(type) + "_of_the_test");
    for (const auto& [name, value] : attributes) node->attributes.set(name, value);
    if (find_op("", type, node->version) != nullptr) {
      if (!shape) output->type = DataType::kUndefined;
      infer_node(graph, *node, *make_node_operator(*node));
    }
    return output;
  }
  void output(Value* value, std::string_view name = {}) { graph.add_output(value, name, value->shape); }

  Graph graph;

 private:
  std::mt19937 generator_{7};
};

/// How often each operator occurs.
inline std::map<std::string, int> count_ops(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const auto& node : graph.nodes()) ++counts[node->op_type];
  return counts;
}

inline Node* find_node(const Graph& graph, std::string_view op_type) {
  for (const auto& node : graph.nodes()) {
    if (node->op_type == op_type) return node.get();
  }
  return nullptr;
}

/// Optimizes with every check on. `structural` lets passes make operators that do not exist.
inline OptimizeReport optimize_checked(Graph& graph, OptimizationLevel level, bool structural = false) {
  OptimizeReport report;
  OptimizeContext context;
  context.report = &report;
  context.verify = true;
  if (structural) {
    context.supports = [](std::string_view, std::string_view, int) { return true; };
  }
  optimize_graph(graph, level, context);
  graph.check();
  return report;
}

/// True when all operators of the graph exist.
inline bool can_evaluate(const Graph& graph) {
  return std::all_of(graph.nodes().begin(), graph.nodes().end(),
                     [](const auto& node) { return find_op(node->domain, node->op_type, node->version) != nullptr; });
}

/// Runs a graph node by node; `feeds` by name. The outputs in the graph's order.
inline std::vector<Tensor> evaluate_graph(const Graph& graph, const std::map<std::string, Tensor>& feeds) {
  SerialParallel parallel;
  std::map<const Value*, Tensor> values;
  const auto value_of = [&](const Value* value) {
    if (value == nullptr) return Tensor();
    if (value->is_constant()) return value->constant.aligned();
    if (value->producer() == nullptr) return feeds.at(value->name);
    return values.at(value);
  };
  std::map<const Value*, size_t> readers;
  for (const auto& node : graph.nodes()) {
    for (const Value* input : node->inputs()) ++readers[input];
  }
  for (const GraphOutput& output : graph.outputs()) ++readers[output.value];
  for (const auto& node : graph.nodes()) {
    std::vector<Tensor> inputs;
    for (const Value* input : node->inputs()) inputs.push_back(value_of(input));
    const auto op = make_node_operator(*node);
    // Constants are packed as in a session; other inputs are not there when an operator is prepared.
    const bool has_weights = std::any_of(node->inputs().begin() + 1, node->inputs().end(),
                                         [](const Value* input) { return input != nullptr && input->is_constant(); });
    std::vector<Tensor> results = has_weights && !node->inputs().empty()
                                      ? evaluate(*op, inputs, node->output_count(), parallel)
                                      : evaluate_prepared(*op, inputs, node->output_count(), parallel);
    for (int i = 0; i < node->output_count(); ++i) {
      if (node->output(i) != nullptr) values[node->output(i)] = std::move(results[static_cast<size_t>(i)]);
    }
    for (const Value* input : node->inputs()) {
      if (input != nullptr && --readers[input] == 0) values.erase(input);
    }
  }
  std::vector<Tensor> outputs;
  for (const GraphOutput& output : graph.outputs()) outputs.push_back(value_of(output.value));
  return outputs;
}

/// |actual - expected| <= tolerance * (1 + |expected|), element by element.
inline void expect_close(const Tensor& actual, const Tensor& expected, float tolerance = 1e-5F) {
  ASSERT_EQ(actual.type(), expected.type());
  ASSERT_EQ(actual.shape(), expected.shape()) << actual.shape().to_string() << " " << expected.shape().to_string();
  if (actual.type() != DataType::kFloat) return;
  for (size_t i = 0; i < actual.values<float>().size(); ++i) {
    const float wanted = expected.values<float>()[i];
    ASSERT_NEAR(actual.values<float>()[i], wanted, tolerance * (1.0F + std::abs(wanted))) << "element " << i;
  }
}

inline Tensor random_feed(const Shape& shape, uint32_t seed = 1, float low = -1.0F, float high = 1.0F);

/// The graph as it is written for other runtimes has standard operators only, and computes the same.
inline void expect_standard(const Graph& graph, int opset, const std::map<std::string, Tensor>& feeds,
                            const std::vector<Tensor>& expected, float tolerance) {
  const Graph standard = standardize(graph);
  standard.check();
  for (const auto& node : standard.nodes()) {
    EXPECT_EQ(node->domain, "") << node->describe();
    EXPECT_EQ(node->version, opset) << node->describe();
  }
  ASSERT_TRUE(can_evaluate(standard));
  const std::vector<Tensor> actual = evaluate_graph(standard, feeds);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(standard.outputs()[i].name, graph.outputs()[i].name);
    EXPECT_EQ(standard.outputs()[i].value->name, graph.outputs()[i].name);
    expect_close(actual[i], expected[i], tolerance);
  }
}

/// Builds a graph, optimizes it at each level with every check on and compares what the graphs compute, as far as their
/// operators exist. Float inputs named in `shapes` are fed with random numbers. Returns the graph of the last level,
/// rewritten as if all operators existed.
template <class Build>
Graph check_levels(Build&& build, const std::map<std::string, Shape>& shapes, int opset = 17, float tolerance = 1e-5F) {
  std::map<std::string, Tensor> feeds;
  for (const auto& [name, shape] : shapes) feeds[name] = random_feed(shape, static_cast<uint32_t>(feeds.size() + 1));
  GraphMaker original(opset);
  build(original);
  const bool comparable = can_evaluate(original.graph);
  std::vector<Tensor> expected;
  if (comparable) expected = evaluate_graph(original.graph, feeds);
  for (const auto level : {OptimizationLevel::kBasic, OptimizationLevel::kExtended, OptimizationLevel::kAll}) {
    SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)));
    GraphMaker optimized(opset);
    build(optimized);
    optimize_checked(optimized.graph, level);
    if (!comparable) continue;
    const std::vector<Tensor> actual = evaluate_graph(optimized.graph, feeds);
    EXPECT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(optimized.graph.outputs()[i].name, original.graph.outputs()[i].name);
      expect_close(actual[i], expected[i], tolerance);
    }
    expect_standard(optimized.graph, opset, feeds, actual, tolerance);
  }
  GraphMaker structural(opset);
  build(structural);
  optimize_checked(structural.graph, OptimizationLevel::kAll, true);
  return std::move(structural.graph);
}

inline Tensor random_feed(const Shape& shape, uint32_t seed, float low, float high) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(low, high);
  for (float& value : tensor.values<float>()) value = distribution(generator);
  return tensor;
}

}  // namespace attune
