#include "tune/paired_trials.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "attune/error.h"
#include "tune/round.h"
#include "tune/statistics.h"

namespace attune {
namespace {

constexpr double kHopeless = 1.5;
constexpr int kHopelessRounds = 2;
constexpr double kWarmPassSeconds = 0.1;  // a pass that takes longer fills the caches by itself
constexpr double kLeastBytes = 64 << 10;  // less is not told from nothing

double ratio_of_bytes(double bytes, double others) {
  return std::max(bytes, kLeastBytes) / std::max(others, kLeastBytes);
}

TimeDistribution describe(const std::vector<std::vector<double>>& set_ms) {
  std::vector<double> all;
  for (const std::vector<double>& times : set_ms) all.insert(all.end(), times.begin(), times.end());
  TimeDistribution found;
  if (all.empty()) return found;
  std::sort(all.begin(), all.end());
  found.count = static_cast<int64_t>(all.size());
  found.mean = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  found.median = median(all);
  found.p95 = quantile(all, 0.95);
  found.p99 = quantile(all, 0.99);
  for (int k = 0; k <= 20; ++k) found.quantiles.push_back(quantile(all, k / 20.0));
  return found;
}

/// A failure of the default, which is nobody's outcome.
class ReferenceFailed : public Error {
  using Error::Error;
};

}  // namespace

/// What one of the two has been measured at.
struct PairedTrials::Side {
  std::vector<std::vector<double>> set_ms;
  std::vector<double> latencies;  ///< One a round, like the following.
  std::vector<double> periods;
  std::vector<double> cpus;

  void add(const RunSample& sample, const std::vector<int>& weights) {
    const auto runs = static_cast<double>(sample.runs());
    if (runs == 0) throw Error(ErrorCode::kFail, "The worker measured nothing.");
    set_ms.resize(std::max(set_ms.size(), sample.set_ms.size()));
    double sum = 0;
    double weight = 0;
    for (size_t k = 0; k < sample.set_ms.size(); ++k) {
      if (sample.set_ms[k].empty()) continue;
      const double share = k < weights.size() ? weights[k] : 1;
      sum += share * median(sample.set_ms[k]);
      weight += share;
      set_ms[k].insert(set_ms[k].end(), sample.set_ms[k].begin(), sample.set_ms[k].end());
    }
    latencies.push_back(std::max(sum / weight, 1e-6));
    periods.push_back(std::max(sample.wall_ms / runs, 1e-6));
    cpus.push_back(std::max(sample.cpu_ms / runs, 1e-6));
  }

  int64_t runs() const {
    size_t count = 0;
    for (const std::vector<double>& times : set_ms) count += times.size();
    return static_cast<int64_t>(count);
  }

