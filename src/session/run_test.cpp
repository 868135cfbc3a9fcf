// What a caller gives a session and its runs beside inputs: initializers, memory for outputs, limits.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "attune/session.h"
#include "graph/graph.h"
#include "onnx/writer.h"

namespace attune {
namespace {

using std::chrono::milliseconds;

InferenceSession session_of(const Graph& graph, const SessionOptions& options = {}) {
  const auto bytes = std::make_shared<const std::string>(write_model(graph));
  return InferenceSession(std::as_bytes(std::span(*bytes)), bytes, options);
}

Tensor floats(std::initializer_list<float> values) {
  return Tensor::from_values<float>(Shape{static_cast<int64_t>(values.size())}, values);
}

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.values<float>().begin(), tensor.values<float>().end()};
}

/// y = x * w with w = {2, 3}; the caller may feed w when it is `overridable`.
Graph product_graph(bool overridable) {
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.ir_version = 8;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2});
  graph.add_input(x);
  Value* w = graph.add_constant(floats({2.0F, 3.0F}), "w");
  if (overridable) graph.add_overridable(w);
  Value* y = graph.add_value("y");
  graph.add_node("Mul", {x, w}, {y}, "product");
  graph.add_output(y);
  return graph;
}

/// y = -squeeze(c, axes) of a constant c = {2, 3} of shape {1, 2}; the axes are fed.
Graph view_of_constant_graph() {
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.ir_version = 8;
  Value* axes = graph.add_value("axes", DataType::kInt64, Shape{1});
  graph.add_input(axes);
  Value* c = graph.add_constant(Tensor::from_values<float>({1, 2}, {2.0F, 3.0F}), "c");
  Value* squeezed = graph.add_value("squeezed", DataType::kFloat, Shape{2});
  graph.add_node("Squeeze", {c, axes}, {squeezed});
  Value* y = graph.add_value("y");
  graph.add_node("Neg", {squeezed}, {y});
  graph.add_output(y);
  return graph;
}

/// A chain of matrix products that takes seconds.
Graph long_graph() {
  constexpr int64_t kSize = 768;
  Graph graph;
  graph.opsets[""] = 17;
  Value* value = graph.add_value("x", DataType::kFloat, Shape{kSize, kSize});
  graph.add_input(value);
  Value* w = graph.add_constant(Tensor::allocate(DataType::kFloat, {kSize, kSize}), "w");
  for (float& weight : w->constant.values<float>()) weight = 0.0F;
  for (int i = 0; i < 400; ++i) {
    Value* next = graph.add_value();
    graph.add_node("MatMul", {value, w}, {next});
    value = next;
  }
  graph.add_output(value);
  return graph;
}

template <class Call>
std::string text_of_failure(Call&& call, ErrorCode code) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.text();
  }
  return "no failure";
}

TEST(Overridable, AFedInitializerReplacesTheModelsOwnForThatRun) {
  InferenceSession session = session_of(product_graph(true));
  ASSERT_EQ(session.overridable_initializers().size(), 1u);
  EXPECT_EQ(session.inputs().size(), 1u);
  const std::vector<NamedTensor> own = {{"x", floats({1.0F, 1.0F})}};
  const std::vector<NamedTensor> fed = {{"x", floats({1.0F, 1.0F})}, {"w", floats({5.0F, 7.0F})}};
  EXPECT_EQ(values_of(session.run(own)[0]), (std::vector<float>{2.0F, 3.0F}));
  EXPECT_EQ(values_of(session.run(fed)[0]), (std::vector<float>{5.0F, 7.0F}));
  EXPECT_EQ(values_of(session.run(own)[0]), (std::vector<float>{2.0F, 3.0F}));
  const std::vector<NamedTensor> wrong = {{"x", floats({1.0F, 1.0F})}, {"w", floats({5.0F})}};
  EXPECT_EQ(text_of_failure([&] { session.run(wrong); }, ErrorCode::kInvalidArgument),
            "Got invalid dimensions for input: w for the following indices\n index: 0 Got: 1 Expected: 2\n Please fix "
            "either the inputs/outputs or the model.");
}

