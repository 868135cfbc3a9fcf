#include "session/model_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "attune/error.h"

namespace attune {
namespace {

constexpr const char* kMetadataKey = "ort_config";

void apply(const nlohmann::json& stated, SessionOptions& options) {
  for (const OptionInfo& info : session_option_table()) {
    const auto entry = stated.find(info.name);
    if (entry == stated.end()) continue;
    if (info.type == OptionType::kBool && (entry->is_boolean() || entry->is_number_integer())) {
      set_option(options, info.name, entry->is_boolean() ? entry->get<bool>() : entry->get<int64_t>() != 0);
    } else if (entry->is_number_integer()) {
      set_option(options, info.name, entry->get<int64_t>());
    } else if (entry->is_string()) {
      set_option(options, info.name, entry->get<std::string>());
    } else {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("The model's {} has the value {} for option '{}'.",
                                                           kMetadataKey, entry->dump(), info.name));
    }
  }
}

}  // namespace

SessionOptions effective_options(const SessionOptions& options, FunctionRef<Graph()> load) {
  SessionOptions effective = options;
  const auto wanted = options.config_entries.find("attune.read_config_from_model");
  if (wanted != options.config_entries.end() && wanted->second == "1") {
    const Graph graph = load();
    const auto text = graph.metadata.custom.find(kMetadataKey);
    if (text != graph.metadata.custom.end()) {
      const auto config = nlohmann::json::parse(text->second, nullptr, false);
      if (!config.is_object()) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("The model's {} is not a JSON object.", kMetadataKey));
      }
      const auto stated = config.find("session_options");
      if (stated != config.end() && stated->is_object()) apply(*stated, effective);
    }
  }
  validate(effective);
  return effective;
}

}  // namespace attune
