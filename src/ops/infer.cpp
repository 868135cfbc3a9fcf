#include "ops/infer.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "ops/op_def.h"

namespace attune {
namespace {

/// The stated dimension where only it says something: known beats a symbol, a named symbol beats an unnamed one. Where
/// both are known and differ the model is wrong, as models of batch 1 made larger often are, and yet runs elsewhere.
int64_t merge_dim(const Symbols& symbols, int64_t stated, int64_t inferred) {
  if (is_known(inferred)) return inferred;
  if (is_known(stated)) return stated;
  if (!symbols.name(inferred).empty()) return inferred;
  if (!symbols.name(stated).empty() || inferred == kUnknownDim) return stated;
  return inferred;
}

void store(const Graph& graph, Value& value, const ValueInfo& info) {
  if (info.type != DataType::kUndefined) {
    if (value.type != DataType::kUndefined && value.type != info.type) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Type Error: Type ({}) of output arg ({}) does not match expected type ({}).",
                              tensor_type_name(info.type), value.name, tensor_type_name(value.type)));
    }
    if (value.type != DataType::kUndefined && value.kind != info.kind) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("Type Error: Type ({}) of output arg ({}) does not match expected type ({}).",
                      value_type_name(info.kind, info.type), value.name, value_type_name(value.kind, value.type)));
    }
    value.type = info.type;
    value.kind = info.kind;
  }
  if (info.has_shape) {
    if (!value.shape || value.shape->rank() != info.shape.rank()) {
      value.shape = info.shape;
    } else {
      for (int axis = 0; axis < info.shape.rank(); ++axis) {
        (*value.shape)[axis] = merge_dim(*graph.symbols, (*value.shape)[axis], info.shape[axis]);
      }
    }
  }
  if (info.has_elements) value.elements = info.elements;
}

}  // namespace

ValueInfo value_info(const Value& value) {
  ValueInfo info;
  info.type = value.type;
  info.kind = value.kind;
  if (value.shape) {
    info.has_shape = true;
    info.shape = *value.shape;
  }
  if (value.elements) {
    info.has_elements = true;
    info.elements = *value.elements;
  }
  if (value.is_constant()) info.constant = &value.constant;
  return info;
}

void infer_node(Graph& graph, const Node& node, const Operator& op) {
  std::vector<ValueInfo> known(node.inputs().size());
  std::vector<const ValueInfo*> inputs(node.inputs().size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (node.inputs()[i] == nullptr) continue;
    known[i] = value_info(*node.inputs()[i]);
    inputs[i] = &known[i];
  }
  std::vector<ValueInfo> outputs(node.outputs().size());
  InferContext context(inputs, outputs, graph.symbols.get());
  try {
    op.infer(context);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs()[i] != nullptr) store(graph, *node.outputs()[i], outputs[i]);
    }
  } catch (const Error& error) {
    throw Error(error.code() == ErrorCode::kInvalidGraph ? ErrorCode::kFail : error.code(),
                fmt::format("Node ({}) Op ({}) [ShapeInferenceError] {}", node.name, node.op_type, error.text()));
  }
}

std::vector<ValueInfo> infer_subgraph(Graph& graph, std::span<const ValueInfo> inputs) {
  if (inputs.size() != graph.inputs().size()) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("A subgraph has {} inputs, but the node gives it {}.",
                                                      graph.inputs().size(), inputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    Value& value = *graph.inputs()[i];
    const ValueInfo& info = inputs[i];
    if (info.type != DataType::kUndefined) {
      if (value.type != DataType::kUndefined && (value.type != info.type || value.kind != info.kind)) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("Type Error: Input '{}' of a subgraph is a {}, but is given a {}.", value.name,
                                value_type_name(value.kind, value.type), value_type_name(info.kind, info.type)));
      }
      value.type = info.type;
      value.kind = info.kind;
    }
    value.shape = info.has_shape ? std::optional<Shape>(info.shape) : std::nullopt;
    value.elements = info.has_elements ? std::optional<Shape>(info.elements) : std::nullopt;
  }
  for (const auto& node : graph.nodes()) {
    if (find_op(node->domain, node->op_type, node->version) == nullptr) continue;
    infer_node(graph, *node, *make_node_operator(*node));
  }
  std::vector<ValueInfo> outputs;
  for (const GraphOutput& output : graph.outputs()) outputs.push_back(value_info(*output.value));
  return outputs;
}

void infer_graph(Graph& graph) {
  for (const auto& node : graph.nodes()) infer_node(graph, *node, *make_node_operator(*node));
}

}  // namespace attune
