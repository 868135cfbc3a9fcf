#include "onnx/graph_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "attune/error.h"
#include "onnx/sparse_tensor.h"
#include "onnx/tensor_reader.h"
#include "onnx/value_types.h"

namespace attune {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

// onnx.AttributeProto.AttributeType
enum AttributeType : int32_t {
  kUndefinedAttribute = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kSparseTensor = 11,
  kTypeProto = 13,
};

[[noreturn]] void throw_invalid(std::string_view what) {
  throw Error(ErrorCode::kInvalidGraph, fmt::format("This is an invalid model. Error: {}", what));
}

using Arguments = std::map<std::string, AttributeValue, std::less<>>;

/// The names that the nodes of one graph, or of one call of a function, may use.
struct Scope {
  Graph& graph;
  const std::map<std::string, int>& opsets;
  /// Null for an input that a call leaves out.
  std::unordered_map<std::string, Value*> names = {};
  /// A subgraph's: where its node stands.
  Scope* outer = nullptr;
  /// Attributes of the call that the nodes belong to; null outside of functions.
  const Arguments* arguments = nullptr;
  /// Begins the names of what a call makes.
  std::string prefix = {};
  int depth = 0;
  struct Capture {
    Value* outer;
    Value* inner;
  };
  /// What a subgraph reads from outside.
  std::vector<Capture> captures = {};
};

/// Null for a name that the scope and those around it do not have.
Value* find_value(Scope& scope, const std::string& name) {
  const auto found = scope.names.find(name);
  if (found != scope.names.end()) return found->second;
  Value* outer = scope.outer == nullptr ? nullptr : find_value(*scope.outer, name);
  if (outer == nullptr) return nullptr;
  Value* inner = scope.graph.add_value(scope.graph.find_value(name) == nullptr ? name : std::string());
  inner->kind = outer->kind;
  inner->type = outer->type;
  scope.names[name] = inner;
  scope.captures.push_back({outer, inner});
  return inner;
}

struct NodeParts {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string name;
  std::string op_type;
  std::string domain;
  std::string overload;
  std::vector<data_view> attributes;
};

NodeParts read_node_parts(pbf_reader message) {
  NodeParts node;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        node.inputs.push_back(message.get_string());
        break;
      case 2:
        node.outputs.push_back(message.get_string());
        break;
      case 3:
        node.name = message.get_string();
        break;
      case 4:
        node.op_type = message.get_string();
        break;
      case 5:
        node.attributes.push_back(message.get_view());
        break;
      case 7:
        node.domain = read_domain(message);
        break;
      case 8:
        node.overload = message.get_string();
        break;
      default:
        message.skip();
    }
  }
  return node;
}

/// Makes the values and nodes of one scope.
class ScopeReader {
 public:
  ScopeReader(ModelParts& model, Scope& scope) : model_(model), graph_(scope.graph), scope_(scope) {}

  /// The parts may come in any order: nodes are made once all names are known.
  void read_graph(pbf_reader graph);
  void read_nodes(const std::vector<data_view>& messages);

 private:
  using Captures = std::map<const Graph*, std::vector<Scope::Capture>>;

  bool is_main() const { return scope_.outer == nullptr; }

  void add_initializers(const std::vector<data_view>& dense, const std::vector<data_view>& sparse);
  std::pair<std::string, StatedType> read_value(pbf_reader message, const SymbolicDim& symbolic);
  void read_input(pbf_reader message);
  void read_value_info(pbf_reader message);
  void read_output(pbf_reader message);

  void declare_outputs(const NodeParts& parts);
  std::vector<Value*> find_inputs(const NodeParts& node);
  std::vector<Value*> find_outputs(const NodeParts& node);
  void add_node(const NodeParts& parts);
  void add_captures(Node* node, const Captures& captures);
  void call(const Function& function, const NodeParts& parts);

  struct Attribute {
    std::string name;
    std::optional<AttributeValue> value;  ///< None for a reference to an argument that the call leaves out.
  };
  Attribute read_attribute(pbf_reader message, const NodeParts& node, Captures& captures);
  AttributeValue read_subgraph(const data_view& message, const NodeParts& node, std::string_view attribute,
                               Captures& captures);
  void check_depth(const NodeParts& node) const;

  ModelParts& model_;
  Graph& graph_;
  Scope& scope_;
};

