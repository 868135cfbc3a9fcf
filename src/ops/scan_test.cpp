#include "ops/graph_test.h"

namespace attune {
namespace {

struct ScanParts {
  int version = 11;
  std::vector<int64_t> input_axes = {};
  std::vector<int64_t> input_directions = {};
  std::vector<int64_t> output_axes = {};
  std::vector<int64_t> output_directions = {};
  bool has_lengths = false;
};

/// Running sums over the slices of x.
std::function<void(Graph&)> build_scan(const ScanParts& parts, int rank) {
  return [=](Graph& graph) {
    graph.opsets[""] = parts.version;
    const bool old = parts.version == 8;
    Value* lengths = old ? add_test_input(graph, "lengths", DataType::kInt64, 1) : nullptr;
    Value* start = add_test_input(graph, "start", DataType::kFloat, rank - 1);
    Value* x = add_test_input(graph, "x", DataType::kFloat, rank);
    Value* last = graph.add_value("last");
    Value* sums = graph.add_value("sums");
    std::vector<Value*> inputs{start, x};
    if (old) inputs.insert(inputs.begin(), parts.has_lengths ? lengths : nullptr);
    Node* node = graph.add_node("Scan", inputs, {last, sums}, "scan");
    node->attributes.set("num_scan_inputs", int64_t{1});
    const auto set = [&](std::string_view name, const std::vector<int64_t>& values) {
      if (!values.empty()) node->attributes.set(name, values);
    };
    set("scan_input_axes", parts.input_axes);
    set(old ? "directions" : "scan_input_directions", parts.input_directions);
    set("scan_output_axes", parts.output_axes);
    set("scan_output_directions", parts.output_directions);
    node->attributes.set("body", make_test_body(graph, [&](Graph& body) {
                           const int slice = rank - 1 - (old ? 1 : 0);
                           Value* state = add_test_input(body, "state", DataType::kFloat, slice);
                           Value* now = add_test_input(body, "now", DataType::kFloat, slice);
                           Value* sum = add_test_node(body, "Add", {state, now});
                           body.add_output(sum);
                           body.add_output(add_test_node(body, "Identity", {sum}));
                         }));
    graph.add_output(last);
    graph.add_output(sums);
  };
}

std::vector<Tensor> run_scan(const ScanParts& parts) {
  return GraphTest(build_scan(parts, 2)).feed(floats({2}, {100, 200})).feed(floats({3, 2}, {1, 2, 3, 4, 5, 6})).run();
}

TEST(Scan, GoesAlongTheFirstAxis) {
  const auto results = run_scan({});
  GraphTest::expect_equal(results[0], floats({2}, {109, 212}));
  GraphTest::expect_equal(results[1], floats({3, 2}, {101, 202, 104, 206, 109, 212}));
}

TEST(Scan, GoesBackwards) {
  GraphTest::expect_equal(run_scan({.input_directions = {1}})[1], floats({3, 2}, {105, 206, 108, 210, 109, 212}));
  GraphTest::expect_equal(run_scan({.output_directions = {1}})[1], floats({3, 2}, {109, 212, 104, 206, 101, 202}));
}

TEST(Scan, GoesAlongOtherAxes) {
  const ScanParts parts{.input_axes = {-1}, .output_axes = {1}};
  const auto results =
      GraphTest(build_scan(parts, 2)).feed(floats({3}, {0, 0, 0})).feed(floats({3, 2}, {1, 2, 3, 4, 5, 6})).run();
  GraphTest::expect_equal(results[0], floats({3}, {3, 7, 11}));
  GraphTest::expect_equal(results[1], floats({3, 2}, {1, 3, 3, 7, 5, 11}));
}

TEST(Scan, OverNothing) {
  const auto results = GraphTest(build_scan({}, 2)).feed(floats({2}, {1, 2})).feed(floats({0, 2}, {})).run();
  GraphTest::expect_equal(results[0], floats({2}, {1, 2}));
  EXPECT_EQ(results[1].shape()[0], 0);
}

TEST(Scan, Version8HasABatchAndLengths) {
  const Tensor x = floats({2, 3, 1}, {1, 2, 3, 4, 5, 6});
  const Tensor start = floats({2, 1}, {0, 10});
  const Tensor lengths = integers({2}, {3, 1});
  const auto all = GraphTest(build_scan({.version = 8}, 3)).feed(lengths).feed(start).feed(x).run();
  GraphTest::expect_equal(all[0], floats({2, 1}, {6, 25}));
  GraphTest::expect_equal(all[1], floats({2, 3, 1}, {1, 3, 6, 14, 19, 25}));
  const auto some =
      GraphTest(build_scan({.version = 8, .has_lengths = true}, 3)).feed(lengths).feed(start).feed(x).run();
  GraphTest::expect_equal(some[0], floats({2, 1}, {6, 14}));
  GraphTest::expect_equal(some[1], floats({2, 3, 1}, {1, 3, 6, 14, 0, 0}));
  const auto back = GraphTest(build_scan({.version = 8, .input_directions = {1}, .has_lengths = true}, 3))
                        .feed(lengths)
                        .feed(start)
                        .feed(x)
                        .run();
  GraphTest::expect_equal(back[1], floats({2, 3, 1}, {3, 5, 6, 14, 0, 0}));
  GraphTest(build_scan({.version = 8, .has_lengths = true}, 3))
      .feed(integers({2}, {4, 1}))
      .feed(start)
      .feed(x)
      .fails("sequence_lens has 4 for sequences of 3");
}

TEST(Scan, WrongAttributes) {
  const auto fails = [](const ScanParts& parts, std::string_view text) {
    GraphTest(build_scan(parts, 2)).feed(floats({2}, {0, 0})).feed(floats({3, 2}, {1, 2, 3, 4, 5, 6})).fails(text);
  };
  fails({.input_directions = {2}}, "0 and 1 are allowed");
  fails({.input_axes = {0, 1}}, "2 entries instead of 1");
  fails({.input_axes = {2}}, "not in valid range");
}

}  // namespace
}  // namespace attune
