// What a pass edits the graph through.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"
#include "optimize/optimize.h"

namespace attune::optimize {

/// What a node becomes.
struct Replacement {
  std::string op_type;
  std::string domain = {};
  int version = 1;
  std::vector<Value*> inputs;
  Attributes attributes = {};
  /// Keeps the node's own name when empty.
  std::string name = {};
};

/// Edits of one pass. A node that an edit leaves without readers is taken out at once, with what only it needed, so
/// that "who else reads this?" is always answered by the graph as it is; its memory stays until finish(), so that
/// pointers held by a walk stay valid.
class Rewriter {
 public:
  Rewriter(Graph& graph, const OptimizeContext& context) : graph_(graph), context_(context) {}

  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }
  const OptimizeContext& context() const { return context_; }

  /// Calls visit(Node&) for each node there is now, in order; skips those that edits take out on the way and does not
  /// see new ones.
  template <class Visit>
  void for_each_node(Visit&& visit) {
    for (Node* node : snapshot()) {
      if (!is_gone(node)) visit(*node);
    }
  }
  /// The same from the last node to the first: large patterns before the smaller ones inside them.
  template <class Visit>
  void for_each_node_reversed(Visit&& visit) {
    const std::vector<Node*> nodes = snapshot();
    for (auto place = nodes.rbegin(); place != nodes.rend(); ++place) {
      if (!is_gone(*place)) visit(**place);
    }
  }
  bool is_gone(const Node* node) const { return gone_.contains(node); }

  /// One node input reads the value, and it is no graph output.
  bool used_once(const Value* value) const { return value->users().size() == 1 && !graph_.is_output(value); }
  /// Whether an operator may be made; refuses on behalf of `node` when not.
  bool can_make(const Node& node, std::string_view op_type, std::string_view domain, int version);

  /// Turns a node into another that gives the same outputs. Its place in the order stays, so every new input must be
  /// a constant or made before it.
  void become(Node& node, Replacement replacement);
  /// Every reader of `from` reads `to` instead, which must be made before `from`; takes out what made `from`.
  void replace_value(Value* from, Value* to);
  /// Puts the nodes of a subgraph, whose inputs are all captured, in the place of the node that has it.
  void become_subgraph(Node& node, std::string_view attribute);
  /// Appends a node; finish() puts it where it belongs.
  Node* add_node(Replacement replacement, std::vector<Value*> outputs);
  /// Changes one input of a node and takes out what made the old one if nobody else reads it.
  void set_input(Node& node, int index, Value* value);
  /// Shapes after this pass are known better than before it: the whole graph is inferred again.
  void want_inference() { wants_inference_ = true; }

  /// Logs that a fusion was left out at `node`.
  void refuse(const Node& node, std::string reason);

  int changes() const { return changes_; }
  bool wants_inference() const { return wants_inference_; }
  std::vector<Refusal> take_refusals() { return std::move(refusals_); }
  std::vector<std::string> take_described() { return std::move(described_); }
  /// Frees what was taken out and sorts the graph if nodes were added. To be called once, at the end of the pass.
  void finish();

 private:
  std::vector<Node*> snapshot() const;
  void drop_unused(Node* node);
  bool describes() const { return context_.report != nullptr && context_.describes_changes; }

  Graph& graph_;
  const OptimizeContext& context_;
  std::unordered_set<const Node*> gone_;
  std::vector<Refusal> refusals_;
  std::vector<std::string> described_;
  int changes_ = 0;
  bool unsorted_ = false;
  bool wants_inference_ = false;
};

}  // namespace attune::optimize
