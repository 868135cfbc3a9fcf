#include "attune/session.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <thread>

#include "base/thread.h"
#include "graph/graph.h"
#include "onnx/writer.h"
#include "ops/evaluate.h"
#include "ops/infer.h"
#include "ops/op_def.h"
#include "runtime/thread_pool.h"

namespace attune {
namespace {

InferenceSession session_of(const Graph& graph, const SessionOptions& options = {}) {
  const auto bytes = std::make_shared<const std::string>(write_model(graph));
  return InferenceSession(std::as_bytes(std::span(*bytes)), bytes, options);
}

Tensor floats(const Shape& shape, float first = 0.0F) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  float next = first;
  for (float& value : tensor.values<float>()) value = next++;
  return tensor;
}

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor.values<float>().begin(), tensor.values<float>().end()};
}

Graph empty_graph() {
  Graph graph;
  graph.opsets[""] = 17;
  return graph;
}

/// The graph's outputs, one node after another on the heap: what every plan must agree with.
std::vector<Tensor> run_naively(const Graph& graph, const std::map<std::string, Tensor>& feeds) {
  std::map<const Value*, Tensor> known;
  for (const Value* input : graph.inputs()) known[input] = feeds.at(input->name);
  SerialParallel parallel;
  for (const auto& node : graph.nodes()) {
    std::vector<Tensor> inputs;
    for (const Value* input : node->inputs()) {
      inputs.push_back(input == nullptr ? Tensor() : input->is_constant() ? input->constant : known.at(input));
    }
    const auto results = evaluate(*make_node_operator(*node), inputs, node->output_count(), parallel);
    for (int i = 0; i < node->output_count(); ++i) known[node->output(i)] = results[static_cast<size_t>(i)];
  }
  std::vector<Tensor> outputs;
  for (const GraphOutput& output : graph.outputs()) {
    outputs.push_back(output.value->is_constant() ? output.value->constant : known.at(output.value));
  }
  return outputs;
}

TEST(Session, DescribesItsModel) {
  Graph graph = empty_graph();
  graph.metadata.graph_name = "described";
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N"), 3, graph.symbols->fresh()});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("Relu", {x}, {y}, "relu");
  graph.add_output(y);
  const InferenceSession session = session_of(graph);
  ASSERT_EQ(session.inputs().size(), 1u);
  ASSERT_EQ(session.inputs()[0].shape.size(), 3u);
  EXPECT_EQ(session.inputs()[0].type, "tensor(float)");
  EXPECT_EQ(std::get<std::string>(session.inputs()[0].shape[0]), "N");
  EXPECT_EQ(std::get<int64_t>(session.inputs()[0].shape[1]), 3);
  EXPECT_EQ(std::get<std::string>(session.inputs()[0].shape[2]), "");
  EXPECT_EQ(session.outputs()[0].type, "tensor(float)");
  EXPECT_EQ(session.model().graph_name, "described");
  EXPECT_GE(session.threads(), 1);
}

TEST(Session, WrongFeedsAreNamed) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2, 3});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("Relu", {x}, {y});
  graph.add_output(y);
  InferenceSession session = session_of(graph);
  const auto text_of = [&](std::vector<NamedTensor> feeds, std::vector<std::string> outputs = {}) -> std::string {
    try {
      session.run(feeds, outputs);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.text();
    }
    return "accepted";
  };
  EXPECT_EQ(text_of({{"x", floats({2, 3})}}), "accepted");
  EXPECT_EQ(text_of({}), "Missing Input: x");
  EXPECT_EQ(text_of({{"x", floats({2, 3})}, {"q", floats({1})}}), "Invalid input name: q");
  EXPECT_EQ(text_of({{"x", Tensor::from_values<int64_t>(Shape{1}, {1})}}),
            "Unexpected input data type. Actual: (tensor(int64)) , expected: (tensor(float))");
  EXPECT_EQ(text_of({{"x", floats({2})}}),
            "Invalid rank for input: x Got: 1 Expected: 2 Please fix either the inputs/outputs or the model.");
  EXPECT_EQ(text_of({{"x", floats({4, 5})}}),
            "Got invalid dimensions for input: x for the following indices\n index: 0 Got: 4 Expected: 2\n index: 1 "
            "Got: 5 Expected: 3\n Please fix either the inputs/outputs or the model.");
  EXPECT_EQ(text_of({{"x", floats({2, 3})}}, {"z"}), "Invalid output name:z");
}

