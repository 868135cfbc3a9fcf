// Tests of operators that need a whole graph around them: subgraphs, sequences, optionals.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "base/parallel.h"
#include "graph/graph.h"
#include "optimize/optimize.h"
#include "plan/plan_cache.h"
#include "plan/program.h"
#include "runtime/executor.h"
#include "runtime/region.h"

namespace attune {

/// Builds, optimizes, compiles and runs a graph as a session does. `build` fills an empty graph of opset 17.
class GraphTest {
 public:
  explicit GraphTest(std::function<void(Graph&)> build) : build_(std::move(build)) {}

  GraphTest& feed(Tensor tensor) {
    feeds_.push_back(std::move(tensor));
    return *this;
  }

  /// The outputs, the same for the graph as it is and optimized; what inference says of them must hold.
  std::vector<Tensor> run() const {
    std::vector<Tensor> results = run(OptimizationLevel::kNone);
    const std::vector<Tensor> optimized = run(OptimizationLevel::kAll);
    EXPECT_EQ(results.size(), optimized.size());
    for (size_t i = 0; i < results.size() && i < optimized.size(); ++i) expect_equal(optimized[i], results[i]);
    return results;
  }

  /// Loading or running throws an error whose text contains `text`.
  void fails(std::string_view text) const {
    try {
      run(OptimizationLevel::kNone);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.text().find(text), std::string::npos) << error.what();
    }
  }

  static void expect_equal(const Tensor& actual, const Tensor& expected) {
    ASSERT_EQ(actual.type(), expected.type());
    if (!expected) return;
    ASSERT_EQ(actual.shape(), expected.shape()) << actual.shape().to_string() << expected.shape().to_string();
    if (expected.type() == DataType::kSequence) {
      for (size_t i = 0; i < expected.values<Tensor>().size(); ++i) {
        expect_equal(actual.values<Tensor>()[i], expected.values<Tensor>()[i]);
      }
    } else if (expected.type() == DataType::kMap) {
      expect_equal(actual.map_keys(), expected.map_keys());
      expect_equal(actual.map_values(), expected.map_values());
    } else if (expected.type() == DataType::kString) {
      for (size_t i = 0; i < expected.values<std::string>().size(); ++i) {
        EXPECT_EQ(actual.values<std::string>()[i], expected.values<std::string>()[i]);
      }
    } else {
      EXPECT_EQ(0, std::memcmp(actual.raw(), expected.raw(), expected.bytes()));
    }
  }

 private:
  struct Stated {
    DataType type;
    ValueKind kind;
    std::optional<Shape> shape;
  };

  std::vector<Tensor> run(OptimizationLevel level) const {
    Graph graph;
    graph.opsets[""] = 17;
    build_(graph);
    graph.sort();
    graph.check();
    optimize_graph(graph, level);
    std::vector<Stated> stated;
    for (const GraphOutput& output : graph.outputs()) {
      stated.push_back({output.value->type, output.value->kind, output.value->shape});
    }
    SerialParallel parallel;
    const Program program = compile(std::move(graph), parallel);
    PlanCache plans;
    RegionPool regions(true);
    OutputBuffers outputs(true);
    OutputBuffers subgraph_outputs(true);
    const RunEnvironment environment{.program = program,
                                     .plans = plans,
                                     .regions = regions,
                                     .outputs = outputs,
                                     .subgraph_outputs = subgraph_outputs,
                                     .parallel = parallel};
    std::vector<Tensor> results = run_program(environment, feeds_);
    const std::vector<Tensor> again = run_program(environment, feeds_);
    for (size_t i = 0; i < results.size(); ++i) {
      expect_equal(again[i], results[i]);
      check_stated(stated[i], results[i]);
    }
    return results;
  }

  static void check_stated(const Stated& stated, const Tensor& result) {
    const bool is_sequence = result.type() == DataType::kSequence;
    if (!result) return;
    EXPECT_EQ(is_sequence, is_sequence_kind(stated.kind));
    if (is_sequence) return;
    EXPECT_EQ(stated.type, result.type());
    if (!stated.shape) return;
    ASSERT_EQ(stated.shape->rank(), result.shape().rank());
    for (int axis = 0; axis < result.shape().rank(); ++axis) {
      const int64_t dim = (*stated.shape)[axis];
      EXPECT_TRUE(!is_known(dim) || dim == result.shape()[axis]) << "axis " << axis << ": " << dim;
    }
  }

  std::function<void(Graph&)> build_;
  std::vector<Tensor> feeds_;
};

/// An input of a graph or subgraph whose dimensions nobody knows.
inline Value* add_test_input(Graph& graph, std::string_view name, DataType type, int rank,
                             ValueKind kind = ValueKind::kTensor) {
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) shape.push_back(graph.symbols->fresh());
  Value* value = graph.add_value(name, type, kind == ValueKind::kTensor ? std::optional<Shape>(shape) : std::nullopt);
  value->kind = kind;
  graph.add_input(value);
  return value;
}

/// A node with one result.
inline Value* add_test_node(Graph& graph, std::string_view op_type, std::vector<Value*> inputs,
                            const std::function<void(Attributes&)>& attributes = {}) {
  Value* result = graph.add_value();
  Node* node = graph.add_node(op_type, std::move(inputs), {result}, op_type);
  if (attributes) attributes(node->attributes);
  return result;
}

/// A subgraph of `graph`; `build` fills it.
inline std::shared_ptr<Graph> make_test_body(const Graph& graph, const std::function<void(Graph&)>& build) {
  auto body = std::make_shared<Graph>();
  body->symbols = graph.symbols;
  body->opsets = graph.opsets;
  build(*body);
  return body;
}

inline Tensor floats(const Shape& shape, std::vector<float> values) {
  return Tensor::from_values<float>(shape, std::span<const float>(values));
}

inline Tensor integers(const Shape& shape, std::vector<int64_t> values) {
  return Tensor::from_values<int64_t>(shape, std::span<const int64_t>(values));
}

}  // namespace attune
