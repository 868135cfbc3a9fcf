#include "tune/choice.h"

#include <algorithm>
#include <cmath>

#include "tune/statistics.h"

namespace attune {
namespace {

constexpr double kMuchLess = 0.9;
constexpr double kWorthBytes = 1 << 20;
constexpr double kWorthRatio = 0.01;

/// Why `a` is to be preferred to its equal `b`; nothing when it is not.
std::optional<VerdictReason> prefer(const Search& search, const Contender& a, const Contender& b) {
  const Burden mine = burden_of(search.trials_of(a.candidate), search.facts_of(a.candidate).callers);
  const Burden other = burden_of(search.trials_of(b.candidate), search.facts_of(b.candidate).callers);
  if (!is_time(search.policy().objective)) {
    const double gain = mine.latency_ms / other.latency_ms;
    if (gain < 1 - search.policy().least_gain) return VerdictReason::kClear;
    if (gain > 1 + search.policy().least_gain) return std::nullopt;
  }
  if (mine.threads != other.threads) {
    return mine.threads < other.threads ? std::optional(VerdictReason::kFewerThreads) : std::nullopt;
  }
  if (has_less_memory(mine.held_bytes, other.held_bytes)) return VerdictReason::kLessMemory;
  if (has_less_memory(other.held_bytes, mine.held_bytes)) return std::nullopt;
  const int changes = count_changes(search.point_of(a.candidate));
  const int others = count_changes(search.point_of(b.candidate));
  if (changes != others) return changes < others ? std::optional(VerdictReason::kFewerChanges) : std::nullopt;
  return a.value < b.value ? std::optional(VerdictReason::kClear) : std::nullopt;
}

}  // namespace

Burden burden_of(const std::vector<TrialFacts>& trials, int callers) {
  std::vector<double> threads;
  std::vector<double> cpu;
  std::vector<double> held;
  std::vector<double> latency;
  for (const TrialFacts& trial : trials) {
    threads.push_back(trial.threads);
    cpu.push_back(trial.cpu_ms);
    held.push_back(trial.held_bytes);
    latency.push_back(trial.latency_ms);
  }
  if (trials.empty()) return {};
  return {median(threads) * callers, median(cpu), median(held), median(latency)};
}

bool has_less_memory(double held_bytes, double than) {
  return held_bytes <= kMuchLess * than && held_bytes + kWorthBytes <= than;
}

bool is_lighter(const Burden& burden, const Burden& than) {
  const bool less_cpu = burden.threads < than.threads && burden.cpu_ms <= kMuchLess * than.cpu_ms;
  return less_cpu || has_less_memory(burden.held_bytes, than.held_bytes);
}

bool is_time(Objective objective) {
  return objective == Objective::kLatency || objective == Objective::kP95 || objective == Objective::kP99 ||
         objective == Objective::kThroughput;
}

Choice choose(const Search& search, const std::vector<Contender>& contenders, double error) {
  const Contender* best = &contenders[0];
  for (const Contender& contender : contenders) {
    if (contender.value < best->value) best = &contender;
  }
  // What is within a standard error of the best may as well be the best; then the simplest is the better bet (Breiman
  // et al., Classification and Regression Trees, 3.4.3).
  const double gain = search.policy().least_gain;
  const double tie = std::clamp(error, std::log(1 + gain / 2), std::log(1 + 0.75 * gain));
  Choice choice = {best->candidate, best->value, VerdictReason::kClear};
  const Contender* present = best;
  for (const Contender& contender : contenders) {
    if (&contender == best || contender.value > best->value + tie) continue;
    const std::optional<VerdictReason> reason = prefer(search, contender, *present);
    if (!reason) continue;
    present = &contender;
    choice = {contender.candidate, contender.value, *reason};
  }
  return choice;
}

std::vector<ParetoPoint> find_pareto_front(const Search& search) {
  const Objective asked = search.policy().objective;
  const Objective time = is_time(asked) ? asked : Objective::kLatency;
  std::vector<ParetoPoint> points;
  for (size_t k = 0; k < search.result().candidates.size(); ++k) {
    const std::vector<TrialFacts> trials = search.trials_of(k);
    if (trials.empty() || !search.is_sound(k) || !search.keeps_limits(k)) continue;
    double sum = 0;
    std::vector<double> peak;
    if (k > 0) {
      for (const PairFacts& pair : search.facts_of(k).pairs) sum += search.log_ratio(pair, time);
      sum /= static_cast<double>(search.facts_of(k).pairs.size());
    }
    for (const TrialFacts& trial : trials) peak.push_back(trial.peak_bytes);
    points.push_back({.candidate = static_cast<int>(k),
                      .ratio = std::exp(sum),
                      .held_bytes = burden_of(trials, 1).held_bytes,
                      .peak_bytes = median(peak)});
  }
  // From the fastest on, whatever holds less than everything before.
  std::stable_sort(points.begin(), points.end(),
                   [](const ParetoPoint& a, const ParetoPoint& b) { return a.ratio < b.ratio; });
  std::vector<ParetoPoint> front;
  for (const ParetoPoint& point : points) {
    const bool is_smaller = front.empty() || point.held_bytes <= front.back().held_bytes * (1 - kWorthRatio);
    if (!is_smaller) {
      const bool is_equal = point.ratio < front.back().ratio * (1 + kWorthRatio) &&
                            point.held_bytes <= front.back().held_bytes * (1 + kWorthRatio);
      const auto changes = [&](const ParetoPoint& of) {
        return count_changes(search.point_of(static_cast<size_t>(of.candidate)));
      };
      if (is_equal && changes(point) < changes(front.back())) front.back() = point;
      continue;
    }
    // As fast and smaller: the one before is not on the front.
    if (!front.empty() && point.ratio < front.back().ratio * (1 + kWorthRatio)) front.pop_back();
    front.push_back(point);
  }
  return front;
}

}  // namespace attune
