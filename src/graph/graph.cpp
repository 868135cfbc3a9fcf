#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "attune/error.h"

namespace attune {
namespace {

void drop_user(std::vector<Node*>& users, Node* node) {
  const auto place = std::find(users.begin(), users.end(), node);
  if (place != users.end()) users.erase(place);
}

}  // namespace

std::string Node::describe() const { return fmt::format("{} node. Name:'{}'", op_type, name); }

std::vector<std::shared_ptr<Graph>> Node::subgraphs() const {
  std::vector<std::shared_ptr<Graph>> graphs;
  for (const Attributes::Entry& entry : attributes.entries()) {
    if (const auto* graph = std::get_if<std::shared_ptr<Graph>>(&entry.value)) graphs.push_back(*graph);
  }
  return graphs;
}

Graph::Graph() : symbols(std::make_shared<Symbols>()) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

std::string Graph::unique_name(std::string_view base) {
  std::string name;
  do {
    name = fmt::format("{}_{}", base, next_name_++);
  } while (values_.contains(name));
  return name;
}

Value* Graph::add_value(std::string_view name, DataType type, std::optional<Shape> shape) {
  auto value = std::make_unique<Value>();
  value->name = name.empty() ? unique_name("value") : std::string(name);
  value->type = type;
  value->shape = shape;
  Value* result = value.get();
  if (!values_.try_emplace(result->name, std::move(value)).second) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("This is an invalid model. Error: Duplicate definition of name ({}).", name));
  }
  return result;
}

Value* Graph::add_constant(Tensor tensor, std::string_view name) {
  Value* value = add_value(name.empty() ? unique_name("constant") : std::string(name), tensor.type(), tensor.shape());
  value->constant = std::move(tensor);
  return value;
}

Value* Graph::find_value(std::string_view name) const {
  const auto entry = values_.find(name);
  return entry == values_.end() ? nullptr : entry->second.get();
}

std::vector<const Value*> Graph::values() const {
  std::vector<const Value*> values;
  values.reserve(values_.size());
  for (const auto& [name, value] : values_) values.push_back(value.get());
  return values;
}

void Graph::add_output(Value* value, std::string_view name, std::optional<Shape> stated_shape) {
  outputs_.push_back({name.empty() ? value->name : std::string(name), value, stated_shape});
}

bool Graph::is_output(const Value* value) const {
  return std::any_of(outputs_.begin(), outputs_.end(), [&](const GraphOutput& o) { return o.value == value; });
}

Node* Graph::add_node(std::string_view op_type, std::vector<Value*> inputs, std::vector<Value*> outputs,
                      std::string_view name, std::string_view domain, int version) {
  auto node = std::make_unique<Node>();
  node->name = std::string(name);
  node->op_type = std::string(op_type);
  node->domain = std::string(domain);
  const auto opset = opsets.find(node->domain);
  node->version = version != 0 ? version : opset != opsets.end() ? opset->second : 1;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] == nullptr) continue;
    if (outputs[i]->producer_ != nullptr || outputs[i]->is_constant()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("This is an invalid model. Error: Duplicate definition of name ({}).", outputs[i]->name));
    }
    outputs[i]->producer_ = node.get();
    outputs[i]->producer_index_ = static_cast<int>(i);
  }
  for (Value* input : inputs) {
    if (input != nullptr) input->users_.push_back(node.get());
  }
  node->inputs_ = std::move(inputs);
  node->outputs_ = std::move(outputs);
  nodes_.push_back(std::move(node));
  return nodes_.back().get();
}

void Graph::set_input(Node* node, int index, Value* value) {
  Value*& slot = node->inputs_[static_cast<size_t>(index)];
  if (slot != nullptr) drop_user(slot->users_, node);
  slot = value;
  if (value != nullptr) value->users_.push_back(node);
}

void Graph::add_input_to(Node* node, Value* value) {
  node->inputs_.push_back(nullptr);
  set_input(node, node->input_count() - 1, value);
}

void Graph::truncate_inputs(Node* node, int count) {
  for (int index = count; index < node->input_count(); ++index) set_input(node, index, nullptr);
  node->inputs_.resize(static_cast<size_t>(std::min(count, node->input_count())));
  node->captured_ = std::min(node->captured_, node->input_count());
}

void Graph::add_captured(Node* node, Value* value, std::span<Value* const> inner) {
  add_input_to(node, value);
  ++node->captured_;
  size_t index = 0;
  for (const std::shared_ptr<Graph>& body : node->subgraphs()) {
    Value* input = index < inner.size() ? inner[index] : nullptr;
    ++index;
    if (input == nullptr) {
      const bool is_free = body->find_value(value->name) == nullptr;
      input = body->add_value(is_free ? value->name : std::string(), value->type, value->shape);
      input->kind = value->kind;
    }
    body->add_input(input);
  }
}

void Graph::drop_captured(Node* node, int index) {
  const int place = node->own_input_count() + index;
  set_input(node, place, nullptr);
  node->inputs_.erase(node->inputs_.begin() + place);
  for (const std::shared_ptr<Graph>& body : node->subgraphs()) {
    body->drop_input(static_cast<int>(body->inputs().size()) - node->captured_ + index);
  }
  --node->captured_;
}

void Graph::replace_all_uses(Value* from, Value* to) {
  const std::vector<Node*> users = from->users_;
  for (Node* user : users) {
    for (int index = 0; index < user->input_count(); ++index) {
      if (user->input(index) == from) set_input(user, index, to);
    }
  }
  for (GraphOutput& output : outputs_) {
    if (output.value == from) output.value = to;
  }
}

