// `attune memory`: what making a session, running it and closing it adds to a process, for each arena setting.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "attune/session.h"
#include "base/interrupt.h"
#include "command.h"
#include "engine.h"
#include "feeds.h"
#include "settings.h"
#include "table.h"
#include "temporary_folder.h"
#include "tune/worker_process.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune memory model.onnx --arena on,off
  attune memory model.onnx --shape images=32x3x224x224 --runs 5
  attune memory model.onnx --arena off --intra-op-num-threads 1 --json
  attune memory model.onnx --engine onnxruntime

Each setting of enable_cpu_mem_arena is measured in a process of its own. The
table reads like memory_profiler's: memory held after a step, what the step
added, and the highest point during it. Inputs are made before the first line.)";

// A model that takes longer for one step is beyond what a person waits for.
constexpr double kLongestStepSeconds = 3600;

struct MemoryFlags {
  std::string model;
  std::vector<std::string> arenas = {"on", "off"};
  EngineFlags engine;
  FeedFlags feeds;
  SessionOptions options;
  int runs = 3;
  bool as_json = false;
};

struct MemoryStep {
  std::string name;
  double resident = 0;
  double peak = 0;
};

struct Experiment {
  std::string arena;
  std::vector<MemoryStep> steps;
};

Experiment measure(const MemoryFlags& flags, const WorkerSetup& setup, const std::string& arena) {
  json settings = settings_of(flags.options);
  settings["enable_cpu_mem_arena"] = arena == "on";
  WorkerProcess worker(setup.command);
  Experiment experiment;
  experiment.arena = arena;
  const auto step = [&](const std::string& name, const json& request) {
    const json answer = worker.request(request, kLongestStepSeconds);
    const json& memory = answer.at("memory");
    experiment.steps.push_back({name, memory.at("resident"), memory.at("peak")});
  };
  step("inputs ready", prepare_request(setup));
  step("make the session", {{"command", "load"}, {"settings", settings}});
  for (int k = 1; k <= flags.runs; ++k) step(fmt::format("run {}", k), {{"command", "measure"}, {"passes", 1}});
  step("close the session", {{"command", "close"}});
  return experiment;
}

void print(const Experiment& experiment) {
  fmt::print("enable_cpu_mem_arena = {}\n\n", experiment.arena == "on");
  Table table({{"Mem usage", Align::kRight}, {"Increment", Align::kRight}, {"Peak", Align::kRight}, {"Step"}});
  double before = experiment.steps[0].resident;
  for (const MemoryStep& step : experiment.steps) {
    const bool is_first = &step == experiment.steps.data();
    table.add_row({format_bytes(step.resident), format_bytes(is_first ? step.resident : step.resident - before),
                   format_bytes(step.peak), step.name});
    before = step.resident;
  }
  fmt::print("{}\n", table.text());
}

json to_json(const Experiment& experiment) {
  json steps = json::array();
  for (const MemoryStep& step : experiment.steps) {
    steps.push_back({{"step", step.name}, {"resident_bytes", step.resident}, {"peak_bytes", step.peak}});
  }
  return {{"enable_cpu_mem_arena", experiment.arena == "on"}, {"steps", steps}};
}

void measure_memory(const MemoryFlags& flags) {
  const Feeds feeds = make_feeds(flags.feeds, read_model_inputs(flags.model));
  const InterruptScope interruptible;
  const TemporaryFolder folder;
  const WorkerSetup setup = make_setup(flags.engine, flags.model, {feeds}, folder.path());
  if (!flags.as_json) fmt::print("Engine: {}\nInputs: {}\n\n", flags.engine.engine, describe_feeds(feeds));
  json report = json::array();
  for (const std::string& arena : flags.arenas) {
    const Experiment experiment = measure(flags, setup, arena);
    if (flags.as_json) {
      report.push_back(to_json(experiment));
    } else {
      print(experiment);
    }
  }
  if (flags.as_json) fmt::print("{}\n", report.dump(2));
}

}  // namespace

void add_memory_command(CLI::App& app) {
  auto flags = std::make_shared<MemoryFlags>();
  CLI::App* command = app.add_subcommand("memory", "Show what each step of a session costs in memory");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--arena", flags->arenas, "Settings to compare: on, off or both")
      ->delimiter(',')
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  command->add_option("--runs", flags->runs, "Runs to show")
      ->type_name("N")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", flags->as_json, "Print JSON");
  add_engine_flags(*command, flags->engine);
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { measure_memory(*flags); });
}

}  // namespace attune
