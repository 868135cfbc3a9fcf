#include "tune/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attune/error.h"
#include "tune/estimate.h"
#include "tune/statistics.h"

namespace attune {

using nlohmann::json;

namespace {

// Of processes that are alike, less is not to be believed.
constexpr double kLeastNoise = 0.003;
constexpr double kMiB = 1 << 20;

// Inferences of a trial that a percentile needs to be one.
int runs_for(const TunePolicy& policy) {
  if (policy.objective == Objective::kP99 || policy.limits.p99_ms > 0) return 200;
  return policy.objective == Objective::kP95 ? 60 : 0;
}

PairPlan plan_for(const std::vector<int>& weights, const TunePolicy& policy) {
  PairPlan plan;
  plan.weights = weights;
  plan.least_runs = runs_for(policy);
  return plan;
}

}  // namespace

Search::Search(Laboratory& laboratory, const Space& space, const std::vector<int>& weights, const TunePolicy& policy,
               Journal& journal, const TuneProgress& progress)
    : laboratory_(laboratory),
      space_(space),
      policy_(policy),
      journal_(journal),
      progress_(progress),
      plan_(plan_for(weights, policy)),
      pairs_(laboratory, space, plan_),
      start_(laboratory.now()) {
  result_.objective = policy.objective;
  result_.limits = policy.limits;
  result_.confidence = policy.confidence;
  result_.least_gain = policy.least_gain;
  result_.budget_seconds = policy.budget_seconds;
  result_.default_settings = space.base;
  candidate_at(space.default_point());
}

double Search::elapsed() const { return laboratory_.now() - start_ + resumed_seconds_; }

size_t Search::candidate_at(const Point& point) {
  CandidateFacts facts;
  facts.settings = space_.settings_at(point);
  facts.changes = settings_beyond(facts.settings, space_.base);
  facts.callers = space_.callers_at(point);
  // By what it sets: two points may come to the same.
  const auto [found, is_new] =
      by_settings_.try_emplace(fmt::format("{} {}", facts.settings.dump(), facts.callers), points_.size());
  if (is_new) {
    points_.push_back(point);
    result_.candidates.push_back(std::move(facts));
  }
  return found->second;
}

void Search::tell(size_t candidate, Phase phase) {
  if (!progress_) return;
  double best = 0;
  for (size_t k = 0; k < points_.size(); ++k) {
    if (is_sound(k)) best = std::min(best, value_of(k).value_or(0));
  }
  progress_({.share = std::clamp(elapsed() / policy_.budget_seconds, 0.0, 1.0),
             .phase = phase,
             .subject = describe_point(space_, points_[candidate]),
             .rivals = rivals_,
             .best_ratio = std::exp(best)});
}

PairOutcome Search::run_pair(size_t candidate, Phase phase, double deadline) {
  const CandidateFacts& facts = result_.candidates[candidate];
  const json key = {{"phase", static_cast<int>(phase)}, {"settings", facts.settings}, {"callers", facts.callers}};
  PairOutcome outcome;
  double seconds = 0;
  if (const std::optional<json> known = journal_.take(key)) {
    outcome.outcome = static_cast<Outcome>(known->at("outcome").get<int>());
    outcome.reason = known->at("reason");
    outcome.facts = pair_of(known->at("facts"));
    outcome.trials = known->at("trials");
    seconds = known->at("seconds");
    resumed_seconds_ += seconds;
    tell(candidate, phase);
  } else {
    tell(candidate, phase);
    const double began = elapsed();
    const double clock_deadline = deadline - resumed_seconds_ + start_;
    const bool is_new = facts.pairs.empty();
    outcome = pairs_.measure(facts.settings, facts.callers, is_new, clock_deadline, [&] { tell(candidate, phase); });
    outcome.facts.phase = phase;
    outcome.facts.at_seconds = began;
    seconds = elapsed() - began;
    if (outcome.outcome != Outcome::kNotMeasured) {
      journal_.add(key, {{"outcome", static_cast<int>(outcome.outcome)},
                         {"reason", outcome.reason},
                         {"facts", pair_to_json(outcome.facts)},
                         {"trials", outcome.trials},
                         {"seconds", seconds}});
    }
  }
  result_.trials += outcome.trials;
  if (outcome.outcome == Outcome::kMeasured) (outcome.trials > 1 ? fresh_costs_ : shared_costs_).push_back(seconds);
  return outcome;
}

std::optional<double> Search::measure(size_t candidate, Phase phase, double deadline) {
  if (elapsed() >= deadline || !is_sound(candidate)) return std::nullopt;
  PairOutcome outcome = run_pair(candidate, phase, deadline);
  CandidateFacts& facts = result_.candidates[candidate];
  if (outcome.outcome == Outcome::kNotMeasured) return std::nullopt;
  facts.outcome = outcome.outcome;
  facts.reason = outcome.reason;
  if (outcome.outcome != Outcome::kMeasured) return std::nullopt;
  facts.pairs.push_back(std::move(outcome.facts));
  return log_ratio(facts.pairs.back());
}

PairOutcome Search::measure_apart(size_t candidate, Phase phase, double deadline) {
  if (elapsed() >= deadline) return {};
  return run_pair(candidate, phase, deadline);
}

double Search::fresh_cost() const { return fresh_costs_.empty() ? 0 : median(fresh_costs_); }

double Search::shared_cost() const {
  if (shared_costs_.empty()) return std::max(fresh_cost() - pairs_.start_seconds(), fresh_cost() / 2);
  return median(shared_costs_);
}

void Search::record_memory(int runs, double deadline) {
  for (const json& contrast : space_.memory_contrasts) {
    json settings = space_.base;
    settings.update(contrast);
    const json key = {{"memory", settings}};
    if (const std::optional<json> known = journal_.take(key)) {
      resumed_seconds_ += known->at("seconds").get<double>();
      result_.memory.push_back(timeline_of(known->at("timeline")));
      continue;
    }
    const double began = elapsed();
    if (began >= deadline) return;
    try {
      ++result_.trials;
      MemoryTimeline timeline = laboratory_.record_memory(settings, runs, deadline - began);
      timeline.settings = settings;
      timeline.contrast = contrast;
      journal_.add(key, {{"timeline", timeline_to_json(timeline)}, {"seconds", elapsed() - began}});
      result_.memory.push_back(std::move(timeline));
    } catch (const Error&) {
      // Says nothing that a candidate with these settings would not say as well.
    }
  }
}

double Search::log_ratio(const PairFacts& pair, Objective objective) const {
  return std::log(std::max(pair.ratios.at(std::string(objective_name(objective))), 1e-9));
}

std::optional<double> Search::value_of(size_t candidate) const {
  if (candidate == 0) return 0;
  const std::vector<PairFacts>& pairs = facts_of(candidate).pairs;
  if (pairs.empty()) return std::nullopt;
  double sum = 0;
  for (const PairFacts& pair : pairs) sum += log_ratio(pair);
  return sum / static_cast<double>(pairs.size());
}

bool Search::is_sound(size_t candidate) const {
  const Outcome outcome = facts_of(candidate).outcome;
  return outcome != Outcome::kFailed && outcome != Outcome::kDiffers;
}

std::vector<TrialFacts> Search::default_trials() const {
  std::vector<TrialFacts> trials;
  for (const CandidateFacts& facts : result_.candidates) {
    for (const PairFacts& pair : facts.pairs) trials.push_back(pair.reference);
  }
  return trials;
}

std::vector<TrialFacts> Search::trials_of(size_t candidate) const {
  if (candidate == 0) return default_trials();
  std::vector<TrialFacts> trials;
  for (const PairFacts& pair : facts_of(candidate).pairs) trials.push_back(pair.candidate);
  return trials;
}

bool Search::keeps_limits(size_t candidate, std::string* why) const { return keeps_limits(trials_of(candidate), why); }

bool Search::keeps_limits(const std::vector<TrialFacts>& trials, std::string* why) const {
  if (trials.empty()) return true;
  const auto all = [&](const auto& member) {
    std::vector<double> values;
    for (const TrialFacts& trial : trials) values.push_back(member(trial));
    return values;
  };
  const auto refuse = [&](const std::string& text) {
    if (why != nullptr) *why = text;
    return false;
  };
  const TunedLimits& limits = policy_.limits;
  const double peak = quantile(all([](const TrialFacts& trial) { return trial.peak_bytes; }), 1);
  if (limits.peak_bytes > 0 && peak > limits.peak_bytes) {
    return refuse(fmt::format("peak of {:.1f} MiB", peak / kMiB));
  }
  const double p99 = median(all([](const TrialFacts& trial) { return trial.run_ms.p99; }));
  if (limits.p99_ms > 0 && p99 > limits.p99_ms) return refuse(fmt::format("p99 of {:.2f} ms", p99));
  const double cpus = median(all([](const TrialFacts& trial) { return trial.cpu_ms / trial.period_ms; }));
  if (limits.cpus > 0 && cpus > limits.cpus) return refuse(fmt::format("{:.2f} CPUs", cpus));
  return true;
}

double Search::pair_noise() const {
  // That the mean is 0 is known.
  double squares = 0;
  const std::vector<PairFacts>& pairs = facts_of(0).pairs;
  for (const PairFacts& pair : pairs) squares += log_ratio(pair) * log_ratio(pair);
  return pairs.empty() ? 0 : std::max(std::sqrt(squares / static_cast<double>(pairs.size())), kLeastNoise);
}

}  // namespace attune
