#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <tuple>

#include "attune/error.h"
#include "ops/op_def.h"
#include "ops/op_list.h"
#include "ops/widened_operator.h"

namespace attune {
namespace {

[[noreturn]] void throw_invalid(const Node& node, std::string_view what) {
  throw Error(ErrorCode::kInvalidGraph, fmt::format("This is an invalid model. In Node, (\"{}\", {}, \"{}\"), Error {}",
                                                    node.name, node.op_type, node.domain, what));
}

void check_count(const Node& node, const OpDef& def, int count, const std::vector<Parameter>& parameters,
                 std::string_view side) {
  const auto required = std::count_if(parameters.begin(), parameters.end(),
                                      [](const Parameter& p) { return p.occurrence == Occurrence::kRequired; });
  const bool variadic = !parameters.empty() && parameters.back().occurrence == Occurrence::kVariadic;
  const auto least = static_cast<int>(required) + (variadic && !def.has_subgraphs ? 1 : 0);
  const auto most = static_cast<int>(parameters.size());
  if (count >= least && (variadic || count <= most)) return;
  throw_invalid(node, fmt::format("Node({}) with schema({}::{}:{}) has {} size {} not in range [min={}, max={}].",
                                  node.name, def.domain, def.name, node.version, side, count, least,
                                  variadic ? "inf" : std::to_string(most)));
}

const Parameter& parameter_at(const std::vector<Parameter>& parameters, int index) {
  return parameters[std::min(static_cast<size_t>(index), parameters.size() - 1)];
}

using BoundTypes = std::map<std::string_view, DataType>;

/// What each constraint stands for in this node, by the first input that has it and whose type is known.
BoundTypes check_types(const Node& node, const OpDef& def) {
  BoundTypes bound;
  for (int i = 0; i < node.own_input_count(); ++i) {
    const Parameter& parameter = parameter_at(def.inputs, i);
    const Value* value = node.input(i);
    if (value == nullptr) {
      if (parameter.occurrence != Occurrence::kOptional) {
        throw_invalid(node, fmt::format("required input '{}' is missing.", parameter.name));
      }
      continue;
    }
    if (value->type == DataType::kUndefined) continue;
    const auto constraint = std::find_if(def.types.begin(), def.types.end(),
                                         [&](const TypeConstraint& c) { return c.name == parameter.type; });
    if (constraint == def.types.end()) continue;
    if (!constraint->types.contains(value->type) || !parameter.kinds.contains(value->kind)) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("This is an invalid model. Type Error: Type '{}' of input parameter ({}) of operator ({}) "
                      "in node ({}) is invalid.",
                      value_type_name(value->kind, value->type), value->name, node.op_type, node.name));
    }
    if (constraint->mixed) continue;
    const auto [entry, first] = bound.try_emplace(constraint->name, value->type);
    if (!first && entry->second != value->type) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("This is an invalid model. Type Error: Type parameter ({}) of Optype ({}) bound to different "
                      "types ({} and {}) in node ({}).",
                      constraint->name, node.op_type, tensor_type_name(entry->second), tensor_type_name(value->type),
                      node.name));
    }
  }
  return bound;
}

/// The half type to convert from, or kUndefined.
DataType widened_type(const OpDef& def, const Parameter& parameter, DataType type) {
  const auto constraint = std::find_if(def.types.begin(), def.types.end(),
                                       [&](const TypeConstraint& c) { return c.name == parameter.type; });
  return constraint != def.types.end() && constraint->types.widens(type) ? type : DataType::kUndefined;
}

/// An operator that computes in float, made to serve the half types that a node has.
std::unique_ptr<Operator> widen_where_needed(std::unique_ptr<Operator> op, const Node& node, const OpDef& def,
                                             const BoundTypes& bound) {
  std::vector<DataType> inputs;
  std::vector<DataType> outputs;
  bool needed = false;
  for (int i = 0; i < node.own_input_count(); ++i) {
    const Value* value = node.input(i);
    const DataType type = value != nullptr ? value->type : DataType::kUndefined;
    inputs.push_back(widened_type(def, parameter_at(def.inputs, i), type));
    needed = needed || inputs.back() != DataType::kUndefined;
  }
  if (!needed) return op;
  for (int i = 0; i < node.output_count(); ++i) {
    const Parameter& parameter = parameter_at(def.outputs, i);
    const auto type = bound.find(parameter.type);
    // A constraint of outputs alone: what the model states.
    const Value* value = node.output(i);
    const DataType stated = value != nullptr ? value->type : DataType::kUndefined;
    outputs.push_back(widened_type(def, parameter, type == bound.end() ? stated : type->second));
  }
  return widen_operator(std::move(op), std::move(inputs), std::move(outputs));
}

/// A definition that need not have been made.
struct Entry {
  std::string_view domain;
  std::string_view name;
  const OpDef& (*def)();

  bool operator<(const Entry& other) const { return std::tie(domain, name) < std::tie(other.domain, other.name); }
};

/// Sorted by domain and name.
std::span<const Entry> entries() {
#define ATTUNE_OP_ENTRY(function, domain, name) Entry{domain, name, ops::function},
  static const auto sorted = [] {
    auto list = std::to_array<Entry>({ATTUNE_OPS(ATTUNE_OP_ENTRY)});
    std::stable_sort(list.begin(), list.end());
    return list;
  }();
#undef ATTUNE_OP_ENTRY
  return sorted;
}

}  // namespace

const std::vector<const OpDef*>& all_ops() {
  static const std::vector<const OpDef*> ops = [] {
    std::vector<const OpDef*> list;
    for (const Entry& entry : entries()) list.push_back(&entry.def());
    return list;
  }();
  return ops;
}

const OpDef* find_op(std::string_view domain, std::string_view name, int version) {
  const auto [first, last] = std::equal_range(entries().begin(), entries().end(), Entry{domain, name, nullptr});
  for (auto place = first; place != last; ++place) {
    const OpDef& def = place->def();
    if (version >= def.since && version <= def.until) return &def;
  }
  return nullptr;
}

std::unique_ptr<Operator> make_node_operator(const Node& node) {
  const OpDef* def = find_op(node.domain, node.op_type, node.version);
  if (def == nullptr) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("This is an invalid model. In Node, (\"{}\", {}, \"{}\"), Error No Op registered for {} "
                            "with domain_version of {}",
                            node.name, node.op_type, node.domain, node.op_type, node.version));
  }
  check_count(node, *def, node.own_input_count(), def->inputs, "input");
  check_count(node, *def, node.output_count(), def->outputs, "output");
  const BoundTypes bound = check_types(node, *def);
  try {
    return widen_where_needed(def->make(node), node, *def, bound);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("This is an invalid model. In Node, (\"{}\", {}, \"{}\"), Error {}",
                                          node.name, node.op_type, node.domain, error.text()));
  }
}

}  // namespace attune
