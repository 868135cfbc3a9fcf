#include "optimize/subgraphs.h"

#include <algorithm>

namespace attune::optimize {
namespace {

Value* inner_value(const Node& node, const Graph& body, int captured) {
  return body.inputs()[body.inputs().size() - static_cast<size_t>(node.captured()) + static_cast<size_t>(captured)];
}

}  // namespace

void bring_in_constants(Graph& graph) {
  bool dropped = false;
  for (const auto& node : graph.nodes()) {
    const auto bodies = node->subgraphs();
    for (int k = node->captured() - 1; k >= 0; --k) {
      const Value* outer = node->input(node->own_input_count() + k);
      if (!outer->is_constant()) continue;
      for (const auto& body : bodies) {
        Value* inner = inner_value(*node, *body, k);
        inner->constant = outer->constant;
        inner->type = outer->type;
        inner->shape = outer->constant.shape();
        inner->elements.reset();
      }
      graph.drop_captured(node.get(), k);
      dropped = true;
    }
    for (const auto& body : bodies) bring_in_constants(*body);
  }
  if (dropped) graph.remove_dead();
}

void drop_unread(Graph& graph) {
  bool dropped = false;
  for (const auto& node : graph.nodes()) {
    const auto bodies = node->subgraphs();
    for (int k = node->captured() - 1; k >= 0; --k) {
      const bool is_read = std::any_of(bodies.begin(), bodies.end(), [&](const auto& body) {
        const Value* inner = inner_value(*node, *body, k);
        return !inner->users().empty() || body->is_output(inner);
      });
      if (is_read) continue;
      graph.drop_captured(node.get(), k);
      dropped = true;
    }
  }
  if (dropped) graph.remove_dead();
}

int count_nodes(const Graph& graph) {
  int count = static_cast<int>(graph.nodes().size());
  for (const auto& node : graph.nodes()) {
    for (const auto& body : node->subgraphs()) count += count_nodes(*body);
  }
  return count;
}

}  // namespace attune::optimize
