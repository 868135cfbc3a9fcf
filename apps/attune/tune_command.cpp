// `attune tune`: finds by measurement which session options suit a model on this machine.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/interrupt.h"
#include "command.h"
#include "engine.h"
#include "feeds.h"
#include "fingerprint.h"
#include "npy.h"
#include "progress_bar.h"
#include "report/texts.h"
#include "report_flags.h"
#include "settings.h"
#include "temporary_folder.h"
#include "tensor_summary.h"
#include "terminal_text.h"
#include "tune/tuner.h"
#include "tune/worker_laboratory.h"
#include "tune_page.h"
#include "tuning_space.h"
#include "tuning_summary.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune tune model.onnx
  attune tune model.onnx --shape images=8x3x224x224 --budget 120
  attune tune ocr.onnx --shape x=1x3x48x320@3 --shape x=1x3x48x640@1
  attune tune bert.onnx --input sentences/ --output bert.tuned.json
  attune tune model.onnx --objective throughput --max-p99 20ms
  attune tune model.onnx --objective p99 --concurrency 4 --max-peak 500MiB
  attune tune model.onnx --engine onnxruntime

Every setting runs in processes of its own beside the default's, in alternating
rounds. First each option is tried by itself, then combinations of them after a
fractional factorial design, which tells their effects and interactions; the most
promising settings race against each other, and the winner has to prove itself in
new processes. "Keep the default" is an honest answer. Intervals are of the ratio
to the default: by signed ranks over pairs of processes, from six pairs on.

Session options given here belong to the default; other values are compared with
them. Give inputs like those of production: several .npz files or a folder of them
are run in turn, and several --shape for one input are a mix, @N its weights.
Ctrl-C ends the search; what was measured until then is shown and saved, and
--resume goes on from there.)";

// Fused and unfused operators round differently.
constexpr double kRelativeTolerance = 1e-3;
constexpr double kAbsoluteTolerance = 1e-4;
constexpr double kVersionSeconds = 120;
constexpr int kMostCallers = 256;

struct TuneFlags {
  std::string model;
  EngineFlags engine;
  FeedFlags feeds;
  SessionOptions options;
  TunePolicy policy;
  std::string objective = "latency";
  uint64_t peak_bytes = 0;
  int callers = 0;  ///< 0 when not given.
  std::string output = "tuned.json";
  std::string language = "en";
  bool resumes = false;
  bool as_json = false;
};

std::string compare_files(const std::filesystem::path& outputs, const std::filesystem::path& reference) {
  const std::vector<NamedTensor> given = load_npz(outputs);
  const std::vector<NamedTensor> wanted = load_npz(reference);
  if (given.size() != wanted.size()) return fmt::format("{} outputs, not {}", given.size(), wanted.size());
  for (size_t k = 0; k < given.size(); ++k) {
    const std::string difference =
        compare_tensors(given[k].tensor, wanted[k].tensor, kRelativeTolerance, kAbsoluteTolerance);
    if (!difference.empty()) return fmt::format("output {}: {}", wanted[k].name, difference);
  }
  return "";
}

TunedLoad describe_load(const std::vector<FeedSet>& load, int callers) {
  TunedLoad facts;
  facts.callers = callers;
  for (const FeedSet& set : load) {
    LoadSet described = {.inputs = {}, .weight = set.weight, .source = set.source};
    for (const NamedTensor& feed : set.feeds) {
      const Shape& shape = feed.tensor.shape();
      LoadInput input = {feed.name, std::string(data_type_name(feed.tensor.type())), {}};
      for (int axis = 0; axis < shape.rank(); ++axis) input.shape.push_back(shape[axis]);
      described.inputs.push_back(std::move(input));
    }
    facts.sets.push_back(std::move(described));
  }
  return facts;
}

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm fields = {};
  ::gmtime_r(&now, &fields);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &fields);
  return text.data();
}

Space make_space(const TuneFlags& flags) {
  SpaceWishes wishes;
  wishes.base = settings_of(flags.options);
  wishes.callers = std::max(flags.callers, 1);
  wishes.varies_callers = flags.policy.objective == Objective::kThroughput && flags.callers == 0;
  wishes.default_threads = default_thread_count();
  wishes.usable_cpus = usable_cpus();
  wishes.most_cpus = flags.policy.limits.cpus;
  return make_space(flags.engine.engine, wishes);
}

// "race of 5: intra_op_num_threads=2 (best so far -12.1 %)"
std::string describe_step(const TuneStep& step, const Texts& texts) {
  constexpr std::array kPhases = {"step.baseline", "step.levels", "step.design", "step.race", "step.confirm"};
  std::string text = texts.say(kPhases.at(static_cast<size_t>(step.phase)), {{"n", std::to_string(step.rivals)}});
  if (step.phase != Phase::kBaseline) text += ": " + step.subject;
  if (step.best_ratio >= 1) return text;
  return fmt::format("{} ({})", text,
                     texts.say("step.best", {{"change", fmt::format("{:+.1f}", 100 * (step.best_ratio - 1))}}));
}

