// What `attune tune` and `attune report` share on the command line. Thread safety: pure functions; the flag belongs to
// the command line that fills it.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace attune {

/// The page beside a result's file: "tuned.json" to "tuned.html".
std::string report_path(const std::string& result_file);

/// --lang, one of Texts::languages().
void add_language_flag(CLI::App& command, std::string& language);

}  // namespace attune