TEST(Overridable, ManyThreadsMayFeedItFirst) {
  InferenceSession session = session_of(product_graph(true));
  std::vector<std::vector<float>> results(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      const std::vector<NamedTensor> feeds = {{"x", floats({1.0F, 1.0F})}, {"w", floats({float(i), 1.0F})}};
      results[i] = values_of(session.run(feeds)[0]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i], (std::vector<float>{float(i), 1.0F}));
}

TEST(GivenInitializers, ReplaceTheModels) {
  SessionOptions options;
  options.initializers["w"] = floats({10.0F, 20.0F});
  options.initializers["not in this model"] = floats({1.0F});
  InferenceSession session = session_of(product_graph(false), options);
  const std::vector<NamedTensor> feeds = {{"x", floats({1.0F, 1.0F})}};
  EXPECT_EQ(values_of(session.run(feeds)[0]), (std::vector<float>{10.0F, 20.0F}));

  options.initializers["w"] = floats({1.0F, 2.0F, 3.0F});
  EXPECT_EQ(text_of_failure([&] { session_of(product_graph(false), options); }, ErrorCode::kInvalidArgument),
            "The tensor given for initializer 'w' is a tensor(float) of shape {3}; the model has a tensor(float) of "
            "shape {2}.");
  SessionOptions missing;
  missing.external_initializers["q"] = floats({1.0F});
  EXPECT_EQ(text_of_failure([&] { session_of(product_graph(false), missing); }, ErrorCode::kFail),
            "Failed to find existing initializer with name q.");
}

TEST(RunInto, WritesIntoTheMemoryGiven) {
  InferenceSession session = session_of(product_graph(false));
  const std::vector<NamedTensor> feeds = {{"x", floats({1.0F, 2.0F})}};
  std::vector<NamedTensor> outputs = {{"y", Tensor::allocate(DataType::kFloat, {2})}};
  const void* memory = outputs[0].tensor.raw();
  session.run_into(feeds, outputs);
  EXPECT_EQ(outputs[0].tensor.raw(), memory);
  EXPECT_EQ(values_of(outputs[0].tensor), (std::vector<float>{2.0F, 6.0F}));

  alignas(64) float unaligned[3] = {};
  outputs[0].tensor = Tensor::view(DataType::kFloat, {2}, unaligned + 1);
  session.run_into(feeds, outputs);
  EXPECT_EQ(unaligned[1], 2.0F);
  EXPECT_EQ(unaligned[2], 6.0F);

  outputs[0].tensor = Tensor();
  session.run_into(feeds, outputs);
  EXPECT_EQ(values_of(outputs[0].tensor), (std::vector<float>{2.0F, 6.0F}));
}

TEST(RunInto, AnOutputMayTakeItsInputsMemory) {
  InferenceSession session = session_of(product_graph(false));
  const Tensor both = floats({1.0F, 2.0F});
  const std::vector<NamedTensor> feeds = {{"x", both}};
  std::vector<NamedTensor> outputs = {{"y", both}};
  session.run_into(feeds, outputs);
  EXPECT_EQ(values_of(both), (std::vector<float>{2.0F, 6.0F}));
}

TEST(RunInto, RefusesATensorThatDoesNotFit) {
  InferenceSession session = session_of(product_graph(false));
  const std::vector<NamedTensor> feeds = {{"x", floats({1.0F, 2.0F})}};
  const auto failure = [&](const Tensor& target) {
    std::vector<NamedTensor> outputs = {{"y", target}};
    return text_of_failure([&] { session.run_into(feeds, outputs); }, ErrorCode::kInvalidArgument);
  };
  EXPECT_EQ(failure(floats({0.0F, 0.0F, 0.0F})),
            "Got invalid dimensions for output: y for the following indices\n index: 0 Got: 3 Expected: 2\n Please fix "
            "either the inputs/outputs or the model.");
  EXPECT_EQ(failure(Tensor::allocate(DataType::kDouble, {2})),
            "Unexpected output data type. Actual: (tensor(double)) , expected: (tensor(float))");
}

