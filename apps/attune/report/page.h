// Pages to look at: one HTML file each that needs nothing else, no network either. Thread safety: values and pure
// functions.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace attune {

/// What a page shows. `script` draws `data`, which it finds as the constant `data`, into the elements of `body`; it may
/// use Chart.js and what report/page.js offers.
struct Page {
  std::string title;
  std::string_view body;
  std::string script;
  nlohmann::json data;
  std::string language = "en";
};

/// The body and the script of `attune profile`'s page.
std::string_view profile_body();
std::string profile_script();
/// The same of the tuner's report.
std::string_view tuning_body();
std::string tuning_script();

/// The same of `attune inspect --memory`'s.
std::string_view memory_body();
std::string memory_script();

std::string render_page(const Page& page);

/// Throws Error(kRuntimeException) naming the file when it cannot be written.
void write_page(const Page& page, const std::filesystem::path& path);

}  // namespace attune
