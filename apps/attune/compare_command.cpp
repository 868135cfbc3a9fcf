// `attune compare`: Attune beside an installed onnxruntime on the user's model and inputs.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/interrupt.h"
#include "command.h"
#include "engine.h"
#include "feeds.h"
#include "npy.h"
#include "onnx/reader.h"
#include "progress_bar.h"
#include "settings.h"
#include "table.h"
#include "temporary_folder.h"
#include "tensor_summary.h"
#include "terminal_text.h"
#include "tune/engine_comparison.h"
#include "tune/engine_verdict.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune compare model.onnx
  attune compare model.onnx --shape images=8x3x224x224 --seconds 3
  attune compare bert.onnx --input sentences/ --python ~/app/.venv/bin/python3
  attune compare model.onnx --no-enable-cpu-mem-arena --intra-op-num-threads 1

Both engines get the same inputs and the same session options; what is not given
keeps each engine's own default. Every pair of processes is fresh; within a pair
the engines take turns, the other one stopped, so that a pool that spins cannot
slow its neighbour. A ratio is Attune's figure over onnxruntime's: below 1 Attune
needs less. Its interval is that of the median over the pairs, by signs, which
assumes nothing about the noise. Memory is what a process has above what it had
with the engine imported and the inputs made. Start-up is loading and what the
first run takes longer than later ones. onnxruntime is called from Python, as its
users do, which adds some microseconds to each of its runs; Attune from C++.)";

struct CompareFlags {
  std::string model;
  EngineFlags peer = {kOnnxruntime, ""};
  FeedFlags feeds;
  SessionOptions options;
  ComparePolicy policy;
  bool as_json = false;
};

/// One output of one set of inputs.
struct OutputDifference {
  std::string name;
  Tensor reference;
  TensorDifference difference;
};

struct Report {
  EngineComparison comparison;
  std::vector<OutputDifference> outputs;
  std::vector<std::string> missing_in_ours;
  std::vector<std::string> missing_in_theirs;
  std::string sentence;
};

std::vector<OutputDifference> compare_outputs(const std::filesystem::path& folder) {
  const std::vector<NamedTensor> ours = load_npz(ours_outputs(folder));
  const std::vector<NamedTensor> theirs = load_npz(theirs_outputs(folder));
  // Both wrote the model's outputs in its order, set by set.
  std::vector<OutputDifference> differences;
  const bool is_one_set = theirs.empty() || theirs.back().name.starts_with("0/");
  for (size_t k = 0; k < std::min(ours.size(), theirs.size()); ++k) {
    const std::string& name = theirs[k].name;
    differences.push_back({is_one_set ? name.substr(name.find('/') + 1) : name, theirs[k].tensor,
                           measure_difference(ours[k].tensor, theirs[k].tensor)});
  }
  return differences;
}

// Of the model's operators, those that a worker says its engine has not.
std::vector<std::string> list_missing(const WorkerSetup& setup, const std::string& model) {
  std::set<std::tuple<std::string, std::string, int>> operators;
  const Graph graph = load_graph(model);
  for (const auto& node : graph.nodes()) operators.emplace(node->domain, node->op_type, node->version);
  json request = {{"command", "operators"}, {"operators", operators}};
  std::vector<std::string> missing;
  const json answer = WorkerProcess(setup.command).request(request, ComparePolicy().patience);
  for (const size_t index : answer.at("missing")) {
    const auto& [domain, name, version] = *std::next(operators.begin(), static_cast<int64_t>(index));
    missing.push_back(fmt::format("{}{}{} (opset {})", domain, domain.empty() ? "" : ".", name, version));
  }
  return missing;
}

std::string format_mib(double bytes) { return fmt::format("{:.1f}", bytes / (1 << 20)); }