TEST(Session, OutputsMayBeInputsConstantsAndEachOther) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{3});
  graph.add_input(x);
  Value* c = graph.add_constant(floats({2}, 5), "c");
  Value* y = graph.add_value("y");
  Value* twin = graph.add_value("twin");
  Value* view = graph.add_value("view");
  Value* shape = graph.add_constant(Tensor::from_values<int64_t>(Shape{2}, {3, 1}), "shape");
  graph.add_node("Neg", {x}, {y});
  graph.add_node("Identity", {y}, {twin});
  graph.add_node("Reshape", {x, shape}, {view});
  graph.add_output(x);
  graph.add_output(c);
  graph.add_output(y);
  graph.add_output(twin);
  graph.add_output(view);
  for (const auto level : {GraphOptimizationLevel::kDisableAll, GraphOptimizationLevel::kEnableAll}) {
    SessionOptions options;
    options.graph_optimization_level = level;
    InferenceSession session = session_of(graph, options);
    const Tensor fed = floats({3}, 1);
    std::vector<Tensor> results = session.run(std::vector<NamedTensor>{{"x", fed}});
    EXPECT_EQ(values_of(results[0]), (std::vector<float>{1, 2, 3}));
    EXPECT_EQ(values_of(results[1]), (std::vector<float>{5, 6}));
    EXPECT_EQ(values_of(results[2]), (std::vector<float>{-1, -2, -3}));
    EXPECT_EQ(values_of(results[3]), values_of(results[2]));
    EXPECT_EQ(results[4].shape(), (Shape{3, 1}));
    // Each is the caller's alone.
    for (size_t a = 0; a < results.size(); ++a) {
      EXPECT_NE(results[a].raw(), fed.raw());
      for (size_t b = a + 1; b < results.size(); ++b) EXPECT_NE(results[a].raw(), results[b].raw());
    }
    results[2].values<float>()[0] = 99;
    EXPECT_EQ(values_of(session.run(std::vector<NamedTensor>{{"x", fed}})[3]), (std::vector<float>{-1, -2, -3}));
    EXPECT_EQ(values_of(fed), (std::vector<float>{1, 2, 3}));
  }
}

TEST(Session, AnOutputThatIsAViewHasItsOwnShape) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2, 3});
  graph.add_input(x);
  Value* negative = graph.add_value("negative");
  Value* shape = graph.add_constant(Tensor::from_values<int64_t>(Shape{3}, {3, 1, 2}), "shape");
  Value* view = graph.add_value("view");
  graph.add_node("Neg", {x}, {negative});
  graph.add_node("Reshape", {negative, shape}, {view});
  graph.add_output(view);
  InferenceSession session = session_of(graph, {});
  const Tensor result = session.run(std::vector<NamedTensor>{{"x", floats({2, 3}, 1)}})[0];
  EXPECT_EQ(result.shape(), (Shape{3, 1, 2}));
  EXPECT_EQ(values_of(result), (std::vector<float>{-1, -2, -3, -4, -5, -6}));
}