void ScopeReader::read_graph(pbf_reader graph) {
  std::vector<data_view> nodes;
  std::vector<data_view> inputs;
  std::vector<data_view> outputs;
  std::vector<data_view> values;
  std::vector<data_view> initializers;
  std::vector<data_view> sparse_initializers;
  while (graph.next()) {
    switch (graph.tag()) {
      case 1:
        nodes.push_back(graph.get_view());
        break;
      case 2:
        graph_.metadata.graph_name = graph.get_string();
        break;
      case 5:
        initializers.push_back(graph.get_view());
        break;
      case 10:
        graph_.metadata.graph_description = graph.get_string();
        break;
      case 11:
        inputs.push_back(graph.get_view());
        break;
      case 12:
        outputs.push_back(graph.get_view());
        break;
      case 13:
        values.push_back(graph.get_view());
        break;
      case 15:
        sparse_initializers.push_back(graph.get_view());
        break;
      default:
        graph.skip();
    }
  }
  add_initializers(initializers, sparse_initializers);
  for (const data_view& input : inputs) read_input(pbf_reader(input));
  read_nodes(nodes);
  for (const data_view& value : values) read_value_info(pbf_reader(value));
  for (const data_view& output : outputs) read_output(pbf_reader(output));
  graph_.sort();
}

void ScopeReader::add_initializers(const std::vector<data_view>& dense, const std::vector<data_view>& sparse) {
  const auto find_given = [&](const std::string& name) -> const Tensor* {
    if (!is_main()) return nullptr;
    const auto entry = model_.given.initializers.find(name);
    return entry == model_.given.initializers.end() ? nullptr : &entry->second;
  };
  const auto add = [&](NamedTensor named) {
    if (named.name.empty()) throw_invalid("an initializer has no name");
    Value* value = graph_.add_constant(std::move(named.tensor), named.name);
    scope_.names[named.name] = value;
  };
  for (const data_view& message : dense) {
    add(read_tensor(pbf_reader(message), model_.owner, model_.external, find_given));
  }
  for (const data_view& message : sparse) add(read_sparse_tensor(pbf_reader(message), model_.owner, model_.external));
}

std::pair<std::string, StatedType> ScopeReader::read_value(pbf_reader message, const SymbolicDim& symbolic) {
  std::string name;
  std::optional<data_view> type;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        name = message.get_string();
        break;
      case 2:
        type = message.get_view();
        break;
      default:
        message.skip();
    }
  }
  StatedType stated;
  if (type) stated = read_type(pbf_reader(*type), name, symbolic);
  return {std::move(name), std::move(stated)};
}

int64_t unknown_dim(const std::string&, const std::string&) { return kUnknownDim; }

void ScopeReader::read_input(pbf_reader message) {
  const auto sized = [&](const std::string& label, const std::string& denotation) {
    const auto named = model_.given.sizes_by_name.find(label);
    if (named != model_.given.sizes_by_name.end() && !label.empty()) return named->second;
    const auto denoted = model_.given.sizes_by_denotation.find(denotation);
    if (denoted != model_.given.sizes_by_denotation.end() && !denotation.empty()) return denoted->second;
    return graph_.symbols->fresh(label);
  };
  auto [name, stated] = is_main() ? read_value(message, sized) : read_value(message, unknown_dim);
  if (name.empty()) throw_invalid("an input has no name");
  if (Value* initializer = graph_.find_value(name)) {
    // Before IR version 4 every initializer had to be an input, and none could be fed.
    if (!initializer->is_constant()) throw_invalid(fmt::format("Duplicate definition of name ({}).", name));
    if (!is_main() || graph_.metadata.ir_version < 4) return;
    if (model_.given.declare_overridable && stated.shape) initializer->shape = stated.shape;
    graph_.add_overridable(initializer);
    return;
  }
  if (stated.kind == ValueKind::kSparseTensor || stated.kind == ValueKind::kUnknown) {
    throw Error(ErrorCode::kNotImplemented, fmt::format("Input '{}' is a {}, which is not supported.", name,
                                                        value_type_name(stated.kind, stated.type)));
  }
  Value* value = graph_.add_value(name, stated.type, stated.shape);
  value->kind = stated.kind;
  scope_.names[name] = value;
  graph_.add_input(value);
}