struct MetricTitle {
  const char* name;
  const char* title;
  std::string (*format)(double);
};
constexpr MetricTitle kTitles[] = {
    {kTime, "Time of a run, median (ms)", format_ms}, {kP95, "Time of a run, p95 (ms)", format_ms},
    {kCpu, "CPU time of a run (ms)", format_ms},      {kStart, "Start-up (ms)", format_ms},
    {kPeak, "Memory at its peak (MiB)", format_mib},  {kHeld, "Memory held (MiB)", format_mib}};

void print_figures(const EngineComparison& found) {
  const bool is_known = found.metrics[0].ratio.is_known;
  Table table({{fmt::format("{} pairs, {} rounds", found.metrics[0].ratios.size(), found.rounds)},
               {"Attune", Align::kRight},
               {found.theirs.engine, Align::kRight},
               {"ratio", Align::kRight},
               {is_known ? "95 % interval" : "range", Align::kRight}});
  for (const MetricTitle& title : kTitles) {
    const Metric& metric = found.metric(title.name);
    table.add_row({title.title, title.format(median(metric.ours)), title.format(median(metric.theirs)),
                   fmt::format("{:.3f}", metric.ratio.median),
                   fmt::format("{:.3f} .. {:.3f}", metric.ratio.low, metric.ratio.high)});
  }
  table.add_row(
      {"CPU in the second after (ms)", format_ms(found.ours.idle_cpu_ms), format_ms(found.theirs.idle_cpu_ms)});
  fmt::print("{}\n", table.text());
}

void print_outputs(const std::vector<OutputDifference>& outputs) {
  Table table({{"Output", Align::kLeft, true},
               {"shape"},
               {"RMS", Align::kRight},
               {"RMS/spread", Align::kRight},
               {"max", Align::kRight},
               {"note", Align::kLeft, true}});
  for (const OutputDifference& output : outputs) {
    const TensorDifference& found = output.difference;
    const char* note =
        found.is_rounding(output.reference.type()) ? (found.differing == 0 ? "equal" : "rounding") : "differs";
    table.add_row({output.name, format_shape(output.reference.shape()), fmt::format("{:.2g}", found.rms),
                   fmt::format("{:.2g}", found.relative), fmt::format("{:.2g}", found.most),
                   found.mismatch.empty() ? note : found.mismatch});
  }
  fmt::print("{}\n", table.text());
}

void print_missing(const std::string& engine, const std::vector<std::string>& missing) {
  if (missing.empty()) return;
  fmt::print("Operators that {} lacks:\n", engine);
  for (const std::string& name : missing) fmt::print("  {}\n", name);
  fmt::print("\n");
}

void print(const Report& report, const CompareFlags& flags, const std::string& feeds) {
  const EngineComparison& found = report.comparison;
  const auto describe = [](const EngineFacts& facts) {
    return facts.failure.empty() ? fmt::format("{} {}, {} threads", facts.engine, facts.version, facts.threads)
                                 : facts.engine + " fails";
  };
  fmt::print("Model:    {}\n", flags.model);
  fmt::print("Inputs:   {}\n", feeds);
  fmt::print("Settings: {}\n", describe_settings(settings_of(flags.options)));
  fmt::print("Engines:  {}; {}\n", describe(found.ours), describe(found.theirs));
  fmt::print("CPU:      {}\n\n", cpu_model_name());
  if (!found.metrics.empty()) print_figures(found);
  if (!report.outputs.empty()) print_outputs(report.outputs);
  print_missing("Attune", report.missing_in_ours);
  print_missing(found.theirs.engine, report.missing_in_theirs);
  fmt::print("{}\n", wrap(report.sentence, 80));
}

json to_json(const EngineFacts& facts, const std::vector<std::string>& missing) {
  return {{"engine", facts.engine},       {"version", facts.version}, {"failure", facts.failure},
          {"missing_operators", missing}, {"threads", facts.threads}, {"idle_cpu_ms", facts.idle_cpu_ms}};
}

