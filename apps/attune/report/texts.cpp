#include "report/texts.h"

#include <fmt/args.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "attune/error.h"
#include "report/assets.h"

namespace attune {
namespace {

struct Language {
  std::string_view name;
  std::string_view texts;
};
constexpr std::array kLanguages = {Language{"en", assets::kTextsEnJson}, Language{"zh", assets::kTextsZhJson}};

}  // namespace

std::vector<std::string> Texts::languages() {
  std::vector<std::string> names;
  for (const Language& language : kLanguages) names.emplace_back(language.name);
  return names;
}

Texts::Texts(std::string_view language) {
  const auto* found = std::find_if(kLanguages.begin(), kLanguages.end(),
                                   [&](const Language& candidate) { return candidate.name == language; });
  if (found == kLanguages.end()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("There are no texts in '{}'; these languages there are: {}.",
                                                         language, fmt::join(languages(), ", ")));
  }
  table_ = nlohmann::json::parse(found->texts);
}

std::string Texts::say(const std::string& key, Values values) const {
  fmt::dynamic_format_arg_store<fmt::format_context> arguments;
  for (const auto& [name, value] : values) arguments.push_back(fmt::arg(name, std::string_view(value)));
  return fmt::vformat(table_.at(key).get<std::string>(), arguments);
}

}  // namespace attune
