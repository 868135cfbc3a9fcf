#include "tune/summary.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tune/choice.h"
#include "tune/estimate.h"
#include "tune/statistics.h"

namespace attune {
namespace {

// What is too much noise: from here on a gain of a few percent needs more pairs than there is time for.
constexpr double kNoisyPairs = 0.05;
constexpr double kNoisyRuns = 0.25;
constexpr double kBusyOthers = 0.1;  // of the CPUs
constexpr double kMuchStolen = 0.02;
constexpr double kMuchThrottled = 0.01;
constexpr int kUsualPairs = 8;

TrialFacts median_facts(const std::vector<TrialFacts>& trials) {
  TrialFacts found;
  if (trials.empty()) return found;
  const auto middle = [&](const auto& member) {
    std::vector<double> values;
    for (const TrialFacts& trial : trials) values.push_back(static_cast<double>(member(trial)));
    return median(values);
  };
  found.load_ms = middle([](const TrialFacts& t) { return t.load_ms; });
  found.threads = static_cast<int>(middle([](const TrialFacts& t) { return t.threads; }));
  found.latency_ms = middle([](const TrialFacts& t) { return t.latency_ms; });
  found.period_ms = middle([](const TrialFacts& t) { return t.period_ms; });
  found.cpu_ms = middle([](const TrialFacts& t) { return t.cpu_ms; });
  found.held_bytes = middle([](const TrialFacts& t) { return t.held_bytes; });
  found.peak_bytes = middle([](const TrialFacts& t) { return t.peak_bytes; });
  TimeDistribution& times = found.run_ms;
  for (const TrialFacts& trial : trials) times.count += trial.run_ms.count;
  times.mean = middle([](const TrialFacts& t) { return t.run_ms.mean; });
  times.median = middle([](const TrialFacts& t) { return t.run_ms.median; });
  times.p95 = middle([](const TrialFacts& t) { return t.run_ms.p95; });
  times.p99 = middle([](const TrialFacts& t) { return t.run_ms.p99; });
  for (size_t k = 0; k < trials[0].run_ms.quantiles.size(); ++k) {
    times.quantiles.push_back(middle([k](const TrialFacts& t) { return t.run_ms.quantiles.at(k); }));
  }
  return found;
}

// Without combinations that were never measured; indices are moved along.
void drop_unmeasured(Search& search) {
  TuneResult& result = search.result();
  std::vector<CandidateFacts> kept;
  std::vector<int> moved(result.candidates.size(), 0);
  for (size_t k = 0; k < result.candidates.size(); ++k) {
    CandidateFacts& facts = result.candidates[k];
    if (facts.outcome == Outcome::kNotMeasured && k > 0 && count_changes(search.point_of(k)) > 1) continue;
    moved[k] = static_cast<int>(kept.size());
    kept.push_back(std::move(facts));
  }
  result.candidates = std::move(kept);
  const auto move = [&](int& candidate) { candidate = moved[static_cast<size_t>(candidate)]; };
  move(result.verdict.candidate);
  for (Confirmation& test : result.confirmations) move(test.candidate);
  for (ThreadPoint& point : result.threads) move(point.candidate);
  for (ParetoPoint& point : result.pareto) move(point.candidate);
}

Estimate from_effect(double change, double margin, double degrees) {
  return {std::exp(change), std::exp(change - margin), std::exp(change + margin),
          static_cast<int>(std::lround(degrees)), "regression"};
}

DesignFacts describe_design(const Search& search, const MeasuredDesign& made) {
  DesignFacts facts;
  if (made.design.runs == 0) return facts;
  const auto& factors = search.space().factors;
  const auto name = [&](int factor) { return factors[made.factors[static_cast<size_t>(factor)]].name; };
  const auto term = [&](int factor) {
    const size_t index = made.factors[static_cast<size_t>(factor)];
    return EffectTerm{name(factor), factors[index].levels[static_cast<size_t>(made.levels[index])].settings};
  };
  facts.name = made.design.name();
  facts.runs = made.design.runs;
  facts.resolution = made.design.resolution;
  facts.noise = made.fit.noise;
  for (const Effect& effect : made.fit.effects) {
    OptionEffect found;
    found.terms.push_back(term(effect.first));
    if (effect.second >= 0) found.terms.push_back(term(effect.second));
    found.ratio = from_effect(effect.change, effect.margin, made.fit.degrees);
    found.is_active = effect.is_active();
    for (const auto& [first, second] : effect.aliases) found.aliases.push_back({name(first), name(second)});
    facts.effects.push_back(std::move(found));
  }
  return facts;
}

std::vector<ThreadPoint> make_thread_curve(Search& search) {
  std::vector<ThreadPoint> curve;
  const int factor = search.space().thread_factor;
  if (factor < 0) return curve;
  const size_t index = static_cast<size_t>(factor);
  for (size_t level = 0; level < search.space().factors[index].levels.size(); ++level) {
    Point point = search.space().default_point();
    point[index] = static_cast<int>(level);
    const size_t candidate = search.candidate_at(point);
    const std::vector<TrialFacts> trials = search.trials_of(candidate);
    if (trials.empty() || !search.is_sound(candidate)) continue;
    const TrialFacts facts = median_facts(trials);
    ThreadPoint found = {.threads = facts.threads,
                         .candidate = static_cast<int>(candidate),
                         .latency_ms = facts.latency_ms,
                         .period_ms = facts.period_ms,
                         .cpu_ms = facts.cpu_ms,
                         .ratio = {}};
    if (candidate != 0) {
      found.ratio = search.facts_of(candidate).ratios.at(std::string(objective_name(search.policy().objective)));
    }
    curve.push_back(std::move(found));
  }
  std::stable_sort(curve.begin(), curve.end(),
                   [](const ThreadPoint& a, const ThreadPoint& b) { return a.threads < b.threads; });
  return curve;
}

NoiseFacts describe_noise(const Search& search, const MachineUse& use) {
  NoiseFacts noise;
  std::vector<double> spreads;
  for (const TrialFacts& trial : search.default_trials()) {
    const TimeDistribution& times = trial.run_ms;
    if (times.quantiles.size() == 21 && times.median > 0) {
      spreads.push_back((times.quantiles[15] - times.quantiles[5]) / times.median);
    }
  }
  if (!spreads.empty()) noise.run_variation = median(spreads);
  noise.process_variation = search.pair_noise();
  const auto& ratios = search.facts_of(0).ratios;
  const auto itself = ratios.find(std::string(objective_name(search.policy().objective)));
  if (itself != ratios.end()) noise.itself = itself->second;
  if (use.measured > 0) {
    noise.other_cpus = use.others / use.measured;
    noise.stolen_share = use.stolen / (use.measured * use.cpus);
    noise.throttled_share = use.throttled / use.measured;
  }
  noise.least_gain = (1.96 + 0.84) * noise.process_variation / std::sqrt(kUsualPairs);  // seen four times in five
  if (noise.process_variation > kNoisyPairs || noise.run_variation > kNoisyRuns) noise.findings.push_back("variation");
  if (noise.other_cpus > kBusyOthers * use.cpus) noise.findings.push_back("other_load");
  if (noise.stolen_share > kMuchStolen) noise.findings.push_back("stolen");
  if (noise.throttled_share > kMuchThrottled) noise.findings.push_back("throttled");
  return noise;
}

}  // namespace

std::map<std::string, Estimate> estimate_all(const std::vector<PairFacts>& pairs, double confidence) {
  std::map<std::string, std::vector<double>> logs;
  for (const PairFacts& pair : pairs) {
    for (const auto& [name, ratio] : pair.ratios) logs[name].push_back(std::log(std::max(ratio, 1e-9)));
  }
  std::map<std::string, Estimate> found;
  for (int k = 0; k < kObjectives; ++k) found[std::string(objective_name(static_cast<Objective>(k)))] = {};
  for (const auto& [name, values] : logs) found[name] = estimate_ratio(values, confidence);
  return found;
}

void summarize(Search& search, const MeasuredDesign& design, const MachineUse& use) {
  TuneResult& result = search.result();
  for (size_t k = 0; k < result.candidates.size(); ++k) {
    CandidateFacts& facts = result.candidates[k];
    facts.ratios = estimate_all(facts.pairs, result.confidence);
    std::string why;
    if (search.is_sound(k) && !search.keeps_limits(k, &why)) {
      facts.outcome = Outcome::kBeyondLimit;
      facts.reason = why;
    }
  }
  result.reference = median_facts(search.default_trials());
  result.noise = describe_noise(search, use);
  result.design = describe_design(search, design);
  result.threads = make_thread_curve(search);
  result.pareto = find_pareto_front(search);
  const CandidateFacts& chosen = result.candidates[static_cast<size_t>(result.verdict.candidate)];
  result.verdict.settings = chosen.settings;
  result.verdict.changes = chosen.changes;
  result.verdict.callers = chosen.callers;
  result.used_seconds = search.elapsed();
  drop_unmeasured(search);
}

}  // namespace attune
