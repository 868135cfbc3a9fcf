#include "trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "attune/error.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr std::string_view kNodeSuffix = "_kernel_time";

// [{"float":[1,64,56,56]},{"float":[64]}] to "1x64x56x56, 64".
std::string shapes_text(const json& shapes) {
  std::string text;
  if (!shapes.is_array()) return text;
  for (const json& shape : shapes) {
    if (!shape.is_object() || shape.empty()) continue;
    std::string dims;
    for (const json& dim : *shape.begin()) dims += fmt::format("{}{}", dims.empty() ? "" : "x", dim.get<int64_t>());
    text += (text.empty() ? "" : ", ") + (dims.empty() ? "scalar" : dims);
  }
  return text;
}

int number(const json& args, const char* key) { return std::stoi(args.at(key).get<std::string>()); }

double size_of(const json& args, const char* key) {
  return args.contains(key) ? std::stod(args.at(key).get<std::string>()) : 0.0;
}

Trace collect(const json& events, int skip_runs) {
  std::vector<RunTime> runs;
  for (const json& event : events) {
    if (event.at("name") == "model_run") runs.push_back({event.value("tid", 0), event.at("ts"), event.at("dur"), {}});
  }
  std::sort(runs.begin(), runs.end(), [](const RunTime& a, const RunTime& b) { return a.start_us < b.start_us; });
  const auto skipped = std::min(static_cast<size_t>(skip_runs), runs.size());
  const int64_t from = skipped < runs.size() ? runs[skipped].start_us : 0;
  Trace trace;
  for (size_t k = skipped; k < runs.size(); ++k) {
    ++trace.runs;
    trace.run_times.push_back(runs[k]);
    trace.runs_ms += static_cast<double>(runs[k].length_us) * 1e-3;
  }
  std::map<int, NodeTime> nodes;
  for (const json& event : events) {
    const std::string name = event.at("name");
    const bool helps = event.at("cat") == "Thread";
    const int64_t start = event.at("ts");
    if (start < from || !(helps || (event.at("cat") == "Node" && name.ends_with(kNodeSuffix)))) continue;
    const json& args = event.at("args");
    const int index = number(args, "node_index");
    const auto after = std::upper_bound(trace.run_times.begin(), trace.run_times.end(), start,
                                        [](int64_t ts, const RunTime& run) { return ts < run.start_us; });
    if (after != trace.run_times.begin()) {
      std::prev(after)->events.push_back({index, event.value("tid", 0), start, event.at("dur"), helps});
    }
    if (helps) continue;
    NodeTime& node = nodes[index];
    // A node that goes through the batch in pieces has an event for each.
    const bool is_first = !args.contains("first_sample") || number(args, "first_sample") == 0;
    if (node.calls == 0) {
      node.name = name.substr(0, name.size() - kNodeSuffix.size());
      node.op_type = args.at("op_name");
      node.index = index;
      node.input_shapes = shapes_text(args.value("input_type_shape", json()));
      node.output_shape = shapes_text(args.value("output_type_shape", json()));
      node.bytes = size_of(args, "parameter_size");
    }
    if (is_first) ++node.calls;
    if (node.calls == 1) node.bytes += size_of(args, "activation_size") + size_of(args, "output_size");
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