json to_json(const Report& report) {
  const EngineComparison& found = report.comparison;
  json metrics = json::object();
  for (const Metric& metric : found.metrics) {
    const Interval& ratio = metric.ratio;
    metrics[metric.name] = {
        {"attune", metric.ours},
        {"onnxruntime", metric.theirs},
        {"ratios", metric.ratios},
        {"ratio", {{"median", ratio.median}, {"low", ratio.low}, {"high", ratio.high}, {"is_95", ratio.is_known}}}};
  }
  json outputs = json::array();
  for (const OutputDifference& output : report.outputs) {
    const TensorDifference& difference = output.difference;
    const Shape& shape = output.reference.shape();
    outputs.push_back({{"name", output.name},
                       {"type", tensor_type_name(output.reference.type())},
                       {"shape", std::vector<int64_t>(shape.begin(), shape.end())},
                       {"mismatch", difference.mismatch},
                       {"differing", difference.differing},
                       {"rms", difference.rms},
                       {"relative_rms", difference.relative},
                       {"max", difference.most},
                       {"agrees", difference.is_rounding(output.reference.type())}});
  }
  return {{"sentence", report.sentence},
          {"attune", to_json(found.ours, report.missing_in_ours)},
          {"onnxruntime", to_json(found.theirs, report.missing_in_theirs)},
          {"rounds", found.rounds},
          {"metrics", metrics},
          {"outputs", outputs}};
}

Report measure(const CompareFlags& flags, const std::vector<Feeds>& sets) {
  const InterruptScope interruptible;
  const TemporaryFolder folder;
  const WorkerSetup ours = make_setup({}, flags.model, sets, folder.path());
  const WorkerSetup theirs = make_setup(flags.peer, flags.model, sets, folder.path());
  Report report;
  {
    ProgressBar bar;
    report.comparison = compare_engines(ours, theirs, settings_of(flags.options), flags.policy, folder.path(),
                                        [&](double share) { bar.show(share, "Attune beside onnxruntime"); });
  }
  const EngineComparison& found = report.comparison;
  if (!found.ours.failure.empty()) report.missing_in_ours = list_missing(ours, flags.model);
  if (!found.theirs.failure.empty()) report.missing_in_theirs = list_missing(theirs, flags.model);
  if (!found.metrics.empty()) report.outputs = compare_outputs(folder.path());
  std::vector<std::string> differing;
  for (const OutputDifference& output : report.outputs) {
    if (!output.difference.is_rounding(output.reference.type())) differing.push_back(output.name);
  }
  report.sentence = describe_comparison(found, differing);
  return report;
}

void compare(const CompareFlags& flags) {
  const std::vector<Feeds> sets = make_feed_sets(flags.feeds, read_model_inputs(flags.model));
  const std::string feeds = describe_feed_sets(sets);
  const Report report = measure(flags, sets);
  if (!report.comparison.ours.failure.empty() && !report.comparison.theirs.failure.empty()) {
    throw Error(ErrorCode::kFail, report.sentence);
  }
  if (!flags.as_json) {
    print(report, flags, feeds);
    return;
  }
  json document = to_json(report);
  document["model"] = flags.model;
  document["inputs"] = feeds;
  document["settings"] = settings_of(flags.options);
  document["cpu"] = cpu_model_name();
  fmt::print("{}\n", document.dump(2, ' ', false, json::error_handler_t::replace));
}

}  // namespace

void add_compare_command(CLI::App& app) {
  auto flags = std::make_shared<CompareFlags>();
  CLI::App* command = app.add_subcommand("compare", "Measure Attune beside an installed onnxruntime");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--pairs", flags->policy.pairs, "Pairs of fresh processes; six is what an interval needs")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seconds", flags->policy.seconds, "How long to measure each engine in each pair")
      ->type_name("S")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command->add_flag("--json", flags->as_json, "Print JSON");
  add_python_flag(*command, flags->peer);
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { compare(*flags); });
}

}  // namespace attune
