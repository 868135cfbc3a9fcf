// `attune tune`: finds by measurement which session options suit a model on this machine.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/interrupt.h"
#include "command.h"
#include "engine.h"
#include "feeds.h"
#include "fingerprint.h"
#include "npy.h"
#include "progress_bar.h"
#include "settings.h"
#include "snippets.h"
#include "table.h"
#include "temporary_folder.h"
#include "tensor_summary.h"
#include "terminal_text.h"
#include "tune/tuner.h"
#include "tune/worker_laboratory.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune tune model.onnx
  attune tune model.onnx --shape images=8x3x224x224 --budget 120
  attune tune bert.onnx --input sentences/ --output bert.tuned.json
  attune tune model.onnx --no-enable-cpu-mem-arena
  attune tune model.onnx --engine onnxruntime

Each performance option is tried by itself beside the default: both in fresh
processes, in alternating rounds, one process stopped while the other measures.
"time %" is the median over rounds of how much longer the candidate takes, with
the sign-based 95 % interval of that median, which assumes nothing about the
noise. The best combination is measured again in new processes before it is
recommended, and "keep the default" is an honest answer. Session options given
here belong to the default; other values are compared with them. Give inputs
like those of production: several .npz files or a folder of them are run in turn.
Ctrl-C ends the search; what was measured until then is shown and saved.)";

// Fused and unfused operators round differently.
constexpr double kRelativeTolerance = 1e-3;
constexpr double kAbsoluteTolerance = 1e-4;

struct TuneFlags {
  std::string model;
  EngineFlags engine;
  FeedFlags feeds;
  SessionOptions options;
  TunePolicy policy;
  std::string output = "tuned.json";
  bool as_json = false;
};

std::string compare_files(const std::filesystem::path& outputs, const std::filesystem::path& reference) {
  const std::vector<NamedTensor> given = load_npz(outputs);
  const std::vector<NamedTensor> wanted = load_npz(reference);
  if (given.size() != wanted.size()) return fmt::format("{} outputs, not {}", given.size(), wanted.size());
  for (size_t k = 0; k < given.size(); ++k) {
    const std::string difference =
        compare_tensors(given[k].tensor, wanted[k].tensor, kRelativeTolerance, kAbsoluteTolerance);
    if (!difference.empty()) return fmt::format("{}: {}", wanted[k].name, difference);
  }
  return "";
}

std::string percent_change(double ratio) { return fmt::format("{:+.1f}", 100 * (ratio - 1)); }

// What a table has room for; reasons stand below it.
std::string note_of(const Evidence& found) {
  switch (found.outcome) {
    case EvidenceOutcome::kMeasured:
      return "";
    case EvidenceOutcome::kNotMeasured:
      return found.ratios.empty() ? "no time" : "few rounds";
    default:
      return std::string(outcome_name(found.outcome));
  }
}

void print_evidence(const char* title, const std::vector<std::pair<std::string, const Evidence*>>& rows) {
  Table table({{title, Align::kLeft, true},
               {"ms", Align::kRight},
               {"time %", Align::kRight},
               {"95 % interval", Align::kRight},
               {"CPU ms", Align::kRight},
               {"MiB held/peak", Align::kRight},
               {"note"}});
  constexpr double kMiB = 1 << 20;
  for (const auto& [name, found] : rows) {
    if (found->ratios.empty()) {
      table.add_row({name, "", "", "", "", "", note_of(*found)});
      continue;
    }
    table.add_row({name, format_ms(found->pass_ms), percent_change(found->ratio.median),
                   fmt::format("{} .. {}", percent_change(found->ratio.low), percent_change(found->ratio.high)),
                   format_ms(found->cpu_ms),
                   fmt::format("{:.1f}/{:.1f}", found->memory.held_bytes / kMiB, found->memory.peak_bytes / kMiB),
                   note_of(*found)});
  }
  fmt::print("{}\n", table.text());
  bool has_reasons = false;
  for (const auto& [name, found] : rows) {
    if (found->outcome != EvidenceOutcome::kDiffers && found->outcome != EvidenceOutcome::kFailed) continue;
    fmt::print("{}: {}\n", name, found->reason);
    has_reasons = true;
  }
  if (has_reasons) fmt::print("\n");
}

