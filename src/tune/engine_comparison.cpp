#include "tune/engine_comparison.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "attune/error.h"
#include "base/cpu.h"
#include "tune/round.h"

namespace attune {
namespace {

double now() { return static_cast<double>(monotonic_ns()) * 1e-9; }

/// One engine's process and what it has measured in one pair.
struct Side {
  std::unique_ptr<WorkerTrial> trial;
  double first_ms = 0;
  std::vector<double> pass_ms;
  std::vector<double> round_ms;
  std::vector<double> cpu_ms;

  void add(Round round) {
    round_ms.push_back(round.median_ms());
    cpu_ms.push_back(round.cpu_ms);
    pass_ms.insert(pass_ms.end(), round.pass_ms.begin(), round.pass_ms.end());
  }
};

class EnginePairs {
 public:
  EnginePairs(const WorkerSetup& ours, const WorkerSetup& theirs, const nlohmann::json& settings,
              const ComparePolicy& policy, const std::filesystem::path& folder, const CompareProgress& progress)
      : setups_{&ours, &theirs}, settings_(settings), policy_(policy), folder_(folder), progress_(progress) {
    for (const char* name : {kTime, kP95, kCpu, kStart, kPeak, kHeld}) result_.metrics.push_back({.name = name});
    result_.ours.engine = ours.engine;
    result_.theirs.engine = theirs.engine;
  }

  EngineComparison run() {
    for (int pair = 0; pair < policy_.pairs; ++pair) {
      measure_pair(pair);
      if (!result_.ours.failure.empty() || !result_.theirs.failure.empty()) {
        result_.metrics.clear();
        break;
      }
    }
    for (Metric& metric : result_.metrics) metric.ratio = median_interval(metric.ratios);
    return std::move(result_);
  }

 private:
  EngineFacts& facts_of(int which) { return which == 0 ? result_.ours : result_.theirs; }

  // Runs a step of one engine; false, with the reason noted, when it fails.
  bool attempt(int which, const std::function<void()>& step) {
    EngineFacts& facts = facts_of(which);
    try {
      step();
      return true;
    } catch (const Error& error) {
      facts.failure = error.text();
    } catch (const nlohmann::json::exception&) {
      facts.failure = "its worker's answer is incomplete.";
    }
    return false;
  }

  void start(int which, Side& side) {
    EngineFacts& facts = facts_of(which);
    side.trial = std::make_unique<WorkerTrial>(*setups_[static_cast<size_t>(which)], settings_, policy_.patience);
    facts.version = side.trial->version();
    side.first_ms = side.trial->measure(1, policy_.patience).pass_ms.at(0);
    facts.threads = side.trial->threads();
  }

  void measure_pair(int pair) {
    std::array<Side, 2> sides;
    // Who comes first may find a cooler processor or an emptier cache of files.
    const std::array<int, 2> order = {pair % 2, 1 - pair % 2};
    bool runs = true;
    for (const int which : order) {
      const bool started = attempt(which, [&] { start(which, sides[static_cast<size_t>(which)]); });
      runs = started && runs;  // both failures are worth knowing
    }
    if (!runs) return;
    std::array<int, 2> passes;
    for (const size_t which : {size_t{0}, size_t{1}}) {
      const bool went = attempt(static_cast<int>(which), [&] {
        const double pass_ms = sides[which].trial->measure(1, policy_.patience).pass_ms.at(0);
        passes[which] = passes_in(policy_.round_seconds, pass_ms);
      });
      if (!went) return;
    }
    const double begin = now();
    const auto share = [&] { return std::min((now() - begin) / (2 * policy_.seconds), 1.0); };
    for (int round = 0; round < policy_.least_rounds || share() < 1; ++round) {
      if (progress_) progress_((pair + share()) / policy_.pairs);
      for (const int turn : {0, 1}) {
        const int which = (turn + round + pair) % 2;
        const auto index = static_cast<size_t>(which);
        Side& side = sides[index];
        if (!attempt(which, [&] { side.add(measure_round(*side.trial, passes[index], policy_.patience)); })) return;
      }
      ++result_.rounds;
    }
    note(sides);
    if (pair > 0) return;
    attempt(0, [&] { finish(*sides[0].trial, result_.ours, ours_outputs(folder_)); });
    attempt(1, [&] { finish(*sides[1].trial, result_.theirs, theirs_outputs(folder_)); });
  }

  // What is measured once, after all else: saving outputs takes memory.
  void finish(WorkerTrial& trial, EngineFacts& facts, const std::filesystem::path& outputs) {
    facts.idle_cpu_ms = trial.measure_idle_cpu_ms(policy_.patience);
    trial.save_outputs(outputs, policy_.patience);
  }

  void note(const std::array<Side, 2>& sides) {
    size_t next = 0;
    const auto add = [&](const auto& value_of, std::optional<double> ratio = std::nullopt) {
      Metric& metric = result_.metrics[next++];
      metric.ours.push_back(value_of(sides[0]));
      metric.theirs.push_back(value_of(sides[1]));
      // A page or a microsecond keeps the ratio of two nothings finite.
      metric.ratios.push_back(
          ratio.value_or(std::max(metric.ours.back(), 1e-3) / std::max(metric.theirs.back(), 1e-3)));
    };
    std::vector<double> ratios;
    for (size_t k = 0; k < sides[0].round_ms.size(); ++k) {
      ratios.push_back(sides[0].round_ms[k] / sides[1].round_ms[k]);
    }
    add([](const Side& side) { return median(side.pass_ms); }, median(ratios));
    add([](const Side& side) { return quantile(side.pass_ms, 0.95); });
    add([](const Side& side) { return median(side.cpu_ms); });
    add([](const Side& side) { return side.trial->load_ms() + std::max(side.first_ms - median(side.pass_ms), 0.0); });
    add([](const Side& side) { return side.trial->memory().peak_bytes; });
    add([](const Side& side) { return side.trial->memory().held_bytes; });
  }

  std::array<const WorkerSetup*, 2> setups_;
  const nlohmann::json& settings_;
  const ComparePolicy& policy_;
  const std::filesystem::path& folder_;
  const CompareProgress& progress_;
  EngineComparison result_;
};

}  // namespace

const Metric& EngineComparison::metric(std::string_view name) const {
  return *std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) { return metric.name == name; });
}

EngineComparison compare_engines(const WorkerSetup& ours, const WorkerSetup& theirs, const nlohmann::json& settings,
                                 const ComparePolicy& policy, const std::filesystem::path& folder,
                                 const CompareProgress& progress) {
  return EnginePairs(ours, theirs, settings, policy, folder, progress).run();
}

std::filesystem::path ours_outputs(const std::filesystem::path& folder) { return folder / "ours.npz"; }
std::filesystem::path theirs_outputs(const std::filesystem::path& folder) { return folder / "theirs.npz"; }

}  // namespace attune
