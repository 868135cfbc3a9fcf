#include "passes_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "onnx/reader.h"
#include "optimize/optimize.h"
#include "session/optimization_level.h"
#include "settings.h"
#include "table.h"

namespace attune {
namespace {

using nlohmann::json;

std::string_view level_name(OptimizationLevel level) {
  switch (level) {
    case OptimizationLevel::kNone:
      return "ORT_DISABLE_ALL";
    case OptimizationLevel::kBasic:
      return "ORT_ENABLE_BASIC";
    case OptimizationLevel::kExtended:
      return "ORT_ENABLE_EXTENDED";
    case OptimizationLevel::kAll:
      break;
  }
  return "ORT_ENABLE_ALL";
}

/// The lines of one pass below the table: what changed, what was refused.
std::string format_details(const json& pass, const char* key, size_t top) {
  std::string text;
  const json& entries = pass.at(key);
  for (size_t k = 0; k < std::min(top, entries.size()); ++k) {
    const json& entry = entries[k];
    text += fmt::format("    {}\n", entry.is_string() ? entry.get<std::string>()
                                                      : fmt::format("{}: {}", entry.at("node").get<std::string>(),
                                                                    entry.at("reason").get<std::string>()));
  }
  if (entries.size() > top) text += fmt::format("    and {} more\n", entries.size() - top);
  return text;
}

}  // namespace

json make_passes_report(const std::string& model, const SessionOptions& options) {
  Graph graph = load_graph(model);
  OptimizeReport report;
  OptimizeContext context;
  context.report = &report;
  context.describes_changes = true;
  const OptimizationLevel level = optimization_level(options.graph_optimization_level);
  optimize_graph(graph, level, context);
  json passes = json::array();
  for (const PassInfo& info : pass_infos()) {
    const auto found = std::find_if(report.passes.begin(), report.passes.end(),
                                    [&](const PassReport& pass) { return pass.pass == info.name; });
    const PassReport none;
    const PassReport& pass = found == report.passes.end() ? none : *found;
    json refused = json::array();
    for (const Refusal& refusal : pass.refusals)
      refused.push_back({{"node", refusal.node}, {"reason", refusal.reason}});
    passes.push_back({{"pass", info.name},
                      {"level", level_name(info.level)},
                      {"purpose", info.purpose},
                      {"runs", pass.runs},
                      {"changes", pass.changes},
                      {"milliseconds", pass.milliseconds},
                      {"changed", pass.described},
                      {"refused", refused}});
  }
  return {{"level", level_name(level)},
          {"nodes_before", report.nodes_before},
          {"nodes_after", report.nodes_after},
          {"passes", passes}};
}

std::string format_passes_report(const json& report, size_t top) {
  std::string text;
  for (const char* level : {"ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"}) {
    Table table({{level},
                 {"what it does", Align::kLeft, true},
                 {"changes", Align::kRight},
                 {"refused", Align::kRight},
                 {"ms", Align::kRight}});
    for (const json& pass : report.at("passes")) {
      if (pass.at("level") != level) continue;
      const bool ran = pass.at("runs") != 0;
      table.add_row({pass.at("pass"), pass.at("purpose"),
                     ran ? std::to_string(pass.at("changes").get<int>()) : std::string("off"),
                     ran ? std::to_string(pass.at("refused").size()) : std::string(),
                     ran ? format_ms(pass.at("milliseconds")) : std::string()});
    }
    text += table.text() + '\n';
  }
  if (top > 0) {
    for (const json& pass : report.at("passes")) {
      const auto name = pass.at("pass").get<std::string>();
      if (!pass.at("changed").empty()) text += fmt::format("{} changed\n", name) + format_details(pass, "changed", top);
      if (!pass.at("refused").empty()) text += fmt::format("{} refused\n", name) + format_details(pass, "refused", top);
    }
    text += '\n';
  }
  text += fmt::format("At {}, {} nodes became {}.\n", report.at("level").get<std::string>(),
                      report.at("nodes_before").get<int>(), report.at("nodes_after").get<int>());
  return text;
}

}  // namespace attune
