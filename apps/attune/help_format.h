// How --help looks. Thread safety: as CLI::Formatter.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace attune {

/// CLI11's format in kHelpWidth columns: long descriptions are wrapped, defaults stand in brackets after them, types
/// are named without their checks, and `--no-x` without its internal value.
class HelpFormat : public CLI::Formatter {
 public:
  static constexpr size_t kHelpWidth = 100;
  static constexpr size_t kNameWidth = 38;

  HelpFormat() { column_width(kNameWidth); }

  std::string make_option_name(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
};

}  // namespace attune
