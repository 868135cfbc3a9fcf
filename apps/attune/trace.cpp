#include "trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/error.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr std::string_view kNodeSuffix = "_kernel_time";

// [{"float":[1,64,56,56]}] to "1x64x56x56".
std::string first_shape(const json& shapes) {
  if (!shapes.is_array() || shapes.empty() || !shapes[0].is_object() || shapes[0].empty()) return "";
  std::string text;
  for (const json& dim : *shapes[0].begin()) text += fmt::format("{}{}", text.empty() ? "" : "x", dim.get<int64_t>());
  return text;
}

Trace collect(const json& events, int skip_runs) {
  std::vector<std::pair<int64_t, int64_t>> runs;  // when each begins, and how long it takes, in microseconds
  for (const json& event : events) {
    if (event.at("name") == "model_run") runs.emplace_back(event.at("ts"), event.at("dur"));
  }
  std::sort(runs.begin(), runs.end());
  const auto skipped = std::min(static_cast<size_t>(skip_runs), runs.size());
  const int64_t from = skipped < runs.size() ? runs[skipped].first : 0;
  Trace trace;
  for (size_t k = skipped; k < runs.size(); ++k) {
    ++trace.runs;
    trace.runs_ms += static_cast<double>(runs[k].second) * 1e-3;
  }
  std::map<int, NodeTime> nodes;
  for (const json& event : events) {
    const std::string name = event.at("name");
    if (event.at("cat") != "Node" || !name.ends_with(kNodeSuffix) || event.at("ts").get<int64_t>() < from) continue;
    const json& args = event.at("args");
    const int index = std::stoi(args.at("node_index").get<std::string>());
    NodeTime& node = nodes[index];
    if (node.calls == 0) {
      node.name = name.substr(0, name.size() - kNodeSuffix.size());
      node.op_type = args.at("op_name");
      node.index = index;
      node.output_shape = first_shape(args.value("output_type_shape", json()));
    }
    ++node.calls;
    node.total_ms += event.at("dur").get<double>() * 1e-3;
  }
  for (auto& [index, node] : nodes) trace.nodes.push_back(std::move(node));
  return trace;
}

}  // namespace

Trace read_trace(const std::filesystem::path& path, int skip_runs) {
  std::ifstream file(path);
  const json events = json::parse(file, nullptr, false);
  try {
    if (!events.is_array()) throw Error(ErrorCode::kFail, fmt::format("'{}' is not a profile.", path.string()));
    return collect(events, skip_runs);
  } catch (const json::exception&) {
    throw Error(ErrorCode::kFail, fmt::format("'{}' is not a profile.", path.string()));
  }
}

}  // namespace attune
