#include "graph/graph.h"

#include <gtest/gtest.h>

#include "attune/error.h"

namespace attune {
namespace {

TEST(Graph, SortKeepsOrderAndPutsProducersFirst) {
  Graph graph;
  Value* x = graph.add_value("x");
  graph.add_input(x);
  Value* a = graph.add_value("a");
  Value* b = graph.add_value("b");
  Value* c = graph.add_value("c");
  graph.add_node("Relu", {b}, {c}, "third");
  graph.add_node("Relu", {x}, {a}, "first");
  graph.add_node("Relu", {a}, {b}, "second");
  graph.add_output(c);
  EXPECT_THROW(graph.check(), Error);
  graph.sort();
  graph.check();
  EXPECT_EQ(graph.nodes()[0]->name, "first");
  EXPECT_EQ(graph.nodes()[2]->name, "third");
}

TEST(Graph, SortNamesANodeOfACycle) {
  Graph graph;
  Value* a = graph.add_value("a");
  Value* b = graph.add_value("b");
  graph.add_node("Relu", {a}, {b}, "loop");
  graph.add_node("Relu", {b}, {a}, "back");
  try {
    graph.sort();
    FAIL() << "a cycle was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidGraph);
    EXPECT_NE(error.text().find("loop"), std::string::npos);
  }
}

TEST(Graph, ReplacingAnOutputKeepsItsName) {
  Graph graph;
  Value* x = graph.add_value("x");
  graph.add_input(x);
  Value* y = graph.add_value("y");
  graph.add_node("Identity", {x}, {y});
  graph.add_output(y);
  graph.replace_all_uses(y, x);
  EXPECT_EQ(graph.remove_dead(), 1);
  EXPECT_EQ(graph.outputs()[0].name, "y");
  EXPECT_EQ(graph.outputs()[0].value, x);
  EXPECT_TRUE(x->users().empty());
  graph.check();
}

TEST(Graph, DuplicateNamesAreRefused) {
  Graph graph;
  Value* x = graph.add_value("x");
  EXPECT_THROW(graph.add_value("x"), Error);
  Value* y = graph.add_value("y");
  graph.add_node("Relu", {x}, {y});
  EXPECT_THROW(graph.add_node("Relu", {x}, {y}), Error);
}

TEST(Symbols, NamesAreLabelsOnly) {
  Symbols symbols;
  const int64_t batch = symbols.fresh("batch");
  EXPECT_NE(symbols.fresh("batch"), batch);
  EXPECT_EQ(symbols.name(batch), "batch");
  EXPECT_EQ(symbols.name(symbols.fresh()), "");
  EXPECT_EQ(symbols.name(kUnknownDim), "");
  EXPECT_TRUE(same_dim(batch, batch));
  EXPECT_FALSE(same_dim(kUnknownDim, kUnknownDim));
}

}  // namespace
}  // namespace attune