TEST(Session, OutputsAreChosenByName) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2});
  graph.add_input(x);
  Value* a = graph.add_value("a");
  Value* b = graph.add_value("b");
  graph.add_node("Neg", {x}, {a});
  graph.add_node("Abs", {a}, {b});
  graph.add_output(a);
  graph.add_output(b);
  InferenceSession session = session_of(graph);
  const std::vector<std::string> names = {"b", "a"};
  const auto results = session.run(std::vector<NamedTensor>{{"x", floats({2}, 1)}}, names);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(values_of(results[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(values_of(results[1]), (std::vector<float>{-1, -2}));
}

TEST(Session, FailuresNameTheNode) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N"), graph.symbols->fresh("M")});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("MatMul", {x, x}, {y}, "mm");
  graph.add_output(y);
  InferenceSession session = session_of(graph);
  try {
    session.run(std::vector<NamedTensor>{{"x", floats({2, 3})}});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFail);
    EXPECT_NE(error.text().find("while running MatMul node. Name:'mm'"), std::string::npos) << error.text();
  }
  EXPECT_EQ(session.run(std::vector<NamedTensor>{{"x", floats({2, 2})}})[0].shape(), (Shape{2, 2}));
}

TEST(Session, UnknownOperatorsAreNamedAtLoad) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{1});
  graph.add_input(x);
  Value* y = graph.add_value("y", DataType::kFloat);
  graph.add_node("Frobnicate", {x}, {y}, "odd");
  graph.add_output(y);
  try {
    session_of(graph);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("Frobnicate"), std::string::npos) << error.text();
    EXPECT_NE(error.text().find("odd"), std::string::npos) << error.text();
  }
  graph.opsets[""] = 999;
  EXPECT_THROW(session_of(graph), Error);
}

TEST(Session, MoreMemoryThanThereIsIsAnError) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{1});
  graph.add_input(x);
  const int64_t big = int64_t{1} << 21;
  Value* shape = graph.add_constant(Tensor::from_values<int64_t>(Shape{2}, {big, big}), "shape");
  Value* wide = graph.add_value("wide");
  Value* y = graph.add_value("y");
  graph.add_node("Expand", {x, shape}, {wide}, "wide");
  graph.add_node("Neg", {wide}, {y}, "neg");
  graph.add_output(y);
  for (const auto level : {GraphOptimizationLevel::kDisableAll, GraphOptimizationLevel::kEnableAll}) {
    SessionOptions options;
    options.graph_optimization_level = level;
    InferenceSession session = session_of(graph, options);
    EXPECT_THROW(session.run(std::vector<NamedTensor>{{"x", floats({1})}}), Error);
  }
}

TEST(Session, ShapesThatDependOnDataRunInSegments) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N")});
  graph.add_input(x);
  Value* doubled = graph.add_value("doubled");
  Value* where = graph.add_value("where");
  Value* flat = graph.add_value("flat");
  Value* minus = graph.add_constant(Tensor::from_values<int64_t>(Shape{1}, {-1}), "minus");
  Value* picked = graph.add_value("picked");
  Value* y = graph.add_value("y");
  graph.add_node("Add", {x, x}, {doubled}, "double");
  graph.add_node("NonZero", {x}, {where}, "where");
  graph.add_node("Reshape", {where, minus}, {flat}, "flat");
  graph.add_node("Gather", {doubled, flat}, {picked}, "pick");
  graph.add_node("Neg", {picked}, {y}, "neg");
  graph.add_output(y);
  graph.add_output(where);
  if (find_op("", "NonZero", 17) == nullptr) GTEST_SKIP() << "NonZero is not there";
  for (const bool parallel : {true, false}) {
    SessionOptions options;
    options.enable_cpu_mem_arena = !parallel;
    options.execution_mode = parallel ? ExecutionMode::kParallel : ExecutionMode::kSequential;
    options.inter_op_num_threads = 2;
    InferenceSession session = session_of(graph, options);
    for (int run = 0; run < 3; ++run) {
      const Tensor fed = Tensor::from_values<float>(Shape{4}, {0, 3, 0, static_cast<float>(run)});
      const auto results = session.run(std::vector<NamedTensor>{{"x", fed}});
      const std::vector<float> expected =
          run == 0 ? std::vector<float>{-6} : std::vector<float>{-6, -2.0F * static_cast<float>(run)};
      EXPECT_EQ(values_of(results[0]), expected);
      EXPECT_EQ(results[1].shape(), (Shape{1, static_cast<int64_t>(expected.size())}));
    }
  }
}