// Prints what was found before it is saved: a full disk must not cost it.
void report(const TuneResult& result, const TuneFlags& flags, const Texts& texts, Journal& journal) {
  if (flags.as_json) {
    fmt::print("{}\n", to_json(result).dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", tuning_summary(result, flags.output, texts));
  }
  std::fflush(stdout);
  if (!journal.failure().empty()) {
    fmt::print(stderr, "attune: '{}' cannot be written ({}): this run cannot be resumed.\n", journal.path().string(),
               journal.failure());
  }
  write_tune_result(flags.output, result);
  const std::string page = report_path(flags.output);
  write_page(make_tune_page({{result, flags.output}}, texts), page);
  const bool is_whole = !result.is_interrupted && result.stopped_by.empty();
  if (is_whole) journal.remove();
  if (flags.as_json) return;
  fmt::print("{}\n{}\n", texts.say("summary.saved", {{"path", flags.output}}),
             texts.say("summary.report", {{"path", page}}));
  if (!is_whole && journal.failure().empty()) fmt::print("{}\n", texts.say("summary.resume"));
}

// A place where nothing can be saved shows before anything is measured.
void check_output(const std::filesystem::path& output) {
  const std::filesystem::path folder = output.has_parent_path() ? output.parent_path() : ".";
  std::error_code ignored;  // what cannot be looked at is no folder
  if (std::filesystem::is_directory(output, ignored) || !std::filesystem::is_directory(folder, ignored)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("--output names a file in a folder that exists; '{}' does not.", output.string()));
  }
}

void tune_model(TuneFlags& flags) {
  const Texts texts(flags.language);
  check_output(flags.output);
  flags.policy.objective = objective_of(flags.objective);
  flags.policy.limits.peak_bytes = static_cast<double>(flags.peak_bytes);
  flags.policy.seed = flags.feeds.seed + 1;
  TunedFingerprint fingerprint = {fingerprint_model(flags.model), {flags.engine.engine, ""}, fingerprint_machine()};
  const std::vector<FeedSet> load = make_load(flags.feeds, read_model_inputs(flags.model));  // mistakes show here
  const TunedLoad described = describe_load(load, std::max(flags.callers, 1));
  const Space space = make_space(flags);

  const InterruptScope interruptible;
  const TemporaryFolder folder;
  WorkerSetup setup = make_setup(flags.engine, flags.model, load, folder.path());
  const std::vector<int> weights = setup.weights;
  fingerprint.engine.version = ask_version(setup, kVersionSeconds);
  TuneResult identity;
  identity.fingerprint = fingerprint;
  identity.load = described;
  const json known = to_json(identity);
  Journal journal(flags.output + ".part",
                  {{"fingerprint", known.at("fingerprint")}, {"load", known.at("load")}, {"default", space.base}},
                  flags.resumes);
  WorkerLaboratory laboratory(std::move(setup), folder.path(), compare_files);
  TuneResult result;
  {
    ProgressBar bar;
    result = tune(laboratory, space, weights, flags.policy, journal,
                  [&](const TuneStep& step) { bar.show(step.share, describe_step(step, texts)); });
  }
  result.created = utc_now();
  result.fingerprint = fingerprint;
  result.load = described;
  report(result, flags, texts, journal);
  if (result.is_interrupted) throw Interrupted();
  if (!result.stopped_by.empty()) throw Error(ErrorCode::kFail, "The default: " + result.stopped_by);
}

void add_goal_flags(CLI::App& command, TuneFlags& flags) {
  const auto add = [&](const char* name, auto& target, const char* help) {
    return command.add_option(name, target, help)->group("Goal");
  };
  add("--objective", flags.objective, "What to improve")
      ->check(CLI::IsMember({"latency", "p95", "p99", "throughput", "memory", "peak", "cpu"}))
      ->capture_default_str();
  add("--max-peak", flags.peak_bytes, "Most memory that the model may add to its process, 500MiB")
      ->type_name("BYTES")
      ->transform(CLI::AsSizeValue(true));
  add("--max-p99", flags.policy.limits.p99_ms, "Time that 99 % of inferences have to keep to, 20ms")
      ->type_name("TIME")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"us", 1e-3}, {"ms", 1}, {"s", 1e3}}));
  add("--max-cpus", flags.policy.limits.cpus, "CPUs that may be busy at once on average")
      ->type_name("N")
      ->check(CLI::Range(0.1, 1024.0));
  add("--concurrency", flags.callers,
      "Threads that call the session at once; with the objective throughput several numbers are tried when not given")
      ->type_name("N")
      ->check(CLI::Range(1, kMostCallers));
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
  command->add_flag("--resume", flags->resumes, "Go on with an interrupted run of the same output file");
  command->add_flag("--json", flags->as_json, "Print what is saved instead of tables");
  add_language_flag(*command, flags->language);
  add_goal_flags(*command, *flags);
  add_engine_flags(*command, flags->engine);
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { tune_model(*flags); });
}

}  // namespace attune