TEST(RunInto, ShapesThatOnlyTheRunKnowsAreCheckedToo) {
  Graph graph;
  graph.opsets[""] = 17;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N")});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("Relu", {x}, {y});
  graph.add_output(y);
  InferenceSession session = session_of(graph);
  const std::vector<NamedTensor> feeds = {{"x", floats({1.0F, 2.0F})}};
  std::vector<NamedTensor> outputs = {{"y", Tensor::allocate(DataType::kFloat, {3})}};
  EXPECT_EQ(text_of_failure([&] { session.run_into(feeds, outputs); }, ErrorCode::kInvalidArgument),
            "The tensor bound to output 'y' has the shape {3}, but the run gives {2}.");
}

TEST(Limits, ARunEndsWhenAnotherThreadAsksForIt) {
  InferenceSession session = session_of(long_graph());
  const std::vector<NamedTensor> feeds = {{"x", Tensor::allocate(DataType::kFloat, {768, 768})}};
  const auto flag = std::make_shared<std::atomic<bool>>(false);
  RunOptions options;
  options.terminate = flag;
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(20));
    flag->store(true);
  });
  EXPECT_EQ(text_of_failure([&] { session.run(feeds, {}, options); }, ErrorCode::kFail),
            "Exiting due to terminate flag being set to true.");
  other.join();
}

TEST(Limits, ARunEndsAtItsDeadline) {
  InferenceSession session = session_of(long_graph());
  const std::vector<NamedTensor> feeds = {{"x", Tensor::allocate(DataType::kFloat, {768, 768})}};
  RunOptions options;
  options.timeout = milliseconds(10);
  const std::string text = "Exiting because the run took longer than its time limit.";
  EXPECT_EQ(text_of_failure([&] { session.run(feeds, {}, options); }, ErrorCode::kFail), text);
  options.timeout = milliseconds(0);
  options.config_entries["attune.run.timeout_ms"] = "10";
  EXPECT_EQ(text_of_failure([&] { session.run(feeds, {}, options); }, ErrorCode::kFail), text);
  options.config_entries["attune.run.timeout_ms"] = "soon";
  EXPECT_EQ(text_of_failure([&] { session.run(feeds, {}, options); }, ErrorCode::kInvalidArgument),
            "attune.run.timeout_ms is 'soon'; it takes a number of milliseconds.");
}

TEST(Limits, MakingASessionCanBeCancelled) {
  SessionOptions options;
  options.cancel_load = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(text_of_failure([&] { session_of(product_graph(false), options); }, ErrorCode::kFail),
            "Exiting due to terminate flag being set to true.");
}

TEST(AssignedNodes, AreTheModelsWhenRecorded) {
  SessionOptions options;
  options.config_entries["session.record_ep_graph_assignment_info"] = "1";
  const InferenceSession session = session_of(product_graph(false), options);
  ASSERT_EQ(session.assigned_nodes().size(), 1u);
  EXPECT_EQ(session.assigned_nodes()[0].name, "product");
  EXPECT_EQ(session.assigned_nodes()[0].op_type, "Mul");
  const InferenceSession silent = session_of(product_graph(false));
  EXPECT_EQ(text_of_failure([&] { silent.assigned_nodes(); }, ErrorCode::kFail),
            "Session configuration entry 'session.record_ep_graph_assignment_info' must be set to \"1\" to retrieve EP "
            "graph assignment information.");
}

TEST(ModelConfig, OptionsOfTheModelAreTakenWhenAskedFor) {
  Graph graph = product_graph(false);
  graph.metadata.custom["ort_config"] = R"({"session_options": {"intra_op_num_threads": 3, "enable_mem_reuse": 0}})";
  SessionOptions options;
  EXPECT_EQ(session_of(graph, options).options().intra_op_num_threads, 0);
  options.config_entries["attune.read_config_from_model"] = "1";
  EXPECT_EQ(session_of(graph, options).options().intra_op_num_threads, 3);
  EXPECT_FALSE(session_of(graph, options).options().enable_mem_reuse);
  graph.metadata.custom["ort_config"] = "{";
  EXPECT_EQ(text_of_failure([&] { session_of(graph, options); }, ErrorCode::kInvalidArgument),
            "The model's ort_config is not a JSON object.");
}

