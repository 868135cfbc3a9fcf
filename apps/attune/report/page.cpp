#include "report/page.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "attune/error.h"
#include "attune/session.h"
#include "report/assets.h"

namespace attune {
namespace {

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

/// JSON inside a script element: a text of it must not end the element.
std::string embed_json(const nlohmann::json& data) {
  const std::string text = data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

}  // namespace

std::string_view profile_body() { return assets::kProfileHtml; }
std::string profile_script() { return std::string(assets::kProfileJs); }
std::string_view tuning_body() { return assets::kTuningHtml; }
std::string tuning_script() { return fmt::format("{}{}", assets::kTuningPlotsJs, assets::kTuningJs); }
std::string_view memory_body() { return assets::kMemoryHtml; }
std::string memory_script() { return std::string(assets::kMemoryJs); }

std::string render_page(const Page& page) {
  std::string html =
      fmt::format("<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n", page.language);
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  html += fmt::format("<meta name=\"generator\" content=\"attune {}\">\n", version());
  html += fmt::format("<title>{}</title>\n<style>\n", escape_html(page.title));
  html += assets::kPageCss;
  html += "</style>\n</head>\n<body>\n";
  html += page.body;
  html += "<script>\n";
  html += assets::kChartJs;
  html += "\n</script>\n<script>\n\"use strict\";\nconst data = ";
  html += embed_json(page.data);
  html += ";\n";
  html += assets::kPageJs;
  html += page.script;
  html += "</script>\n</body>\n</html>\n";
  return html;
}

void write_page(const Page& page, const std::filesystem::path& path) {
  errno = 0;
  std::ofstream stream(path, std::ios::binary);
  stream << render_page(page);
  stream.close();
  if (!stream) {
    throw Error(ErrorCode::kRuntimeException,
                fmt::format("'{}' cannot be written: {}", path.string(), std::strerror(errno)));
  }
}

}  // namespace attune
