#include "optimize/forbid_winograd.h"

#include <gtest/gtest.h>

#include "ops/direct_sums.h"

namespace attune::optimize {
namespace {

TEST(ForbidWinograd, MarksConvolutionsOfAllGraphs) {
  auto body = std::make_shared<Graph>();
  Value* inner = body->add_value("inner");
  body->add_input(inner);
  Value* sums = body->add_value("sums");
  const Node* in_body = body->add_node("Conv", {inner, inner}, {sums});
  body->add_output(sums);

  Graph graph;
  Value* x = graph.add_value("x");
  graph.add_input(x);
  Value* y = graph.add_value("y");
  const Node* conv = graph.add_node("Conv", {x, x}, {y});
  Value* z = graph.add_value("z");
  const Node* pool = graph.add_node("MaxPool", {y}, {z});
  Value* condition = graph.add_value("condition");
  graph.add_input(condition);
  Value* result = graph.add_value("result");
  Node* branch = graph.add_node("If", {condition}, {result});
  branch->attributes.set("then_branch", body);
  branch->attributes.set("else_branch", body);
  graph.add_output(result);

  forbid_winograd(graph);
  EXPECT_EQ(conv->attributes.get_int(ops::kDirectSums, 0), 1);
  EXPECT_EQ(in_body->attributes.get_int(ops::kDirectSums, 0), 1);
  EXPECT_FALSE(pool->attributes.has(ops::kDirectSums));
}

}  // namespace
}  // namespace attune::optimize
