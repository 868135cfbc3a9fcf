#include "settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "attune/error.h"
#include "feeds.h"

namespace attune {
namespace {

constexpr const char* kGroup = "Session options";

// Turns what the library says of a value into a usage error.
void set_from_flag(SessionOptions& options, const OptionInfo& info, const OptionValue& value) {
  try {
    set_option(options, info.name, value);
  } catch (const Error& error) {
    throw CLI::ValidationError(flag_name(info.name), error.text());
  }
}

std::string to_upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::string choices_of(const OptionInfo& info) {
  std::string names;
  for (const OptionChoice& choice : info.choices) names += (names.empty() ? "" : ", ") + std::string(choice.name);
  return names;
}

// Of one choice of an enum option.
std::string name_of(const OptionInfo& info, const OptionValue& value) {
  for (const OptionChoice& choice : info.choices) {
    if (choice.value == std::get<int64_t>(value)) return std::string(choice.name);
  }
  return "";
}

void add_flag(CLI::App& command, SessionOptions& options, const OptionInfo& info) {
  const std::string flag = flag_name(info.name);
  std::string help(info.help.substr(0, info.help.find(". ")));
  if (help.ends_with('.')) help.pop_back();
  switch (info.type) {
    case OptionType::kBool: {
      const std::string both = fmt::format("{},!--no-{}", flag, flag.substr(2));
      const bool is_on = std::get<bool>(info.default_value);
      command
          .add_flag_function(
              both, [&options, &info](int64_t count) { set_from_flag(options, info, count > 0); },
              fmt::format("{} [{}]", help, is_on ? "on" : "off"))
          ->group(kGroup);
      break;
    }
    case OptionType::kInt:
      command
          .add_option_function<int64_t>(
              flag, [&options, &info](int64_t value) { set_from_flag(options, info, value); },
              fmt::format("{} [{}]", help, std::get<int64_t>(info.default_value)))
          ->type_name("N")
          ->group(kGroup);
      break;
    case OptionType::kString:
      command
          .add_option_function<std::string>(
              flag, [&options, &info](const std::string& value) { set_from_flag(options, info, value); }, help)
          ->type_name("TEXT")
          ->group(kGroup);
      break;
    case OptionType::kEnum:
      command
          .add_option_function<std::string>(
              flag,
              [&options, &info](const std::string& text) {
                int64_t number = 0;
                const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
                const bool is_number = failed == std::errc() && end == text.data() + text.size();
                set_from_flag(options, info, is_number ? OptionValue(number) : OptionValue(to_upper(text)));
              },
              fmt::format("{}: {} [{}]", help, choices_of(info), name_of(info, info.default_value)))
          ->type_name("NAME")
          ->group(kGroup);
      break;
  }
}

}  // namespace

std::string flag_name(std::string_view option) {
  std::string flag = "--" + std::string(option);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void add_session_flags(CLI::App& command, SessionOptions& options) {
  for (const OptionInfo& info : session_option_table()) add_flag(command, options, info);
  command
      .add_option_function<std::vector<std::string>>(
          "--config",
          [&options](const std::vector<std::string>& entries) {
            for (const std::string& entry : entries) {
              try {
                auto [key, value] = split_assignment(entry, "--config");
                options.config_entries[key] = value;
              } catch (const Error& error) {
                throw CLI::ValidationError("--config", error.text());
              }
            }
          },
          "Session configuration entry, session.intra_op.allow_spinning=0")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->group(kGroup);
}

std::string describe_settings(const nlohmann::json& settings) {
  std::string text;
  for (const auto& [name, value] : settings.items()) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name,
                        value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text.empty() ? "default" : text;
}

}  // namespace attune