void Graph::remove(Node* node) {
  for (int index = 0; index < node->input_count(); ++index) set_input(node, index, nullptr);
  for (Value* output : node->outputs_) {
    if (output != nullptr) values_.erase(values_.find(output->name));
  }
  const auto place =
      std::find_if(nodes_.begin(), nodes_.end(), [&](const std::unique_ptr<Node>& n) { return n.get() == node; });
  nodes_.erase(place);
}

int Graph::remove_dead() {
  std::unordered_set<const Value*> needed;
  for (const GraphOutput& output : outputs_) needed.insert(output.value);
  std::unordered_set<Node*> alive;
  std::vector<Node*> work;
  const auto visit = [&](const Value* value) {
    if (value != nullptr && value->producer_ != nullptr && alive.insert(value->producer_).second) {
      work.push_back(value->producer_);
    }
  };
  for (const GraphOutput& output : outputs_) visit(output.value);
  while (!work.empty()) {
    Node* node = work.back();
    work.pop_back();
    for (const Value* input : node->inputs_) visit(input);
  }
  const size_t before = nodes_.size();
  for (const auto& node : nodes_) {
    if (alive.contains(node.get())) continue;
    for (int index = 0; index < node->input_count(); ++index) set_input(node.get(), index, nullptr);
  }
  for (const auto& node : nodes_) {
    if (alive.contains(node.get())) continue;
    for (Value* output : node->outputs_) {
      if (output != nullptr) values_.erase(values_.find(output->name));
    }
  }
  std::erase_if(nodes_, [&](const std::unique_ptr<Node>& node) { return !alive.contains(node.get()); });

  needed.insert(inputs_.begin(), inputs_.end());
  needed.insert(overridable_.begin(), overridable_.end());
  std::erase_if(values_, [&](const auto& entry) {
    const Value* value = entry.second.get();
    return value->producer_ == nullptr && value->users_.empty() && !needed.contains(value);
  });
  return static_cast<int>(before - nodes_.size());
}

std::vector<Value*> Graph::append(Graph& body, std::span<Value* const> inputs) {
  std::unordered_map<const Value*, Value*> copies;
  for (size_t i = 0; i < inputs.size(); ++i) copies[body.inputs_[i]] = inputs[i];
  for (const auto& [name, value] : body.values_) {
    const auto [entry, is_new] = copies.try_emplace(value.get(), nullptr);
    if (!is_new) continue;
    Value* copy = add_value(find_value(name) == nullptr ? name : unique_name(name), value->type, value->shape);
    copy->kind = value->kind;
    copy->elements = value->elements;
    copy->constant = value->constant;
    entry->second = copy;
  }
  const auto copied = [&](const std::vector<Value*>& values) {
    std::vector<Value*> result;
    for (const Value* value : values) result.push_back(value == nullptr ? nullptr : copies.at(value));
    return result;
  };
  for (const auto& node : body.nodes_) {
    Node* copy =
        add_node(node->op_type, copied(node->inputs_), copied(node->outputs_), node->name, node->domain, node->version);
    copy->attributes = std::move(node->attributes);
    copy->captured_ = node->captured_;
  }
  std::vector<Value*> outputs;
  for (const GraphOutput& output : body.outputs_) outputs.push_back(copies.at(output.value));
  return outputs;
}

void Graph::sort() {
  // Kahn's algorithm over the present positions: the ready node that came first stays first.
  std::unordered_map<const Node*, size_t> position;
  for (size_t i = 0; i < nodes_.size(); ++i) position[nodes_[i].get()] = i;
  std::vector<size_t> missing(nodes_.size(), 0);
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (const Value* input : nodes_[i]->inputs_) missing[i] += input != nullptr && input->producer_ != nullptr;
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<std::unique_ptr<Node>> sorted;
  sorted.reserve(nodes_.size());
  while (!ready.empty()) {
    const size_t i = ready.top();
    ready.pop();
    for (const Value* output : nodes_[i]->outputs_) {
      if (output == nullptr) continue;
      for (const Node* user : output->users_) {
        if (--missing[position.at(user)] == 0) ready.push(position.at(user));
      }
    }
    sorted.push_back(std::move(nodes_[i]));
  }
  if (sorted.size() != nodes_.size()) {
    const auto stuck = std::find_if(nodes_.begin(), nodes_.end(), [](const auto& node) { return node != nullptr; });
    const std::string text =
        fmt::format("This is an invalid model. Error: the graph has a cycle through {}", (*stuck)->describe());
    throw Error(ErrorCode::kInvalidGraph, text);
  }
  nodes_ = std::move(sorted);
}

void Graph::check() const {
  const auto require = [](bool condition, std::string_view what, std::string_view name) {
    if (!condition) throw Error(ErrorCode::kInvalidGraph, fmt::format("Inconsistent graph: {} ({}).", what, name));
  };
  std::unordered_set<const Value*> defined;
  for (const auto& [name, value] : values_) {
    require(name == value->name, "a value is filed under another name", name);
    if (value->producer_ == nullptr) defined.insert(value.get());
    for (const Node* user : value->users_) {
      require(std::find(user->inputs_.begin(), user->inputs_.end(), value.get()) != user->inputs_.end(),
              "a user does not read the value", name);
    }
  }
  for (const auto& node : nodes_) {
    for (const Value* input : node->inputs_) {
      require(input == nullptr || defined.contains(input), "a node reads a value before it is made", node->name);
    }
    for (size_t i = 0; i < node->outputs_.size(); ++i) {
      const Value* output = node->outputs_[i];
      if (output == nullptr) continue;
      require(output->producer_ == node.get() && output->producer_index_ == static_cast<int>(i),
              "an output has another producer", output->name);
      require(values_.contains(output->name), "an output is not among the values", output->name);
      defined.insert(output);
    }
  }
  for (const GraphOutput& output : outputs_) {
    require(defined.contains(output.value), "an output is not defined", output.name);
  }
}

}  // namespace attune