void ScopeReader::read_value_info(pbf_reader message) {
  const auto [name, stated] = read_value(message, unknown_dim);
  const auto found = scope_.names.find(name);
  Value* value = found == scope_.names.end() ? nullptr : found->second;
  if (value == nullptr || value->is_constant() || value->producer() == nullptr) return;
  value->kind = stated.kind;
  value->type = stated.type;
  value->shape = stated.shape;
}

void ScopeReader::read_output(pbf_reader message) {
  const auto named = [&](const std::string& label, const std::string&) { return graph_.symbols->fresh(label); };
  const auto [name, stated] = read_value(message, named);
  Value* value = find_value(scope_, name);
  if (value == nullptr) {
    throw_invalid(fmt::format("Graph output ({}) is not a graph input, initializer, or output of a node.", name));
  }
  graph_.add_output(value, name, stated.shape);
  if (value->producer() == nullptr) return;
  if (value->type == DataType::kUndefined) {
    value->type = stated.type;
    value->kind = stated.kind;
  }
  if (!value->shape && stated.shape) {
    Shape shape = *stated.shape;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (!is_known(shape[axis])) shape[axis] = kUnknownDim;
    }
    value->shape = shape;
  }
}

void ScopeReader::read_nodes(const std::vector<data_view>& messages) {
  std::vector<NodeParts> nodes;
  nodes.reserve(messages.size());
  for (const data_view& message : messages) {
    nodes.push_back(read_node_parts(pbf_reader(message)));
    declare_outputs(nodes.back());
  }
  for (const NodeParts& parts : nodes) add_node(parts);
}

void ScopeReader::declare_outputs(const NodeParts& parts) {
  for (const std::string& name : parts.outputs) {
    if (name.empty()) continue;
    if (scope_.prefix.empty()) {
      scope_.names[name] = graph_.add_value(name);
    } else if (!scope_.names.contains(name)) {
      const std::string full = fmt::format("{}/{}", scope_.prefix, name);
      scope_.names[name] = graph_.add_value(graph_.find_value(full) == nullptr ? full : std::string());
    }
  }
}

void ScopeReader::add_node(const NodeParts& parts) {
  const auto function = model_.functions.find({parts.domain, parts.op_type, parts.overload});
  if (function != model_.functions.end()) return call(function->second, parts);
  const auto opset = scope_.opsets.find(parts.domain);
  if (opset == scope_.opsets.end()) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("This is an invalid model. In Node, (\"{}\", {}, \"{}\"), Error No opset import for "
                            "domain '{}'",
                            parts.name, parts.op_type, parts.domain, parts.domain));
  }
  const std::string name = scope_.prefix.empty() ? parts.name : fmt::format("{}/{}", scope_.prefix, parts.name);
  Node* node =
      graph_.add_node(parts.op_type, find_inputs(parts), find_outputs(parts), name, parts.domain, opset->second);
  Captures captures;
  for (const data_view& message : parts.attributes) {
    Attribute attribute = read_attribute(pbf_reader(message), parts, captures);
    if (attribute.value) node->attributes.set(attribute.name, std::move(*attribute.value));
  }
  add_captures(node, captures);
}

/// Absent optional values have empty names; trailing ones are as good as not written.
std::vector<Value*> ScopeReader::find_inputs(const NodeParts& node) {
  std::vector<Value*> inputs;
  for (const std::string& name : node.inputs) {
    Value* value = name.empty() ? nullptr : find_value(scope_, name);
    if (value == nullptr && !name.empty() && !scope_.names.contains(name)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Invalid model. Node input '{}' is not a graph input, initializer, or output of a "
                              "previous node.",
                              name));
    }
    inputs.push_back(value);
  }
  while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
  return inputs;
}

std::vector<Value*> ScopeReader::find_outputs(const NodeParts& node) {
  std::vector<Value*> outputs;
  for (const std::string& name : node.outputs) outputs.push_back(name.empty() ? nullptr : scope_.names.at(name));
  while (!outputs.empty() && outputs.back() == nullptr) outputs.pop_back();
  return outputs;
}

