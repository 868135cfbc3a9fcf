// An engine that exists in tests only: settings have set effects, noise is replayed from traces of a real one
// (tune/noise_traces.h), and time is a number that goes forward as fast as the test runs. Thread safety: none.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "tune/noise_traces.h"
#include "tune/trial.h"

namespace attune {

/// What a setting does to an imaginary engine whose default takes 10 ms on 4 threads and holds 100 MiB.
struct Behaviour {
  double time_ratio = 1;
  int threads = 4;
  double cpu_ratio = 1;
  double held_mib = 100;
  double peak_mib = 110;
  std::string difference = {};
  std::string load_error = {};
  std::string run_error = {};
  bool hangs = false;
};
using SimulatedEngine = std::function<Behaviour(const nlohmann::json& settings, int callers)>;

class SimulatedLaboratory : public Laboratory {
 public:
  SimulatedLaboratory(SimulatedEngine engine, uint64_t seed, std::span<const NoiseTrace> traces = kQuietTraces)
      : engine_(std::move(engine)), random_(seed), traces_(traces) {}

  std::unique_ptr<Trial> start(const nlohmann::json& settings, double seconds) override;
  MemoryTimeline record_memory(const nlohmann::json& settings, int runs, double seconds) override;
  MachineUse machine_use() override { return use; }
  double now() override { return now_; }

  int trials = 0;
  double start_seconds = 0.3;
  MachineUse use = {.measured = 10, .cpus = 4};
  /// Called before each measurement; may throw.
  std::function<void(int measurement)> on_measure = [](int) {};

 private:
  friend class SimulatedTrial;

  SimulatedEngine engine_;
  std::mt19937_64 random_;
  std::span<const NoiseTrace> traces_;
  /// Processes that are started one after another get traces that were recorded nearly so.
  const NoiseTrace& next_trace() {
    trace_ = (trace_ + 1 + random_() % 3) % traces_.size();
    return traces_[trace_];
  }

  double now_ = 1000;
  size_t trace_ = random_() % traces_.size();
  int measurements_ = 0;
};

class SimulatedTrial : public Trial {
 public:
  SimulatedTrial(SimulatedLaboratory& laboratory, nlohmann::json settings)
      : laboratory_(laboratory),
        settings_(std::move(settings)),
        trace_(laboratory.next_trace()),
        at_(laboratory.random_() % trace_.size()) {}

  double load_ms() const override { return 50; }
  int threads() const override { return laboratory_.engine_(settings_, 1).threads; }
  TrialMemory memory() const override {
    const Behaviour behaviour = laboratory_.engine_(settings_, 1);
    constexpr double kMiB = 1 << 20;
    return {behaviour.held_mib * kMiB, behaviour.peak_mib * kMiB};
  }

  RunSample measure(int passes, int callers, int warmup, double seconds) override {
    laboratory_.on_measure(laboratory_.measurements_++);
    const Behaviour behaviour = laboratory_.engine_(settings_, callers);
    if (behaviour.hangs) {
      laboratory_.now_ += seconds;
      throw Error(ErrorCode::kFail, "No answer.");
    }
    if (!behaviour.run_error.empty()) throw Error(ErrorCode::kFail, behaviour.run_error);
    RunSample sample;
    sample.set_ms.resize(1);
    for (int pass = 0; pass < passes + warmup; ++pass) {
      double slowest = 0;
      for (int caller = 0; caller < callers; ++caller) {
        const double ms = 10 * behaviour.time_ratio * trace_[at_++ % trace_.size()];
        slowest = std::max(slowest, ms);
        if (pass >= warmup) sample.set_ms[0].push_back(ms);
        if (pass >= warmup) sample.cpu_ms += ms * 3.5 * behaviour.cpu_ratio;
      }
      laboratory_.now_ += slowest * 1e-3;
      if (pass >= warmup) sample.wall_ms += slowest;
    }
    return sample;
  }

  std::string compare_outputs(double) override { return laboratory_.engine_(settings_, 1).difference; }

 private:
  SimulatedLaboratory& laboratory_;
  nlohmann::json settings_;
  const NoiseTrace& trace_;
  size_t at_;
};

inline std::unique_ptr<Trial> SimulatedLaboratory::start(const nlohmann::json& settings, double) {
  ++trials;
  now_ += start_seconds;
  const Behaviour behaviour = engine_(settings, 1);
  if (!behaviour.load_error.empty()) throw Error(ErrorCode::kFail, behaviour.load_error);
  return std::make_unique<SimulatedTrial>(*this, settings);
}

inline MemoryTimeline SimulatedLaboratory::record_memory(const nlohmann::json& settings, int, double) {
  start(settings, 0);
  MemoryTimeline timeline;
  timeline.samples = {{0, 0}, {50, engine_(settings, 1).held_mib}};
  return timeline;
}

}  // namespace attune
