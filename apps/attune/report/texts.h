// What summaries and reports say, in one language: report/texts.en.json and its siblings, which have the same keys and
// the same names to fill in. Thread safety: values.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune {

class Texts {
 public:
  using Values = std::initializer_list<std::pair<const char*, std::string>>;

  /// "en" or "zh". Throws Error(kInvalidArgument) listing the languages for another one.
  explicit Texts(std::string_view language = "en");

  /// The text with `{name}` replaced by the values of these names.
  std::string say(const std::string& key, Values values = {}) const;

  /// By key, for a page's script.
  const nlohmann::json& table() const { return table_; }

  static std::vector<std::string> languages();

 private:
  nlohmann::json table_;
};

}  // namespace attune
