#include "tune/worker_laboratory.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/memory.h"

namespace attune {
namespace {

constexpr std::string_view kReference = "reference.npz";
constexpr std::string_view kOutputs = "outputs.npz";
constexpr int kWatchMs = 2;
constexpr size_t kMostSamples = 500;

double clock_seconds() { return static_cast<double>(monotonic_ns()) * 1e-9; }

// An answer that lacks something is the worker's failure.
template <class Step>
auto call_worker(const Step& step) {
  try {
    return step();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::kFail, "The worker's answer is incomplete.");
  }
}

// Half of the samples, the larger of each two.
void thin(std::vector<MemorySample>& samples) {
  std::vector<MemorySample> kept;
  for (size_t k = 0; k + 1 < samples.size(); k += 2) {
    kept.push_back(samples[k].bytes >= samples[k + 1].bytes ? samples[k] : samples[k + 1]);
  }
  samples = std::move(kept);
}

}  // namespace

class TrialOfSettings : public Trial {
 public:
  TrialOfSettings(WorkerLaboratory& laboratory, const nlohmann::json& settings, double seconds)
      : laboratory_(laboratory),
        trial_(call_worker([&] { return WorkerTrial(laboratory.setup_, settings, seconds); })) {}

  double load_ms() const override { return trial_.load_ms(); }
  int threads() const override { return trial_.threads(); }
  TrialMemory memory() const override { return trial_.memory(); }

  RunSample measure(int passes, int callers, int warmup, double seconds) override {
    const MachineTimes before = read_machine_times(laboratory_.cpus_);
    const double start = clock_seconds();
    RunSample sample = call_worker([&] { return trial_.measure_load(passes, callers, warmup, seconds); });
    const double own = sample.cpu_ms * 1e-3 * (passes + warmup) / passes;
    laboratory_.note_use(before, clock_seconds() - start, own);
    return sample;
  }

  std::string compare_outputs(double seconds) override {
    const std::filesystem::path reference = laboratory_.folder_ / kReference;
    const bool is_first = !std::filesystem::exists(reference);
    const std::filesystem::path file = is_first ? reference : laboratory_.folder_ / kOutputs;
    call_worker([&] { trial_.save_outputs(file, seconds); });
    return is_first ? std::string() : laboratory_.compare_(file, reference);
  }

 private:
  WorkerLaboratory& laboratory_;
  WorkerTrial trial_;
};

WorkerLaboratory::WorkerLaboratory(WorkerSetup setup, std::filesystem::path folder, CompareOutputs compare)
    : setup_(std::move(setup)), folder_(std::move(folder)), compare_(std::move(compare)), cpus_(affinity_cpus()) {
  use_.cpus = static_cast<int>(cpus_.size());
}

std::unique_ptr<Trial> WorkerLaboratory::start(const nlohmann::json& settings, double seconds) {
  return std::make_unique<TrialOfSettings>(*this, settings, seconds);
}

MemoryTimeline WorkerLaboratory::record_memory(const nlohmann::json& settings, int runs, double seconds) {
  const double deadline = now() + seconds;
  WorkerProcess worker(setup_.command);
  const nlohmann::json prepared = worker.request(prepare_request(setup_), seconds);
  const double base = call_worker([&] { return prepared.at("memory").at("resident").get<double>(); });
  MemoryTimeline timeline;
  const double start = now();
  const auto elapsed_ms = [&] { return (now() - start) * 1e3; };
  const auto watch = [&](int64_t process) {
    timeline.samples.push_back({elapsed_ms(), std::max(0.0, static_cast<double>(resident_bytes(process)) - base)});
    if (timeline.samples.size() > 2 * kMostSamples) thin(timeline.samples);
  };
  const auto step = [&](std::string name, const nlohmann::json& request) {
    timeline.events.push_back({std::move(name), elapsed_ms()});
    worker.request(request, deadline - now(), kWatchMs, watch);
  };
  step("load", {{"command", "load"}, {"settings", settings}});
  for (int run = 1; run <= runs; ++run) step(fmt::format("run {}", run), {{"command", "measure"}, {"passes", 1}});
  step("idle", {{"command", "idle"}, {"seconds", 0.05}});
  step("close", {{"command", "close"}});
  step("end", {{"command", "idle"}, {"seconds", 0.05}});
  return timeline;
}

double WorkerLaboratory::now() { return clock_seconds(); }

void WorkerLaboratory::note_use(const MachineTimes& before, double seconds, double own_seconds) {
  const MachineTimes after = read_machine_times(cpus_);
  use_.measured += seconds;
  use_.others = use_.others + (after.busy - before.busy) - own_seconds;
  use_.stolen += after.stolen - before.stolen;
  use_.throttled += after.throttled - before.throttled;
}

}  // namespace attune