TEST(Session, WhatARunMakesHasNoViews) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N")});
  graph.add_input(x);
  Value* where = graph.add_value("where");
  Value* same = graph.add_value("same");
  Value* twice = graph.add_value("twice");
  graph.add_node("NonZero", {x}, {where});
  graph.add_node("Identity", {where}, {same});
  graph.add_node("Add", {same, where}, {twice});
  graph.add_output(twice);
  SessionOptions options;
  options.graph_optimization_level = GraphOptimizationLevel::kDisableAll;  // which would take the Identity out
  InferenceSession session = session_of(graph, options);
  for (const int64_t size : {5, 3}) {
    const Tensor x_value = floats({size});
    const auto results = session.run(std::vector<NamedTensor>{{"x", x_value}});
    ASSERT_EQ(results[0].shape(), (Shape{1, size - 1}));
    for (int64_t i = 0; i + 1 < size; ++i) EXPECT_EQ(results[0].values<int64_t>()[static_cast<size_t>(i)], 2 * (i + 1));
  }
}

TEST(Session, StringsAreObjectsBetweenNodesToo) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kString, Shape{graph.symbols->fresh("N")});
  graph.add_input(x);
  Value* column = graph.add_constant(Tensor::from_values<int64_t>(Shape{2}, {-1, 1}));
  Value* indices = graph.add_constant(Tensor::from_values<int64_t>(Shape{3}, {0, 3, 2}));
  std::vector<Value*> made;
  for (const char* name : {"joined", "column", "row", "same", "chosen"}) made.push_back(graph.add_value(name));
  graph.add_node("Concat", {x, x}, {made[0]})->attributes.set("axis", int64_t{0});
  graph.add_node("Reshape", {made[0], column}, {made[1]});
  graph.add_node("Transpose", {made[1]}, {made[2]});
  graph.add_node("Identity", {made[2]}, {made[3]});
  graph.add_node("Gather", {made[3], indices}, {made[4]})->attributes.set("axis", int64_t{1});
  graph.add_output(made[4]);
  graph.add_output(made[1]);
  const std::string long_text(100, 'l');  // on the heap, where a leak or a wild pointer shows
  for (const ExecutionMode mode : {ExecutionMode::kSequential, ExecutionMode::kParallel}) {
    SessionOptions options;
    options.execution_mode = mode;
    options.graph_optimization_level = GraphOptimizationLevel::kDisableAll;
    InferenceSession session = session_of(graph, options);
    for (int round = 0; round < 3; ++round) {
      const Tensor x_value = Tensor::from_values<std::string>(Shape{2}, {"short", long_text});
      const auto results = session.run(std::vector<NamedTensor>{{"x", x_value}});
      ASSERT_EQ(results[0].shape(), (Shape{1, 3}));
      const auto chosen = results[0].values<std::string>();
      EXPECT_EQ(std::vector<std::string>(chosen.begin(), chosen.end()),
                (std::vector<std::string>{"short", long_text, "short"}));
      ASSERT_EQ(results[1].shape(), (Shape{4, 1}));
      EXPECT_EQ(results[1].values<std::string>()[3], long_text);
    }
  }
}

/// A random graph of operators whose memory the planner shares, reuses and overwrites.
Graph random_graph(std::mt19937& random) {
  Graph graph = empty_graph();
  const Shape shape{4, 6};
  Value* target = graph.add_constant(Tensor::from_values<int64_t>(Shape{2}, {4, 6}));
  std::vector<Value*> pool;
  for (int i = 0; i < 2; ++i) {
    pool.push_back(graph.add_value("in" + std::to_string(i), DataType::kFloat, shape));
    graph.add_input(pool.back());
  }
  pool.push_back(graph.add_constant(floats(shape, -3)));
  const auto any = [&] { return pool[random() % pool.size()]; };
  for (int i = 0; i < 25; ++i) {
    Value* out = graph.add_value();
    switch (random() % 6) {
      case 0:
        graph.add_node("Add", {any(), any()}, {out});
        break;
      case 1:
        graph.add_node("Sub", {any(), any()}, {out});
        break;
      case 2:
        graph.add_node("Relu", {any()}, {out});
        break;
      case 3:
        graph.add_node("Reshape", {any(), target}, {out});
        break;
      case 4:
        graph.add_node("Identity", {any()}, {out});
        break;
      default: {
        Value* turned = graph.add_value();
        graph.add_node("Transpose", {any()}, {turned});
        Node* back = graph.add_node("Transpose", {turned}, {out});
        back->attributes.set("perm", std::vector<int64_t>{1, 0});
        if (random() % 3 == 0) graph.add_output(turned);
      }
    }
    pool.push_back(out);
    if (random() % 4 == 0) graph.add_output(out);
  }
  graph.add_output(pool.back());
  return graph;
}

