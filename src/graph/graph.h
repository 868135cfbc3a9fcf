// The model as a graph of nodes and values: what the reader makes, the optimizer rewrites and the compiler reads.
//
// Thread safety: none while it is being changed; any number of readers afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/tensor.h"
#include "graph/attributes.h"
#include "graph/symbols.h"
#include "graph/value_type.h"

namespace attune {

class FileMapping;
class Node;

/// A named value: a graph input, an initializer, or what a node gives. Owned by its Graph.
class Value {
 public:
  std::string name;
  ValueKind kind = ValueKind::kTensor;
  /// Element type, in a container that of its tensors; kUndefined while unknown.
  DataType type = DataType::kUndefined;
  /// Absent while even the rank is unknown, and in a container. Dimensions may be symbols (graph/symbols.h).
  std::optional<Shape> shape;
  /// The elements, when they are known: an initializer's, or a folded constant's. Views into the mapped model file.
  Tensor constant;
  /// Known elements of a small integer tensor whose elements may be symbolic dimensions, such as the output of Shape:
  /// what shape arithmetic computes with. Empty when nothing is known; one entry an element otherwise.
  std::optional<Shape> elements;

  /// The node that gives this value and at which place; null for inputs and initializers.
  Node* producer() const { return producer_; }
  int producer_index() const { return producer_index_; }
  /// One entry for each node input that reads this value, in no particular order.
  std::span<Node* const> users() const { return users_; }
  bool is_constant() const { return static_cast<bool>(constant); }

 private:
  friend class Graph;
  Node* producer_ = nullptr;
  int producer_index_ = 0;
  std::vector<Node*> users_;
};

/// An operator applied to values. Owned by its Graph.
///
/// Subgraphs (of If, Loop, Scan) are attributes. What they read of the graph around them is listed among the node's own
/// inputs, behind those that the operator has: its last captured() inputs. Each subgraph has an input for each of them,
/// behind its own, in the same order; some read only one of them. So a captured value is used like any other.
class Node {
 public:
  std::string name;
  std::string domain;  ///< "" for ai.onnx; "attune" for the fused operators that only the optimizer makes.
  std::string op_type;
  int version = 0;  ///< The opset version of `domain` that the node follows.
  Attributes attributes;

  /// Null entries are absent optional inputs or outputs.
  std::span<Value* const> inputs() const { return inputs_; }
  std::span<Value* const> outputs() const { return outputs_; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  int captured() const { return captured_; }
  /// Inputs that are the operator's.
  int own_input_count() const { return input_count() - captured_; }
  /// Null when absent or past the end.
  Value* input(int index) const { return index < input_count() ? inputs_[static_cast<size_t>(index)] : nullptr; }
  Value* output(int index) const { return index < output_count() ? outputs_[static_cast<size_t>(index)] : nullptr; }

  bool is(std::string_view type, std::string_view in_domain = "") const {
    return op_type == type && domain == in_domain;
  }
  /// "Conv node. Name:'conv1'", as messages call it.
  std::string describe() const;
  /// In the order of the attributes.
  std::vector<std::shared_ptr<Graph>> subgraphs() const;

 private:
  friend class Graph;
  std::vector<Value*> inputs_;
  std::vector<Value*> outputs_;
  int captured_ = 0;
};

/// What a model says of itself.
struct ModelMetadata {
  std::string producer_name;
  std::string producer_version;
  std::string graph_name;
  std::string graph_description;
  std::string domain;
  std::string description;
  int64_t version = 0;
  int64_t ir_version = 0;
  std::map<std::string, std::string> custom;
};

/// A result of the graph. The name is the model's and outlives every rewriting: after an Identity is gone, or two equal
/// nodes are merged, several outputs may be one value, an input or a constant.
struct GraphOutput {
  std::string name;
  Value* value = nullptr;
  /// What the model states, for callers to see; absent when it states nothing.
  std::optional<Shape> stated_shape = std::nullopt;
};

/// Owns its nodes and values; all edits go through it, so that producers and users always agree.
class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  ModelMetadata metadata;
  /// Opset version by domain.
  std::map<std::string, int> opsets;
  /// The files that constants are views into; each such tensor keeps its mapping alive by itself. Listed here so that
  /// pages can be dropped once weights are packed.
  std::vector<std::shared_ptr<const FileMapping>> mappings;
  /// Shared with subgraphs.
  std::shared_ptr<Symbols> symbols;

