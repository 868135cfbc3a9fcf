#include "tune/candidate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kThreads = "intra_op_num_threads";
constexpr const char* kSpinning = "session.intra_op.allow_spinning";

// In the form in which settings have it.
json as_setting(const OptionInfo& info, const OptionValue& value) {
  if (info.type == OptionType::kEnum) {
    for (const OptionChoice& choice : info.choices) {
      if (choice.value == std::get<int64_t>(value)) return std::string(choice.name);
    }
  }
  return std::visit([](const auto& v) { return json(v); }, value);
}

}  // namespace

std::vector<Candidate> make_candidates(std::span<const OptionInfo> table, const json& base, int default_threads,
                                       int cpus) {
  std::vector<Candidate> candidates;
  const auto add = [&](std::string_view option, const json& value) {
    json settings = base;
    settings[std::string(option)] = value;
    candidates.push_back({std::string(option), std::move(settings)});
  };
  std::set<int> threads = {1, 2, 4, 8, std::max(cpus, 1)};
  threads.erase(default_threads);
  for (const int count : threads) add(kThreads, count);
  add(kSpinning, base.value(kSpinning, "1") == "0" ? "1" : "0");
  for (const OptionType type : {OptionType::kBool, OptionType::kEnum}) {
    for (const OptionInfo& info : table) {
      if (info.group != OptionGroup::kPerformance || info.type != type) continue;
      const std::string name(info.name);
      const json present = base.contains(name) ? base.at(name) : as_setting(info, info.default_value);
      if (type == OptionType::kBool) {
        add(name, !present.get<bool>());
        continue;
      }
      for (const OptionChoice& choice : info.choices) {
        if (present != choice.name) add(name, std::string(choice.name));
      }
    }
  }
  return candidates;
}

std::string describe_difference(const json& settings, const json& base) {
  std::string text;
  for (const auto& [name, value] : settings.items()) {
    if (base.contains(name) && base.at(name) == value) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text.empty() ? "default" : text;
}

}  // namespace attune
