#include "shapes_report.h"

#include <fmt/format.h>

#include <unordered_set>

#include "graph/graph.h"
#include "onnx/reader.h"
#include "optimize/optimize.h"
#include "table.h"

namespace attune {
namespace {

using nlohmann::json;

json describe_dim(const Symbols& symbols, int64_t dim) {
  if (is_known(dim)) return dim;
  if (!is_symbol(dim)) return "?";
  const std::string_view name = symbols.name(dim);
  return name.empty() ? fmt::format("?{}", -dim) : std::string(name);
}

json describe(const Graph& graph, const Value& value) {
  json shape = nullptr;
  if (value.shape) {
    shape = json::array();
    for (const int64_t dim : *value.shape) shape.push_back(describe_dim(*graph.symbols, dim));
  }
  json type = nullptr;
  if (value.type != DataType::kUndefined) type = tensor_type_name(value.type);
  return {{"name", value.name}, {"type", std::move(type)}, {"shape", std::move(shape)}};
}

std::string dims_text(const json& shape) {
  if (shape.is_null()) return "unknown";
  if (shape.empty()) return "scalar";
  std::string text;
  for (const json& dim : shape) {
    text += fmt::format("{}{}", text.empty() ? "" : "x", dim.is_string() ? dim.get<std::string>() : dim.dump());
  }
  return text;
}

}  // namespace

json make_shapes_report(const std::string& model) {
  Graph graph = load_graph(model);
  OptimizeContext context;
  for (const PassInfo& pass : pass_infos()) {
    if (pass.name != "fold_constants") context.disabled.emplace_back(pass.name);
  }
  optimize_graph(graph, OptimizationLevel::kBasic, context);
  json values = json::array();
  std::unordered_set<const Value*> seen;
  const auto add = [&](const Value* value) {
    if (value != nullptr && seen.insert(value).second) values.push_back(describe(graph, *value));
  };
  for (const Value* input : graph.inputs()) add(input);
  for (const auto& node : graph.nodes()) {
    for (const Value* output : node->outputs()) add(output);
  }
  return {{"values", std::move(values)}};
}

std::string format_shapes_report(const json& report) {
  Table table({{"Value", Align::kLeft, true}, {"type"}, {"shape"}});
  for (const json& value : report.at("values")) {
    table.add_row({value.at("name").get<std::string>(),
                   value.at("type").is_null() ? "unknown" : value.at("type").get<std::string>(),
                   dims_text(value.at("shape"))});
  }
  return table.text();
}

}  // namespace attune
