#include "optimize/rewriter.h"

#include <algorithm>
#include <utility>

namespace attune::optimize {
namespace {

void assign(Node& node, Replacement& replacement) {
  node.op_type = std::move(replacement.op_type);
  node.domain = std::move(replacement.domain);
  node.version = replacement.version;
  node.attributes = std::move(replacement.attributes);
  if (!replacement.name.empty()) node.name = std::move(replacement.name);
}

}  // namespace

std::vector<Node*> Rewriter::snapshot() const {
  std::vector<Node*> nodes;
  nodes.reserve(graph_.nodes().size());
  for (const auto& node : graph_.nodes()) nodes.push_back(node.get());
  return nodes;
}

bool Rewriter::can_make(const Node& node, std::string_view op_type, std::string_view domain, int version) {
  if (context_.supports(domain, op_type, version)) return true;
  refuse(node, fmt::format("there is no operator {}", op_type));
  return false;
}

void Rewriter::become(Node& node, Replacement replacement) {
  if (describes()) {
    const bool same = node.op_type == replacement.op_type;
    described_.push_back(node.describe() + (same ? " was rewritten" : " became " + replacement.op_type));
  }
  std::vector<Node*> producers;
  for (int index = 0; index < node.input_count(); ++index) {
    Value* input = node.input(index);
    if (input == nullptr) continue;
    if (input->producer() != nullptr) producers.push_back(input->producer());
    graph_.set_input(&node, index, nullptr);
  }
  graph_.truncate_inputs(&node, 0);
  while (!replacement.inputs.empty() && replacement.inputs.back() == nullptr) replacement.inputs.pop_back();
  for (Value* input : replacement.inputs) graph_.add_input_to(&node, input);
  assign(node, replacement);
  for (Node* producer : producers) drop_unused(producer);
  ++changes_;
}

void Rewriter::replace_value(Value* from, Value* to) {
  if (describes()) {
    described_.push_back(fmt::format(
        "{} gave way to '{}'", from->producer() != nullptr ? from->producer()->describe() : from->name, to->name));
  }
  if (!to->shape) to->shape = from->shape;
  if (to->type == DataType::kUndefined) to->type = from->type;
  graph_.replace_all_uses(from, to);
  if (from->producer() != nullptr) drop_unused(from->producer());
  ++changes_;
}

void Rewriter::become_subgraph(Node& node, std::string_view attribute) {
  if (describes()) described_.push_back(fmt::format("{} became its {}", node.describe(), attribute));
  const std::shared_ptr<Graph> body = node.attributes.require_graph(attribute);
  const std::vector<Value*> captured(node.inputs().end() - node.captured(), node.inputs().end());
  const std::vector<Value*> results = graph_.append(*body, captured);
  const std::vector<Value*> outputs(node.outputs().begin(), node.outputs().end());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != nullptr) graph_.replace_all_uses(outputs[i], results[i]);
  }
  drop_unused(&node);
  unsorted_ = true;
  wants_inference_ = true;
  ++changes_;
}

Node* Rewriter::add_node(Replacement replacement, std::vector<Value*> outputs) {
  Node* node = graph_.add_node(replacement.op_type, replacement.inputs, std::move(outputs), replacement.name,
                               replacement.domain, replacement.version);
  assign(*node, replacement);
  unsorted_ = true;
  return node;
}

void Rewriter::set_input(Node& node, int index, Value* value) {
  if (describes()) {
    described_.push_back(fmt::format("{} reads {} now", node.describe(), value == nullptr ? "less" : value->name));
  }
  Node* producer = node.input(index) == nullptr ? nullptr : node.input(index)->producer();
  graph_.set_input(&node, index, value);
  if (producer != nullptr) drop_unused(producer);
  ++changes_;
}

void Rewriter::refuse(const Node& node, std::string reason) {
  if (context_.report != nullptr) refusals_.push_back({node.describe(), std::move(reason)});
}

void Rewriter::drop_unused(Node* first) {
  std::vector<Node*> waiting{first};
  while (!waiting.empty()) {
    Node* node = waiting.back();
    waiting.pop_back();
    if (is_gone(node)) continue;
    const bool used = std::any_of(node->outputs().begin(), node->outputs().end(), [&](const Value* output) {
      return output != nullptr && (!output->users().empty() || graph_.is_output(output));
    });
    if (used) continue;
    gone_.insert(node);
    for (int index = 0; index < node->input_count(); ++index) {
      Value* input = node->input(index);
      if (input == nullptr) continue;
      graph_.set_input(node, index, nullptr);
      if (input->producer() != nullptr) waiting.push_back(input->producer());
    }
  }
}

void Rewriter::finish() {
  if (changes_ > 0) graph_.remove_dead();
  if (unsorted_) graph_.sort();
  gone_.clear();
}

}  // namespace attune::optimize
