#include "snippets.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "attune/options.h"

namespace attune {
namespace {

using nlohmann::json;

const OptionInfo* find_option(std::string_view name) {
  const auto table = session_option_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const OptionInfo& info) { return info.name == name; });
  return found == table.end() ? nullptr : &*found;
}

// A JSON string is a string of Python and C++ too.
std::string quote(const std::string& text) { return json(text).dump(); }

std::string python_class(std::string_view option) {
  return option == "execution_mode" ? "ExecutionMode" : "GraphOptimizationLevel";
}

}  // namespace

std::string python_snippet(const std::string& module, const std::string& model, const json& settings) {
  std::string code = fmt::format("import {0}\n\noptions = {0}.SessionOptions()\n", module);
  for (const auto& [name, value] : settings.items()) {
    const OptionInfo* option = find_option(name);
    if (name == "free_dimension_overrides") {
      for (const auto& [dim, size] : value.items()) {
        code += fmt::format("options.add_free_dimension_override_by_name({}, {})\n", quote(dim), size.get<int64_t>());
      }
    } else if (option == nullptr) {
      code += fmt::format("options.add_session_config_entry({}, {})\n", quote(name), quote(value.get<std::string>()));
    } else if (option->type == OptionType::kEnum) {
      code += fmt::format("options.{} = {}.{}.{}\n", name, module, python_class(name), value.get<std::string>());
    } else if (option->type == OptionType::kBool) {
      code += fmt::format("options.{} = {}\n", name, value.get<bool>() ? "True" : "False");
    } else {
      code += fmt::format("options.{} = {}\n", name, value.dump());
    }
  }
  return code + fmt::format("session = {}.InferenceSession({}, options)\n", module, quote(model));
}

std::string cpp_snippet(const std::string& model, const json& settings) {
  std::string code = "#include <attune/attune.h>\n\nattune::SessionOptions options;\n";
  for (const auto& [name, value] : settings.items()) {
    const OptionInfo* option = find_option(name);
    if (name == "free_dimension_overrides") {
      for (const auto& [dim, size] : value.items()) {
        code += fmt::format("options.free_dimension_overrides[{}] = {};\n", quote(dim), size.get<int64_t>());
      }
    } else if (option == nullptr) {
      code += fmt::format("options.config_entries[{}] = {};\n", quote(name), quote(value.get<std::string>()));
    } else if (option->type == OptionType::kEnum) {
      code += fmt::format("attune::set_option(options, {}, std::string({}));\n", quote(name), value.dump());
    } else {
      code += fmt::format("options.{} = {};\n", name, value.dump());
    }
  }
  return code + fmt::format("attune::InferenceSession session({}, options);\n", quote(model));
}

}  // namespace attune