void print(const SearchResult& result, const TuneFlags& flags, const json& base, const std::string& feeds) {
  fmt::print("Engine:  {}\n", flags.engine.engine);
  fmt::print("Inputs:  {}\n", feeds);
  fmt::print("Default: {}, {} threads, {} ms\n\n", describe_settings(base), result.itself.default_threads,
             format_ms(result.itself.default_pass_ms));
  std::vector<std::pair<std::string, const Evidence*>> rows = {{"the default again", &result.itself}};
  for (const Evidence& found : result.screening) {
    rows.emplace_back(describe_difference(found.candidate.settings, base), &found);
  }
  print_evidence("Setting", rows);
  rows.clear();
  for (const Evidence& found : result.confirmation) {
    rows.emplace_back(describe_difference(found.candidate.settings, base), &found);
  }
  if (!rows.empty()) print_evidence("In new processes", rows);
  fmt::print("{}\n\n", wrap(result.sentence, 80));
  fmt::print("Python:\n\n{}\n", python_snippet(flags.engine.engine, flags.model, result.settings));
  if (flags.engine.engine == kAttune) fmt::print("C++:\n\n{}\n", cpp_snippet(flags.model, result.settings));
  fmt::print("Saved in {}\n", flags.output);
}

void save(const std::string& path, const json& report) {
  std::ofstream file(path, std::ios::trunc);
  file << report.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
  file.close();
  if (!file) throw Error(ErrorCode::kRuntimeException, fmt::format("'{}' cannot be written.", path));
}

void tune_model(const TuneFlags& flags) {
  const json fingerprint = make_fingerprint(flags.model);
  const std::vector<Feeds> sets = make_feed_sets(flags.feeds, read_model_inputs(flags.model));  // mistakes show here
  const std::string feeds = describe_feed_sets(sets);
  const json base = settings_of(flags.options);
  const int threads =
      flags.options.intra_op_num_threads > 0 ? flags.options.intra_op_num_threads : default_thread_count();
  const std::vector<Candidate> candidates = make_candidates(session_option_table(), base, threads, usable_cpus());

  const InterruptScope interruptible;
  const TemporaryFolder folder;
  WorkerLaboratory laboratory(make_setup(flags.engine, flags.model, sets, folder.path()), folder.path(), compare_files);
  SearchResult result;
  {
    ProgressBar bar;
    result = tune(laboratory, flags.policy, base, candidates,
                  [&](double share, const std::string& step) { bar.show(share, step); });
  }
  json report = to_json(result);
  report["model"] = flags.model;
  report["engine"] = flags.engine.engine;
  report["inputs"] = feeds;
  report["default_settings"] = base;
  report["fingerprint"] = fingerprint;
  report["budget_seconds"] = flags.policy.budget_seconds;
  save(flags.output, report);
  if (flags.as_json) {
    fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    print(result, flags, base, feeds);
  }
  if (result.is_interrupted) throw Interrupted();
}

}  // namespace

void add_tune_command(CLI::App& app) {
  auto flags = std::make_shared<TuneFlags>();
  CLI::App* command = app.add_subcommand("tune", "Find the session options that suit a model on this machine");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--budget", flags->policy.budget_seconds, "Seconds that the search may take")
      ->type_name("S")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  command->add_option("--output", flags->output, "Where to save settings and evidence")
      ->type_name("FILE")
      ->capture_default_str();
  command->add_flag("--json", flags->as_json, "Print what is saved instead of tables");
  add_engine_flags(*command, flags->engine);
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { tune_model(*flags); });
}

}  // namespace attune