/// One input of the node for each value that any of its subgraphs reads.
void ScopeReader::add_captures(Node* node, const Captures& captures) {
  const std::vector<std::shared_ptr<Graph>> bodies = node->subgraphs();
  std::vector<Value*> outer;
  std::unordered_map<const Value*, std::vector<Value*>> inner;
  for (size_t i = 0; i < bodies.size(); ++i) {
    for (const Scope::Capture& capture : captures.at(bodies[i].get())) {
      const auto [entry, is_new] = inner.try_emplace(capture.outer, bodies.size(), nullptr);
      if (is_new) outer.push_back(capture.outer);
      entry->second[i] = capture.inner;
    }
  }
  for (Value* value : outer) graph_.add_captured(node, value, inner.at(value));
}

void ScopeReader::check_depth(const NodeParts& node) const {
  if (scope_.depth < kMostNestedGraphs) return;
  throw_invalid(fmt::format("{} node. Name:'{}': subgraphs and calls of functions nest deeper than {} levels.",
                            node.op_type, node.name, kMostNestedGraphs));
}

/// Puts a function's nodes in the place of a call.
void ScopeReader::call(const Function& function, const NodeParts& parts) {
  check_depth(parts);
  if (parts.inputs.size() > function.inputs.size() || parts.outputs.size() > function.outputs.size()) {
    throw_invalid(
        fmt::format("{} node. Name:'{}' has more inputs or outputs than its function.", parts.op_type, parts.name));
  }
  model_.nodes_of_calls += static_cast<int64_t>(function.nodes.size());
  if (model_.nodes_of_calls > kMostNodesOfCalls) {
    throw_invalid(fmt::format("the calls of functions come to more than {} nodes", kMostNodesOfCalls));
  }
  Captures captures;
  Arguments arguments;
  const auto add_argument = [&](const data_view& message) {
    Attribute attribute = read_attribute(pbf_reader(message), parts, captures);
    if (attribute.value) arguments.try_emplace(attribute.name, std::move(*attribute.value));
  };
  for (const data_view& message : parts.attributes) add_argument(message);
  for (const data_view& message : function.defaults) add_argument(message);
  if (!captures.empty()) {
    throw Error(ErrorCode::kNotImplemented,
                fmt::format("{} node. Name:'{}': subgraphs as arguments of functions are not supported.", parts.op_type,
                            parts.name));
  }
  Scope inner{.graph = graph_,
              .opsets = function.opsets,
              .arguments = &arguments,
              .prefix = fmt::format("{}{}{}", scope_.prefix, scope_.prefix.empty() ? "" : "/",
                                    parts.name.empty() ? parts.op_type : parts.name),
              .depth = scope_.depth + 1};
  std::vector<Value*> inputs = find_inputs(parts);
  inputs.resize(function.inputs.size(), nullptr);
  std::vector<Value*> outputs = find_outputs(parts);
  outputs.resize(function.outputs.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) inner.names[function.inputs[i]] = inputs[i];
  const auto is_input = [&](const std::string& name) {
    return std::find(function.inputs.begin(), function.inputs.end(), name) != function.inputs.end();
  };
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = function.outputs[i];
    if (outputs[i] == nullptr) continue;
    if (!inner.names.try_emplace(name, outputs[i]).second) {
      if (inner.names.at(name) == nullptr) throw_invalid(fmt::format("output '{}' of a call has no value", name));
      graph_.add_node("Identity", {inner.names.at(name)}, {outputs[i]}, inner.prefix);
    }
  }
  for (const data_view& message : function.nodes) {
    for (const std::string& name : read_node_parts(pbf_reader(message)).outputs) {
      if (is_input(name)) throw_invalid(fmt::format("Duplicate definition of name ({}).", name));
    }
  }
  ScopeReader(model_, inner).read_nodes(function.nodes);
  for (const Value* output : outputs) {
    if (output != nullptr && output->producer() == nullptr) {
      throw_invalid(fmt::format("the function of {} does not compute its output '{}'", inner.prefix, output->name));
    }
  }
}

AttributeValue ScopeReader::read_subgraph(const data_view& message, const NodeParts& node, std::string_view attribute,
                                          Captures& captures) {
  check_depth(node);
  auto body = std::make_shared<Graph>();
  body->symbols = graph_.symbols;
  body->opsets = scope_.opsets;
  body->metadata.ir_version = graph_.metadata.ir_version;
  Scope inner{.graph = *body,
              .opsets = scope_.opsets,
              .outer = &scope_,
              .arguments = scope_.arguments,
              .depth = scope_.depth + 1};
  try {
    ScopeReader(model_, inner).read_graph(pbf_reader(message));
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("{} node. Name:'{}', subgraph '{}': {}", node.op_type, node.name, attribute, error.text()));
  }
  captures[body.get()] = std::move(inner.captures);
  return body;
}