  TrialFacts facts(const Trial& trial) const {
    TrialFacts found;
    found.load_ms = trial.load_ms();
    found.threads = trial.threads();
    found.run_ms = describe(set_ms);
    found.latency_ms = median(latencies);
    found.period_ms = median(periods);
    found.cpu_ms = median(cpus);
    found.held_bytes = trial.memory().held_bytes;
    found.peak_bytes = trial.memory().peak_bytes;
    return found;
  }
};

PairOutcome PairedTrials::measure(const nlohmann::json& settings, int callers, bool checks_outputs, double deadline,
                                  const std::function<void()>& tick) {
  try {
    return measure_once(settings, callers, checks_outputs, deadline, tick);
  } catch (const ReferenceFailed&) {
    renew();
    return measure_once(settings, callers, checks_outputs, deadline, tick);
  }
}

void PairedTrials::start_reference(double deadline, int& trials) {
  // The default is waited for as long as the budget lasts: without it there is nothing to compare with.
  const auto left = [&] { return std::max(deadline - laboratory_.now(), plan_.hang_seconds); };
  try {
    const double start = laboratory_.now();
    ++trials;
    reference_ = laboratory_.start(space_.base, left());
    start_seconds_ = laboratory_.now() - start;
    // The very first one becomes the reference; another one that differs from it would be a defect.
    const std::string unstable = reference_->compare_outputs(left());
    if (!unstable.empty()) {
      throw Error(ErrorCode::kFail, "The default gives different outputs in two processes: " + unstable);
    }
    const RunSample sample = reference_->measure(1, space_.callers, 1, left());
    pass_seconds_ = std::max(sample.wall_ms * 1e-3, 1e-6);
    passes_ = passes_in(plan_.round_seconds, sample.wall_ms);
  } catch (const Error& error) {
    reference_.reset();
    throw ReferenceFailed(error.code(), error.text());
  }
}

PairOutcome PairedTrials::measure_once(const nlohmann::json& settings, int callers, bool checks_outputs,
                                       double deadline, const std::function<void()>& tick) {
  PairOutcome result;
  if (!reference_) start_reference(deadline, result.trials);
  // Runs a step of the candidate; false, with the reason noted, when it fails.
  const auto attempt = [&](double usual_seconds, const auto& step) {
    const double left = deadline - laboratory_.now();
    const double patience = std::max(plan_.hang_seconds, kHangFactor * usual_seconds);
    if (left <= 0) return false;
    try {
      step(std::min(left, patience));
      return true;
    } catch (const Error& error) {
      const bool is_out_of_time = left < patience && laboratory_.now() >= deadline;
      result.outcome = is_out_of_time ? Outcome::kNotMeasured : Outcome::kFailed;
      result.reason = is_out_of_time ? "" : error.text();
      return false;
    }
  };
  std::unique_ptr<Trial> trial;
  std::string difference;
  ++result.trials;
  if (!attempt(start_seconds_, [&](double seconds) { trial = laboratory_.start(settings, seconds); })) return result;
  if (checks_outputs) {
    if (!attempt(pass_seconds_, [&](double seconds) { difference = trial->compare_outputs(seconds); })) return result;
    if (!difference.empty()) {
      result.outcome = Outcome::kDiffers;
      result.reason = difference;
      return result;
    }
  }
  if (!attempt(pass_seconds_, [&](double seconds) { trial->measure(1, callers, 0, seconds); })) return result;
  result.outcome = Outcome::kMeasured;
  measure_rounds(*trial, callers, deadline, result, tick);
  return result;
}

void PairedTrials::measure_rounds(Trial& trial, int callers, double deadline, PairOutcome& result,
                                  const std::function<void()>& tick) {
  Side candidate;
  Side reference;
  const int warmup = pass_seconds_ > kWarmPassSeconds ? 0 : 1;
  const double round_seconds = (passes_ + warmup) * pass_seconds_;
  const auto measure_reference = [&] {
    try {
      reference.add(reference_->measure(passes_, space_.callers, warmup,
                                        std::max(deadline - laboratory_.now(), plan_.hang_seconds)),
                    plan_.weights);
    } catch (const Error& error) {
      throw ReferenceFailed(error.code(), error.text());
    }
  };
  const auto measure_candidate = [&] {
    const double patience = std::max(plan_.hang_seconds, kHangFactor * round_seconds);
    candidate.add(trial.measure(passes_, callers, warmup, patience), plan_.weights);
  };
  const double start = laboratory_.now();
  const double wanted = std::clamp(start_seconds_, plan_.least_seconds, plan_.most_seconds);
  std::vector<double> latency;
  std::vector<double> period;
  std::vector<double> cpu;
  for (int round = 0; round < kMostRounds; ++round) {
    const double used = laboratory_.now() - start;
    const bool is_enough = used >= wanted && candidate.runs() >= plan_.least_runs;
    if (round >= kLeastRounds && (is_enough || used >= 2 * plan_.most_seconds)) break;
    if (laboratory_.now() >= deadline) break;
    if (tick) tick();
    try {
      if (round % 2 == 0) measure_reference();
      measure_candidate();
      if (round % 2 != 0) measure_reference();
    } catch (const ReferenceFailed&) {
      throw;
    } catch (const Error& error) {
      result.outcome = Outcome::kFailed;
      result.reason = error.text();
      return;
    }
    latency.push_back(candidate.latencies.back() / reference.latencies.back());
    period.push_back(candidate.periods.back() / reference.periods.back());
    cpu.push_back(candidate.cpus.back() / reference.cpus.back());
    const auto is_hopeless = [](const std::vector<double>& ratios) {
      return *std::min_element(ratios.begin(), ratios.end()) > kHopeless;
    };
    if (round + 1 == kHopelessRounds && is_hopeless(latency) && is_hopeless(period) && is_hopeless(cpu)) break;
  }
  if (latency.empty()) {
    result.outcome = Outcome::kNotMeasured;
    return;
  }
  PairFacts& facts = result.facts;
  facts.rounds = static_cast<int>(latency.size());
  facts.candidate = candidate.facts(trial);
  facts.reference = reference.facts(*reference_);
  const auto set = [&](Objective objective, double ratio) {
    facts.ratios[std::string(objective_name(objective))] = ratio;
  };
  set(Objective::kLatency, median(latency));
  set(Objective::kThroughput, median(period));
  set(Objective::kCpu, median(cpu));
  set(Objective::kP95, facts.candidate.run_ms.p95 / std::max(facts.reference.run_ms.p95, 1e-6));
  set(Objective::kP99, facts.candidate.run_ms.p99 / std::max(facts.reference.run_ms.p99, 1e-6));
  set(Objective::kMemory, ratio_of_bytes(facts.candidate.held_bytes, facts.reference.held_bytes));
  set(Objective::kPeak, ratio_of_bytes(facts.candidate.peak_bytes, facts.reference.peak_bytes));
}

}  // namespace attune
