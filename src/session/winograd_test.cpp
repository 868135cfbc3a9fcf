// The entry that rules Winograd out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "attune/session.h"
#include "graph/graph.h"
#include "onnx/writer.h"

namespace attune {
namespace {

constexpr int64_t kChannels = 32;

Tensor small_integers(const Shape& shape, uint32_t seed) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> distribution(-9, 9);
  for (float& value : tensor.values<float>()) value = static_cast<float>(distribution(generator));
  return tensor;
}

/// Adds a 3x3 convolution of `x`, with an activation that is fused where `fused`.
Value* add_conv(Graph& graph, Value* x, bool fused) {
  Value* sums = graph.add_value("sums");
  Value* weights = graph.add_constant(small_integers({kChannels, kChannels, 3, 3}, 1), "weights");
  graph.add_node("Conv", {x, weights}, {sums});
  if (!fused) return sums;
  Value* y = graph.add_value("y");
  graph.add_node("Relu", {sums}, {y});
  return y;
}

std::vector<float> run(const Graph& graph, const char* winograd) {
  const auto bytes = std::make_shared<const std::string>(write_model(graph));
  SessionOptions options;
  if (winograd != nullptr) options.config_entries["attune.winograd"] = winograd;
  InferenceSession session(std::as_bytes(std::span(*bytes)), bytes, options);
  const NamedTensor feed{"x", small_integers({1, kChannels, 40, 40}, 2)};
  const Tensor result = session.run({&feed, 1})[0];
  return {result.values<float>().begin(), result.values<float>().end()};
}

bool is_integer(float value) { return value == std::round(value); }

TEST(WinogradEntry, WithoutItSumsOfIntegersAreExact) {
  for (const bool fused : {false, true}) {
    Graph graph;
    graph.opsets[""] = 17;
    Value* x = graph.add_value("x", DataType::kFloat, Shape{1, kChannels, 40, 40});
    graph.add_input(x);
    graph.add_output(add_conv(graph, x, fused));

    const std::vector<float> exact = run(graph, "0");
    EXPECT_TRUE(std::all_of(exact.begin(), exact.end(), is_integer));
    const std::vector<float> usual = run(graph, nullptr);
    EXPECT_FALSE(std::all_of(usual.begin(), usual.end(), is_integer));
    EXPECT_EQ(run(graph, "1"), usual);
    for (size_t i = 0; i < exact.size(); ++i) ASSERT_NEAR(exact[i], usual[i], 0.05F);
  }
}

}  // namespace
}  // namespace attune