TEST(Session, RandomGraphsAgreeWithTheNaiveRun) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    const Graph graph = random_graph(random);
    std::map<std::string, Tensor> feeds;
    std::vector<NamedTensor> named;
    for (const Value* input : graph.inputs()) {
      feeds[input->name] = floats(*input->shape, static_cast<float>(round) - 7.0F);
      named.push_back({input->name, feeds[input->name]});
    }
    const std::vector<Tensor> expected = run_naively(graph, feeds);
    for (const auto level : {GraphOptimizationLevel::kDisableAll, GraphOptimizationLevel::kEnableBasic,
                             GraphOptimizationLevel::kEnableAll}) {
      for (const int mode : {0, 1, 2}) {
        SessionOptions options;
        options.graph_optimization_level = level;
        options.enable_cpu_mem_arena = mode != 0;
        options.execution_mode = mode == 2 ? ExecutionMode::kParallel : ExecutionMode::kSequential;
        options.inter_op_num_threads = 3;
        options.log_severity_level = 4;  // more threads than CPUs are worth a warning
        InferenceSession session = session_of(graph, options);
        for (int run = 0; run < 2; ++run) {
          const std::vector<Tensor> actual = session.run(named);
          ASSERT_EQ(actual.size(), expected.size());
          for (size_t i = 0; i < actual.size(); ++i) {
            ASSERT_EQ(actual[i].shape(), expected[i].shape());
            ASSERT_EQ(values_of(actual[i]), values_of(expected[i])) << "round " << round << ", output " << i;
          }
        }
      }
    }
  }
}

TEST(Session, ManyThreadsMayRunAtOnce) {
  std::mt19937 random(5);
  const Graph graph = random_graph(random);
  InferenceSession session = session_of(graph);
  std::vector<std::thread> threads;
  std::vector<int> wrong(8, 0);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      std::map<std::string, Tensor> feeds;
      std::vector<NamedTensor> named;
      for (const Value* input : graph.inputs()) {
        feeds[input->name] = floats(*input->shape, static_cast<float>(t));
        named.push_back({input->name, feeds[input->name]});
      }
      const std::vector<Tensor> expected = run_naively(graph, feeds);
      for (int run = 0; run < 20; ++run) {
        const std::vector<Tensor> actual = session.run(named);
        for (size_t i = 0; i < actual.size(); ++i)
          wrong[static_cast<size_t>(t)] += values_of(actual[i]) != values_of(expected[i]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
}

TEST(Session, ReportsWhatARunNeeds) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N"), 8});
  graph.add_input(x);
  Value* w = graph.add_constant(floats({8, 16}), "w");
  Value* product = graph.add_value("product");
  Value* y = graph.add_value("y");
  graph.add_node("MatMul", {x, w}, {product}, "mm");
  graph.add_node("Exp", {product}, {y}, "exp");
  graph.add_output(y);
  InferenceSession session = session_of(graph);
  EXPECT_THROW(session.plan_report({}), Error);
  const PlanReport report = session.plan_report({{"x", Shape{4, 8}}});
  ASSERT_EQ(report.nodes.size(), 2u);
  EXPECT_EQ(report.nodes[0].flops, 2.0 * 4 * 8 * 16);
  EXPECT_EQ(report.parameters, 8 * 16);
  EXPECT_GE(report.region_bytes, report.lower_bound_bytes);
  EXPECT_EQ(report.output_bytes, 4u * 16 * 4);
  EXPECT_TRUE(report.is_complete);
}

TEST(Session, ProfilesEveryNode) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("Exp", {x}, {y}, "named");
  graph.add_output(y);
  SessionOptions options;
  options.enable_profiling = true;
  options.profile_file_prefix = testing::TempDir() + "attune_session_test";
  InferenceSession session = session_of(graph, options);
  session.run(std::vector<NamedTensor>{{"x", floats({2})}});
  EXPECT_GT(session.profiling_start_time_ns(), 0);
  const std::string file = session.end_profiling();
  EXPECT_EQ(session.end_profiling(), "");
  std::ifstream stream(file);
  const auto events = nlohmann::json::parse(stream);
  const auto has = [&](const std::string& name) {
    return std::any_of(events.begin(), events.end(), [&](const auto& event) { return event.at("name") == name; });
  };
  EXPECT_TRUE(has("named_kernel_time"));
  EXPECT_TRUE(has("session_initialization"));
  EXPECT_TRUE(has("model_run"));
  std::remove(file.c_str());
}