  /// In the model's order. Since IR version 4 initializers need not be inputs; those that are ("overridable
  /// initializers") are listed here only when they have no constant.
  const std::vector<Value*>& inputs() const { return inputs_; }
  std::span<const GraphOutput> outputs() const { return outputs_; }
  /// Initializers that the caller may override by feeding them: listed as inputs in the file.
  const std::vector<Value*>& overridable() const { return overridable_; }
  /// Nodes in an order in which each follows the nodes it reads from; true after sort().
  std::span<const std::unique_ptr<Node>> nodes() const { return nodes_; }

  /// Makes a value; an empty name is replaced by a new unique one. Throws Error(kInvalidGraph) when the name is taken.
  Value* add_value(std::string_view name = {}, DataType type = DataType::kUndefined,
                   std::optional<Shape> shape = std::nullopt);
  Value* add_constant(Tensor tensor, std::string_view name = {});
  Value* find_value(std::string_view name) const;
  /// All values, sorted by name.
  std::vector<const Value*> values() const;

  void add_input(Value* value) { inputs_.push_back(value); }
  /// The input becomes an ordinary value, which should have got a constant or lost its users.
  void drop_input(int index) { inputs_.erase(inputs_.begin() + index); }
  /// An empty name takes the value's.
  void add_output(Value* value, std::string_view name = {}, std::optional<Shape> stated_shape = std::nullopt);
  void add_overridable(Value* value) { overridable_.push_back(value); }
  bool is_output(const Value* value) const;

  /// Appends a node that gives `outputs`, which must have no producer yet. `version` 0 takes the graph's opset of the
  /// domain.
  Node* add_node(std::string_view op_type, std::vector<Value*> inputs, std::vector<Value*> outputs,
                 std::string_view name = {}, std::string_view domain = {}, int version = 0);
  void set_input(Node* node, int index, Value* value);
  void add_input_to(Node* node, Value* value);
  /// Drops the inputs from `count` on.
  void truncate_inputs(Node* node, int count);
  /// Lets the node's subgraphs read `value`: each gets an input for it, its value in `inner` if there is one.
  void add_captured(Node* node, Value* value, std::span<Value* const> inner = {});
  /// Says that the last `count` inputs are captured ones, for which the subgraphs have inputs.
  void set_captured(Node* node, int count) { node->captured_ = count; }
  /// Drops captured input number `index`, and the inputs of the subgraphs, which nobody may read any more.
  void drop_captured(Node* node, int index);

  /// Every reader of `from`, graph outputs included, reads `to` from now on.
  void replace_all_uses(Value* from, Value* to);

  /// Unlinks and destroys a node; its outputs must have no users and be no graph outputs any more, and are destroyed.
  void remove(Node* node);
  /// Removes nodes that no graph output needs and values that nobody uses; returns how many nodes went.
  int remove_dead();
  /// Appends a subgraph's nodes, their attributes taken out of it, with `inputs` in the place of its inputs. Returns
  /// what its outputs have become.
  std::vector<Value*> append(Graph& body, std::span<Value* const> inputs);
  /// Puts the nodes in topological order, keeping the present order where it may. Throws Error(kInvalidGraph) naming a
  /// node when there is a cycle.
  void sort();

  /// Throws Error(kInvalidGraph) when links, order or outputs contradict each other. For debug builds and tests.
  void check() const;

 private:
  std::string unique_name(std::string_view base);

  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<std::string, std::unique_ptr<Value>, std::less<>> values_;
  std::vector<Value*> inputs_;
  std::vector<GraphOutput> outputs_;
  std::vector<Value*> overridable_;
  int64_t next_name_ = 0;
};

}  // namespace attune
