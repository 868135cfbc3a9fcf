// `attune operators`: what models may be made of.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "attune/error.h"
#include "command.h"
#include "ops/op_def.h"
#include "ops/op_list.h"
#include "table.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune operators
  attune operators Conv
  attune operators --json

Versions are those of the operator set (opset) that a model states; types are
those of the first input, or else of the first output.)";

/// An OpDef and the name of the function that gives it, which is in the operator's file.
struct ListedOp {
  const char* function;
  const OpDef* def;
};

std::vector<ListedOp> listed_ops() {
  std::vector<ListedOp> ops;
#define ATTUNE_LIST_OP(function, domain, name) ops.push_back({#function, &ops::function()});
  ATTUNE_OPS(ATTUNE_LIST_OP)
#undef ATTUNE_LIST_OP
  std::sort(ops.begin(), ops.end(), [](const ListedOp& a, const ListedOp& b) {
    return std::tie(a.def->domain, a.def->name, a.def->since) < std::tie(b.def->domain, b.def->name, b.def->since);
  });
  return ops;
}

std::vector<std::string> types_of(const OpDef& def) {
  const std::string_view constraint = !def.inputs.empty()    ? def.inputs[0].type
                                      : !def.outputs.empty() ? def.outputs[0].type
                                                             : std::string_view();
  std::vector<std::string> names;
  for (const TypeConstraint& types : def.types) {
    if (types.name != constraint) continue;
    for (int i = 1; i <= static_cast<int>(DataType::kInt2); ++i) {
      const auto type = static_cast<DataType>(i);
      if (types.types.contains(type)) names.emplace_back(data_type_name(type));
    }
  }
  return names;
}

std::string versions_of(const OpDef& def) {
  constexpr int kOpen = 1000;
  if (def.until >= kOpen) return fmt::format("{}-", def.since);
  return def.since == def.until ? std::to_string(def.since) : fmt::format("{}-{}", def.since, def.until);
}

void print_operators(const std::string& wanted, bool as_json) {
  json list = json::array();
  Table table({{"operator"}, {"domain"}, {"versions"}, {"types", Align::kLeft, true}});
  size_t count = 0;
  for (const auto& [function, def] : listed_ops()) {
    if (def->domain == "attune" || (!wanted.empty() && def->name != wanted)) continue;
    ++count;
    const std::string domain = def->domain.empty() ? "ai.onnx" : std::string(def->domain);
    const std::vector<std::string> types = types_of(*def);
    if (as_json) {
      list.push_back({{"name", def->name},
                      {"domain", domain},
                      {"versions", versions_of(*def)},
                      {"types", types},
                      {"function", function}});
    } else {
      table.add_row({std::string(def->name), domain, versions_of(*def), fmt::format("{}", fmt::join(types, " "))});
    }
  }
  if (count == 0) throw Error(ErrorCode::kInvalidArgument, fmt::format("There is no operator '{}'.", wanted));
  const std::string text = as_json ? list.dump(1) + "\n" : table.text();
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

void add_operators_command(CLI::App& app) {
  struct Flags {
    std::string name;
    bool as_json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("operators", "List the operators that models may be made of");
  command->add_option("OPERATOR", flags->name, "Only this one");
  command->add_flag("--json", flags->as_json, "Print JSON");
  command->footer(kExamples);
  command->callback([flags] { print_operators(flags->name, flags->as_json); });
}

}  // namespace attune
