#include "session/settings.h"

#include <fmt/format.h>

#include "attune/error.h"

namespace attune {
namespace {

// Of one choice of an enum option.
std::string name_of(const OptionInfo& info, const OptionValue& value) {
  for (const OptionChoice& choice : info.choices) {
    if (choice.value == std::get<int64_t>(value)) return std::string(choice.name);
  }
  return "";
}

nlohmann::json to_json(const OptionInfo& info, const OptionValue& value) {
  if (info.type == OptionType::kEnum) return name_of(info, value);
  return std::visit([](const auto& v) { return nlohmann::json(v); }, value);
}

OptionValue from_json(std::string_view name, const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_string()) return value.get<std::string>();
  throw Error(ErrorCode::kInvalidArgument, fmt::format("Option '{}' has an unsuitable value.", name));
}

std::map<std::string, int64_t> sizes_from_json(const nlohmann::json& value) {
  std::map<std::string, int64_t> sizes;
  for (const auto& [name, size] : value.items()) {
    if (!value.is_object() || !size.is_number_integer()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' needs names with sizes.", kFreeDimensions));
    }
    sizes[name] = size.get<int64_t>();
  }
  return sizes;
}

}  // namespace

nlohmann::json settings_of(const SessionOptions& options) {
  nlohmann::json settings = nlohmann::json::object();
  for (const OptionInfo& info : session_option_table()) {
    const OptionValue value = get_option(options, info.name);
    if (value != info.default_value) settings[std::string(info.name)] = to_json(info, value);
  }
  for (const auto& [key, value] : options.config_entries) settings[key] = value;
  if (!options.free_dimension_overrides.empty()) settings[kFreeDimensions] = options.free_dimension_overrides;
  return settings;
}

SessionOptions apply_settings(SessionOptions base, const nlohmann::json& settings) {
  for (const auto& [name, value] : settings.items()) {
    if (name == kFreeDimensions) {
      base.free_dimension_overrides = sizes_from_json(value);
    } else if (name.find('.') != std::string::npos) {
      base.config_entries[name] = value.is_string() ? value.get<std::string>() : value.dump();
    } else {
      set_option(base, name, from_json(name, value));
    }
  }
  return base;
}

}  // namespace attune
