#include "ops/graph_test.h"

namespace attune {
namespace {

Tensor scalars(std::vector<float> values) {
  std::vector<Tensor> elements;
  for (const float value : values) elements.push_back(Tensor::scalar(value));
  return Tensor::sequence(std::move(elements));
}

/// A node that reads a sequence of floats and further tensors.
GraphTest sequence_node(std::string_view op_type, std::vector<Tensor> feeds,
                        const std::function<void(Attributes&)>& attributes = {}) {
  std::vector<std::pair<DataType, int>> inputs;
  for (const Tensor& feed : feeds) inputs.emplace_back(feed.type(), feed.shape().rank());
  GraphTest test([=](Graph& graph) {
    std::vector<Value*> values;
    for (const auto& [type, rank] : inputs) {
      const bool sequence = type == DataType::kSequence;
      values.push_back(add_test_input(graph, {}, sequence ? DataType::kFloat : type, rank,
                                      sequence ? ValueKind::kSequence : ValueKind::kTensor));
    }
    graph.add_output(add_test_node(graph, op_type, values, attributes));
  });
  for (Tensor& feed : feeds) test.feed(std::move(feed));
  return test;
}

Tensor position(int64_t value) { return Tensor::scalar(value); }

TEST(Sequences, Construct) {
  const auto result = sequence_node("SequenceConstruct", {Tensor::scalar(1.0F), floats({2}, {2, 3})}).run()[0];
  GraphTest::expect_equal(result, Tensor::sequence({Tensor::scalar(1.0F), floats({2}, {2, 3})}));
}

TEST(Sequences, Empty) {
  const auto result = GraphTest([](Graph& graph) {
                        Value* sequence = add_test_node(graph, "SequenceEmpty", {});
                        graph.add_output(sequence);
                        graph.add_output(add_test_node(graph, "SequenceLength", {sequence}));
                      }).run();
  GraphTest::expect_equal(result[0], Tensor::sequence({}));
  GraphTest::expect_equal(result[1], position(0));
}

TEST(Sequences, At) {
  GraphTest::expect_equal(sequence_node("SequenceAt", {scalars({1, 2, 3}), position(1)}).run()[0],
                          Tensor::scalar(2.0F));
  GraphTest::expect_equal(sequence_node("SequenceAt", {scalars({1, 2, 3}), position(-3)}).run()[0],
                          Tensor::scalar(1.0F));
  sequence_node("SequenceAt", {scalars({1, 2, 3}), position(3)}).fails("Invalid sequence index (3)");
  sequence_node("SequenceAt", {scalars({1, 2, 3}), position(-4)}).fails("sequence of size (3)");
  sequence_node("SequenceAt", {scalars({}), position(0)}).fails("Invalid sequence index");
}

TEST(Sequences, Insert) {
  const Tensor nine = Tensor::scalar(9.0F);
  const auto insert = [&](std::vector<Tensor> more) {
    std::vector<Tensor> feeds{scalars({1, 2}), nine};
    feeds.insert(feeds.end(), more.begin(), more.end());
    return sequence_node("SequenceInsert", feeds);
  };
  GraphTest::expect_equal(insert({}).run()[0], scalars({1, 2, 9}));
  GraphTest::expect_equal(insert({position(0)}).run()[0], scalars({9, 1, 2}));
  GraphTest::expect_equal(insert({position(2)}).run()[0], scalars({1, 2, 9}));
  GraphTest::expect_equal(insert({position(-1)}).run()[0], scalars({1, 9, 2}));
  insert({position(3)}).fails("Invalid sequence index (3)");
}

TEST(Sequences, Erase) {
  GraphTest::expect_equal(sequence_node("SequenceErase", {scalars({1, 2, 3})}).run()[0], scalars({1, 2}));
  GraphTest::expect_equal(sequence_node("SequenceErase", {scalars({1, 2, 3}), position(0)}).run()[0], scalars({2, 3}));
  sequence_node("SequenceErase", {scalars({})}).fails("nothing to erase");
}

TEST(Sequences, Split) {
  const Tensor x = floats({3, 2}, {1, 2, 3, 4, 5, 6});
  const auto keepdims = [](int64_t value) {
    return [value](Attributes& attributes) { attributes.set("keepdims", value); };
  };
  const auto axis = [](Attributes& attributes) { attributes.set("axis", int64_t{-1}); };
  GraphTest::expect_equal(sequence_node("SplitToSequence", {x}, keepdims(0)).run()[0],
                          Tensor::sequence({floats({2}, {1, 2}), floats({2}, {3, 4}), floats({2}, {5, 6})}));
  GraphTest::expect_equal(sequence_node("SplitToSequence", {x}, axis).run()[0],
                          Tensor::sequence({floats({3, 1}, {1, 3, 5}), floats({3, 1}, {2, 4, 6})}));
  GraphTest::expect_equal(sequence_node("SplitToSequence", {x, position(2)}).run()[0],
                          Tensor::sequence({floats({2, 2}, {1, 2, 3, 4}), floats({1, 2}, {5, 6})}));
  GraphTest::expect_equal(sequence_node("SplitToSequence", {x, integers({2}, {1, 2})}, keepdims(0)).run()[0],
                          Tensor::sequence({floats({1, 2}, {1, 2}), floats({2, 2}, {3, 4, 5, 6})}));
  sequence_node("SplitToSequence", {x, position(0)}).fails("Pieces of 0");
  sequence_node("SplitToSequence", {x, integers({2}, {1, 1})}).fails("come to 2 of");
  sequence_node("SplitToSequence", {x, integers({2}, {4, -1})}).fails("does not fit");
}

TEST(Sequences, Concat) {
  const Tensor pieces = Tensor::sequence({floats({1, 2}, {1, 2}), floats({2, 2}, {3, 4, 5, 6})});
  const auto along = [](int64_t axis, int64_t new_axis) {
    return [=](Attributes& attributes) {
      attributes.set("axis", axis);
      attributes.set("new_axis", new_axis);
    };
  };
  GraphTest::expect_equal(sequence_node("ConcatFromSequence", {pieces}, along(0, 0)).run()[0],
                          floats({3, 2}, {1, 2, 3, 4, 5, 6}));
  const Tensor same = Tensor::sequence({floats({2}, {1, 2}), floats({2}, {3, 4})});
  GraphTest::expect_equal(sequence_node("ConcatFromSequence", {same}, along(-1, 1)).run()[0],
                          floats({2, 2}, {1, 3, 2, 4}));
  sequence_node("ConcatFromSequence", {pieces}, along(1, 0)).fails("cannot be concatenated");
  sequence_node("ConcatFromSequence", {scalars({})}, along(0, 0)).fails("An empty sequence");
}

TEST(Sequences, Map) {
  const auto build = [](Graph& graph) {
    Value* sequence = add_test_input(graph, "s", DataType::kFloat, 0, ValueKind::kSequence);
    Value* x = add_test_input(graph, "x", DataType::kFloat, 0);
    Value* result = graph.add_value("y");
    Node* node = graph.add_node("SequenceMap", {sequence, x}, {result}, "map");
    node->attributes.set("body", make_test_body(graph, [](Graph& body) {
                           Value* a = add_test_input(body, "a", DataType::kFloat, 0);
                           Value* b = add_test_input(body, "b", DataType::kFloat, 0);
                           body.add_output(add_test_node(body, "Add", {a, b}));
                         }));
    graph.add_output(result);
  };
  const auto run = [&](Tensor sequence) {
    return GraphTest(build).feed(std::move(sequence)).feed(Tensor::scalar(10.0F)).run()[0];
  };
  GraphTest::expect_equal(run(scalars({1, 2})), scalars({11, 12}));
  GraphTest::expect_equal(run(scalars({})), scalars({}));
}

TEST(Sequences, OptionalsAndWhatIsInThem) {
  const auto build = [](Graph& graph) {
    Value* x = add_test_input(graph, "x", DataType::kFloat, 0, ValueKind::kOptional);
    graph.add_output(add_test_node(graph, "OptionalHasElement", {x}));
    graph.add_output(add_test_node(graph, "Identity", {x}));
  };
  const auto full = GraphTest(build).feed(Tensor::scalar(2.0F)).run();
  GraphTest::expect_equal(full[0], Tensor::scalar(true));
  GraphTest::expect_equal(full[1], Tensor::scalar(2.0F));
  const auto empty = GraphTest(build).feed(Tensor()).run();
  GraphTest::expect_equal(empty[0], Tensor::scalar(false));
  EXPECT_FALSE(empty[1]);
  const auto get = [](Graph& graph) {
    Value* x = add_test_input(graph, "x", DataType::kFloat, 0, ValueKind::kOptional);
    graph.add_output(add_test_node(graph, "OptionalGetElement", {x}));
  };
  GraphTest::expect_equal(GraphTest(get).feed(Tensor::scalar(2.0F)).run()[0], Tensor::scalar(2.0F));
  GraphTest(get).feed(Tensor()).fails("contains no data");
}

TEST(Sequences, MixedElementTypesAreRefused) {
  sequence_node("SequenceInsert", {scalars({1}), position(1)}).fails("bound to different types");
  sequence_node("SequenceAt", {Tensor::scalar(1.0F), position(1)}).fails("Type 'tensor(float)' of input parameter");
}

}  // namespace
}  // namespace attune
