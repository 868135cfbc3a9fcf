#include "ops/graph_test.h"

namespace attune {
namespace {

Tensor strings(std::vector<std::string> values) {
  return Tensor::from_values<std::string>(Shape{static_cast<int64_t>(values.size())},
                                          std::span<const std::string>(values));
}
Tensor numbers(const std::vector<int64_t>& values) { return integers({static_cast<int64_t>(values.size())}, values); }

/// A node of ai.onnx.ml with one input.
GraphTest map_node(std::string_view op_type, Tensor feed, ValueKind kind, DataType type,
                   const std::function<void(Attributes&)>& attributes) {
  const int rank = feed.shape().rank();
  GraphTest test([=](Graph& graph) {
    graph.opsets["ai.onnx.ml"] = 3;
    Value* x = add_test_input(graph, "x", type, rank, kind);
    Value* y = graph.add_value("y");
    Node* node = graph.add_node(op_type, {x}, {y}, "node", "ai.onnx.ml");
    attributes(node->attributes);
    graph.add_output(y);
  });
  return test.feed(std::move(feed));
}

GraphTest zip_map(Tensor scores, const AttributeValue& labels) {
  const bool has_numbers = std::holds_alternative<std::vector<int64_t>>(labels);
  return map_node("ZipMap", std::move(scores), ValueKind::kTensor, DataType::kFloat, [=](Attributes& attributes) {
    attributes.set(has_numbers ? "classlabels_int64s" : "classlabels_strings", labels);
  });
}

TEST(Maps, ZipMapGivesAMapForEachRow) {
  const Tensor scores = floats({2, 3}, {1, 0, 3, 44, 23, 11});
  const Tensor names = strings({"a", "b", "c"});
  GraphTest::expect_equal(
      zip_map(scores, std::vector<std::string>{"b", "a", "c"}).run()[0],
      Tensor::sequence({Tensor::map(names, floats({3}, {0, 1, 3})), Tensor::map(names, floats({3}, {23, 44, 11}))}));
  GraphTest::expect_equal(zip_map(floats({2}, {5, 6}), std::vector<int64_t>{-1, 7}).run()[0],
                          Tensor::sequence({Tensor::map(numbers({-1, 7}), floats({2}, {5, 6}))}));
  GraphTest::expect_equal(zip_map(floats({0, 2}, {}), std::vector<int64_t>{1, 2}).run()[0], Tensor::sequence({}));
}

TEST(Maps, OfALabelThatIsThereTwiceTheLastScoreCounts) {
  GraphTest::expect_equal(zip_map(floats({3}, {5, 6, 7}), std::vector<int64_t>{4, 2, 4}).run()[0],
                          Tensor::sequence({Tensor::map(numbers({2, 4}), floats({2}, {6, 7}))}));
}

TEST(Maps, ZipMapRefusesWhatItCannotZip) {
  zip_map(floats({2, 3}, {1, 2, 3, 4, 5, 6}), std::vector<int64_t>{1, 2}).fails("features_per_batch[3] != number");
  zip_map(floats({1, 1, 1}, {1}), std::vector<int64_t>{1}).fails("only supports 1D or 2D");
  zip_map(floats({1}, {1}), std::vector<int64_t>{}).fails("needs either classlabels_int64s or");
}

GraphTest vectorize(Tensor map, ValueKind kind, DataType type, std::string_view name, const AttributeValue& words) {
  return map_node("DictVectorizer", std::move(map), kind, type,
                  [=](Attributes& attributes) { attributes.set(name, words); });
}

TEST(Maps, DictVectorizerFollowsItsVocabulary) {
  const Tensor words = Tensor::map(strings({"x", "z"}), floats({2}, {4, 9}));
  const std::vector<std::string> vocabulary{"z", "y", "x"};
  GraphTest::expect_equal(
      vectorize(words, ValueKind::kStringMap, DataType::kFloat, "string_vocabulary", vocabulary).run()[0],
      floats({1, 3}, {9, 0, 4}));
  const Tensor texts = Tensor::map(numbers({3, 1}), strings({"three", "one"}));
  GraphTest::expect_equal(
      vectorize(texts, ValueKind::kInt64Map, DataType::kString, "int64_vocabulary", std::vector<int64_t>{1, 2, 3})
          .run()[0],
      strings({"one", "", "three"}).reshaped({1, 3}));
  vectorize(texts, ValueKind::kInt64Map, DataType::kString, "string_vocabulary", vocabulary)
      .fails("a vocabulary of string for a map(int64,tensor(string))");
}

GraphTest cast_map(Tensor map, DataType type, std::string_view to, int64_t sparse_size = 0) {
  return map_node("CastMap", std::move(map), ValueKind::kInt64Map, type, [=](Attributes& attributes) {
    attributes.set("cast_to", std::string(to));
    if (sparse_size == 0) return;
    attributes.set("map_form", std::string("SPARSE"));
    attributes.set("max_map", sparse_size);
  });
}

TEST(Maps, CastMapListsValuesByTheirKeys) {
  const Tensor map = Tensor::map(numbers({5, 1, 3}), floats({3}, {0.5F, 1.5F, -2.5F}));
  GraphTest::expect_equal(cast_map(map, DataType::kFloat, "TO_FLOAT").run()[0], floats({1, 3}, {1.5F, -2.5F, 0.5F}));
  GraphTest::expect_equal(cast_map(map, DataType::kFloat, "TO_INT64").run()[0], numbers({1, -2, 0}).reshaped({1, 3}));
  GraphTest::expect_equal(cast_map(map, DataType::kFloat, "TO_STRING").run()[0],
                          strings({"1.500000", "-2.500000", "0.500000"}).reshaped({1, 3}));
  GraphTest::expect_equal(cast_map(map, DataType::kFloat, "TO_FLOAT", 5).run()[0],
                          floats({1, 5}, {0, 1.5F, 0, -2.5F, 0}));
  const Tensor texts = Tensor::map(numbers({0, 1}), strings({"12", "-3"}));
  GraphTest::expect_equal(cast_map(texts, DataType::kString, "TO_FLOAT").run()[0], floats({1, 2}, {12, -3}));
  GraphTest::expect_equal(cast_map(texts, DataType::kString, "TO_INT64", 1).run()[0], numbers({12}).reshaped({1, 1}));
}

TEST(Maps, CastMapRefusesWhatHasNoPlace) {
  cast_map(Tensor::map(numbers({0}), strings({"1x"})), DataType::kString, "TO_INT64").fails("'1x' is no number");
  cast_map(Tensor::map(numbers({-1}), floats({1}, {1})), DataType::kFloat, "TO_FLOAT", 2).fails("Negative index");
  cast_map(Tensor::map(numbers({0}), floats({1}, {1})), DataType::kFloat, "TO_FLOAT", -1).fails("max_map must be");
  cast_map(Tensor::map(numbers({0}), floats({1}, {1})), DataType::kFloat, "TO_BYTES").fails("cast_to 'TO_BYTES'");
}

TEST(Maps, AreMadeOfOneDimensionEach) {
  EXPECT_THROW(Tensor::map(numbers({1, 2}), floats({1}, {1})), Error);
  EXPECT_THROW(Tensor::map(floats({1}, {1}), floats({1}, {1})), Error);
  EXPECT_THROW(Tensor::scalar(1.0F).map_keys(), Error);
  const Tensor copy = Tensor::map(numbers({1}), strings({"a"})).copied();
  EXPECT_EQ(copy.map_keys().values<int64_t>()[0], 1);
  EXPECT_EQ(copy.map_values().values<std::string>()[0], "a");
}

}  // namespace
}  // namespace attune