TEST(Given, PiecesWhoseSizesAreFedKeepTheirLayout) {
  // A convolution, whose image lies in blocks, cut along its rows where the caller says.
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.ir_version = 8;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{1, 3, 4, 2});
  Value* sizes = graph.add_value("sizes", DataType::kInt64, Shape{2});
  graph.add_input(x);
  graph.add_input(sizes);
  Value* w = graph.add_constant(Tensor::allocate(DataType::kFloat, {20, 3, 1, 1}), "w");
  for (size_t i = 0; i < 60; ++i) w->constant.values<float>()[i] = static_cast<float>(i % 7);
  Value* image = graph.add_value();
  graph.add_node("Conv", {x, w}, {image});
  const std::vector<Value*> pieces = {graph.add_value("above"), graph.add_value("below")};
  graph.add_node("Split", {image, sizes}, pieces)->attributes.set("axis", int64_t{2});
  Value* joined = graph.add_value("joined");
  graph.add_node("Concat", pieces, {joined})->attributes.set("axis", int64_t{2});
  for (Value* output : {image, joined}) graph.add_output(output);
  for (Value* piece : pieces) graph.add_output(piece);

  InferenceSession session = session_of(graph);
  Tensor fed = Tensor::allocate(DataType::kFloat, {1, 3, 4, 2});
  for (size_t i = 0; i < 24; ++i) fed.values<float>()[i] = static_cast<float>(i);
  for (const int64_t above : {1, 3, 4}) {
    const std::vector<NamedTensor> feeds = {{"x", fed},
                                            {"sizes", Tensor::from_values<int64_t>({2}, {above, 4 - above})}};
    const std::vector<Tensor> results = session.run(feeds);
    EXPECT_EQ(values_of(results[1]), values_of(results[0])) << above;
    EXPECT_EQ(results[2].shape(), (Shape{1, 20, above, 2}));
    EXPECT_EQ(values_of(results[2])[0], values_of(results[0])[0]) << above;
  }
}

TEST(Given, AxesThatDoNotFitAreRefused) {
  // As many axes as there are leave a scalar, whatever they are.
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.ir_version = 8;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{1, 3, 4});
  Value* axes = graph.add_value("axes", DataType::kInt64, Shape{3});
  graph.add_input(x);
  graph.add_input(axes);
  Value* y = graph.add_value("y");
  graph.add_node("Squeeze", {x, axes}, {y}, "squeezed");
  graph.add_output(y);
  InferenceSession session = session_of(graph);
  const std::vector<NamedTensor> feeds = {{"x", Tensor::allocate(DataType::kFloat, {1, 3, 4})},
                                          {"axes", Tensor::from_values<int64_t>({3}, {0, 1, 2})}};
  EXPECT_NE(text_of_failure([&] { session.run(feeds); }, ErrorCode::kFail).find("squeezed"), std::string::npos);
}

/// Runs flush denormal numbers to zero where they compute, but not where they plan.
TEST(Run, ADenormalAttributeMeansTheSameEverywhere) {
  Graph graph;
  graph.opsets[""] = 23;
  graph.metadata.ir_version = 11;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{1, 1, 3, 2});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("Attention", {x, x, x}, {y})->attributes.set("softcap", 1e-45F);
  graph.add_output(y);
  InferenceSession session = session_of(graph);
  const NamedTensor feed{"x", Tensor::from_values<float>({1, 1, 3, 2}, {9.0F, 2.0F, 3.0F, 4.0F, 0.0F, 6.0F})};
  for (const float value : values_of(session.run({&feed, 1})[0]))
    EXPECT_NEAR(value, 4.0F, 1e-5F);  // all weigh the same
}

TEST(Run, AViewOfAConstantIsWhereTheConstantIs) {
  const Graph graph = view_of_constant_graph();
  for (const GraphOptimizationLevel level : {GraphOptimizationLevel::kDisableAll, GraphOptimizationLevel::kEnableAll}) {
    SessionOptions options;
    options.graph_optimization_level = level;
    InferenceSession session = session_of(graph, options);
    const NamedTensor feed{"axes", Tensor::from_values<int64_t>({1}, {0})};
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(values_of(session.run({&feed, 1})[0]), (std::vector<float>{-2.0F, -3.0F}));
    }
  }
}

}  // namespace
}  // namespace attune
