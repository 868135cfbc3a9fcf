// `attune report`: what `attune tune` found out, told again: as text, as a page, in another language, of several
// machines in one.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "report_flags.h"
#include "tune_page.h"
#include "tuning_summary.h"
#include "verdict_words.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune report tuned.json
  attune report tuned.json --lang zh --output report.zh.html
  attune report laptop.json server.json container.json

Each FILE is what `attune tune` saved. One makes the same summary and page again;
several, of one model or of more, on machines of different kinds, make one page
with a setting for each kind of machine: where one kind was measured twice, the
later run counts.)";

struct ReportFlags {
  std::vector<std::string> files;
  std::string output;
  std::string language = "en";
  bool as_json = false;
};

void report(const ReportFlags& flags) {
  const Texts texts(flags.language);
  std::vector<SavedResult> results;
  for (const std::string& file : flags.files) results.push_back({read_tune_result(file), file});
  const Page page = make_tune_page(results, texts);
  const std::string output = flags.output.empty() ? report_path(flags.files.front()) : flags.output;
  write_page(page, output);
  if (flags.as_json) {
    fmt::print("{}\n", page.data.at("results").dump(2, ' ', false, json::error_handler_t::replace));
    return;
  }
  for (const SavedResult& saved : results) {
    fmt::print("{}\n", tuning_summary(saved.result, saved.file, texts));
  }
  fmt::print("{}\n", texts.say("summary.report", {{"path", output}}));
}

}  // namespace

std::string report_path(const std::string& result_file) {
  return std::filesystem::path(result_file).replace_extension(".html").string();
}

void add_language_flag(CLI::App& command, std::string& language) {
  command.add_option("--lang", language, "Language of the summary and the report")
      ->check(CLI::IsMember(Texts::languages()))
      ->capture_default_str();
}

void add_report_command(CLI::App& app) {
  auto flags = std::make_shared<ReportFlags>();
  CLI::App* command = app.add_subcommand("report", "Show what `attune tune` saved, as text and as a page");
  command->add_option("FILE", flags->files, "What `attune tune` saved")->required();
  command->add_option("--output", flags->output, "The page; beside the first FILE when not given")->type_name("FILE");
  add_language_flag(*command, flags->language);
  command->add_flag("--json", flags->as_json, "Print the results with their words instead of a summary");
  command->footer(kExamples);
  command->callback([flags] { report(*flags); });
}

}  // namespace attune