/// Delays tasks at random and remembers who ran them, for as long as it lives.
class RandomDelays {
 public:
  RandomDelays() {
    threads().clear();
    set_task_probe([] {
      thread_local std::minstd_rand random(static_cast<unsigned>(current_thread_id()));
      if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      const std::lock_guard lock(mutex());
      threads().insert(current_thread_id());
    });
  }
  ~RandomDelays() { set_task_probe(nullptr); }
  static std::set<int64_t>& threads() {
    static std::set<int64_t> ids;
    return ids;
  }

 private:
  static std::mutex& mutex() {
    static std::mutex only;
    return only;
  }
};

TEST(Session, EightThreadsWorkAndNoDelayChangesABit) {
  Graph graph = empty_graph();
  Value* x = graph.add_value("x", DataType::kFloat, Shape{4, 300, 256});
  graph.add_input(x);
  std::vector<Value*> ends;
  for (int branch = 0; branch < 3; ++branch) {
    Value* product = graph.add_value("product" + std::to_string(branch));
    Value* curve = graph.add_value("curve" + std::to_string(branch));
    Value* soft = graph.add_value("soft" + std::to_string(branch));
    Tensor weights = floats({256, 256}, static_cast<float>(branch));
    for (float& weight : weights.values<float>()) weight = std::sin(weight) * 0.1F;
    graph.add_node("MatMul", {x, graph.add_constant(weights, "w" + std::to_string(branch))}, {product});
    graph.add_node("Tanh", {product}, {curve});
    graph.add_node("Softmax", {curve}, {soft});
    ends.push_back(soft);
  }
  Value* y = graph.add_value("y");
  graph.add_node("Sum", ends, {y});
  graph.add_output(y);
  Tensor input = floats({4, 300, 256});
  for (float& value : input.values<float>()) value = std::cos(value);
  const NamedTensor feed{"x", input};

  SessionOptions options;
  options.log_severity_level = 4;
  options.intra_op_num_threads = 1;
  const std::vector<float> wanted = values_of(session_of(graph, options).run({&feed, 1})[0]);
  options.intra_op_num_threads = 8;
  options.inter_op_num_threads = 3;
  for (const ExecutionMode mode : {ExecutionMode::kSequential, ExecutionMode::kParallel}) {
    options.execution_mode = mode;
    InferenceSession session = session_of(graph, options);
    const RandomDelays delays;
    // Who comes when is up to the operating system: a busy one may need several runs.
    for (int run = 0; run < 100 && (run < 5 || RandomDelays::threads().size() < 8); ++run) {
      ASSERT_EQ(values_of(session.run({&feed, 1})[0]), wanted) << "run " << run;
    }
    EXPECT_EQ(RandomDelays::threads().size(), 8u);
  }
}

}  // namespace
}  // namespace attune
