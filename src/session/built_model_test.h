// Models that tests of the session build node by node.
#pragma once

#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/session.h"
#include "graph/graph.h"
#include "onnx/writer.h"

namespace attune {

/// From -1 to 1.
inline Tensor random_floats(const Shape& shape, uint32_t seed) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1.0F, 1.0F);
  for (float& value : tensor.values<float>()) value = distribution(generator);
  return tensor;
}

inline InferenceSession session_of(const Graph& graph, const SessionOptions& options = {}) {
  const auto bytes = std::make_shared<const std::string>(write_model(graph));
  return InferenceSession(std::as_bytes(std::span(*bytes)), bytes, options);
}

/// Builds graphs whose values have names of their own; the input is "x".
class ModelBuilder {
 public:
  ModelBuilder() {
    graph.opsets[""] = 17;
    graph.metadata.ir_version = 8;
  }
  Value* input(const Shape& shape) {
    Value* value = graph.add_value("x", DataType::kFloat, shape);
    graph.add_input(value);
    return value;
  }
  /// Random ones.
  Value* weight(const Shape& shape) {
    const uint32_t seed = next_++;
    return graph.add_constant(random_floats(shape, seed), "w" + std::to_string(seed));
  }
  Value* op(std::string_view type, std::vector<Value*> inputs, const Attributes& attributes = {}) {
    Value* result = graph.add_value("v" + std::to_string(next_++));
    graph.add_node(type, std::move(inputs), {result}, "n" + std::to_string(next_))->attributes = attributes;
    return result;
  }

  Graph graph;

 private:
  uint32_t next_ = 1;
};

}  // namespace attune