ScopeReader::Attribute ScopeReader::read_attribute(pbf_reader message, const NodeParts& node, Captures& captures) {
  std::string name;
  std::string reference;
  int32_t type = kUndefinedAttribute;
  float f = 0.0F;
  int64_t i = 0;
  std::string s;
  Tensor t;
  ValueType stated;
  std::optional<data_view> graph;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;
  std::vector<Tensor> tensors;
  const auto is_packed = [&] { return message.wire_type() == protozero::pbf_wire_type::length_delimited; };
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        name = message.get_string();
        break;
      case 2:
        f = message.get_float();
        break;
      case 3:
        i = message.get_int64();
        break;
      case 4:
        s = message.get_string();
        break;
      case 5:
        t = read_tensor(message.get_message(), model_.owner, model_.external).tensor;
        break;
      case 6:
        graph = message.get_view();
        break;
      case 7:
        if (is_packed()) {
          for (const float value : message.get_packed_float()) floats.push_back(value);
        } else {
          floats.push_back(message.get_float());
        }
        break;
      case 8:
        if (is_packed()) {
          for (const int64_t value : message.get_packed_int64()) ints.push_back(value);
        } else {
          ints.push_back(message.get_int64());
        }
        break;
      case 9:
        strings.push_back(message.get_string());
        break;
      case 10:
        tensors.push_back(read_tensor(message.get_message(), model_.owner, model_.external).tensor);
        break;
      case 14: {
        const StatedType read = read_type(message.get_message(), name, unknown_dim);
        stated = {read.kind, read.type};
        break;
      }
      case 20:
        type = message.get_int32();
        break;
      case 21:
        reference = message.get_string();
        break;
      case 22:
        t = read_sparse_tensor(message.get_message(), model_.owner, model_.external).tensor;
        break;
      default:
        message.skip();
    }
  }
  if (!reference.empty()) {
    if (scope_.arguments == nullptr) {
      throw_invalid(fmt::format("{} node. Name:'{}': attribute '{}' refers to one of a function, outside of any.",
                                node.op_type, node.name, name));
    }
    const auto argument = scope_.arguments->find(reference);
    if (argument == scope_.arguments->end()) return {std::move(name), std::nullopt};
    return {std::move(name), argument->second};
  }
  switch (type) {
    case kFloat:
      return {std::move(name), f};
    case kInt:
      return {std::move(name), i};
    case kString:
      return {std::move(name), std::move(s)};
    case kTensor:
      return {std::move(name), std::move(t)};
    case kSparseTensor:
      // Dense from here on, Constant's under the name of its dense one.
      return {name == "sparse_value" ? "value" : std::move(name), std::move(t)};
    case kGraph:
      if (graph) {
        AttributeValue body = read_subgraph(*graph, node, name, captures);
        return {std::move(name), std::move(body)};
      }
      break;
    case kFloats:
      return {std::move(name), std::move(floats)};
    case kInts:
      return {std::move(name), std::move(ints)};
    case kStrings:
      return {std::move(name), std::move(strings)};
    case kTensors:
      return {std::move(name), std::move(tensors)};
    case kTypeProto:
      return {std::move(name), stated};
    default:
      break;
  }
  throw_invalid(fmt::format("{} node. Name:'{}': attribute '{}' has the unsupported type {}.", node.op_type, node.name,
                            name, type));
}

}  // namespace

void read_main_graph(ModelParts& model, pbf_reader message, Graph& graph) {
  Scope scope{.graph = graph, .opsets = graph.opsets};
  ScopeReader(model, scope).read_graph(message);
}

std::string read_domain(pbf_reader& message) {
  std::string domain = message.get_string();
  return domain == "ai.onnx" ? std::string() : domain;
}

void read_opset(pbf_reader message, std::map<std::string, int>& opsets) {
  std::string domain;
  int64_t version = 0;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        domain = read_domain(message);
        break;
      case 2:
        version = message.get_int64();
        break;
      default:
        message.skip();
    }
  }
  if (version < 1 || version > 1'000'000) throw_invalid(fmt::format("opset {} of domain '{}'", version, domain));
  opsets[domain] = static_cast<int>(version);
}

}  // namespace attune
