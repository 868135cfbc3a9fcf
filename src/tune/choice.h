// Which of the candidates that a race has left to take. Thread safety: pure functions.
#pragma once

#include <vector>

#include "tune/search.h"

namespace attune {

struct Contender {
  size_t candidate = 0;
  double value = 0;  ///< Log ratio of the objective.
};

/// What a candidate costs beside the objective: medians over its trials.
struct Burden {
  double threads = 0;  ///< Of all callers.
  double cpu_ms = 0;
  double held_bytes = 0;
  double latency_ms = 0;
};
Burden burden_of(const std::vector<TrialFacts>& trials, int callers);

/// At least 10 % and 1 MiB less.
bool has_less_memory(double held_bytes, double than);
/// Fewer threads and at least 10 % less CPU time, or less memory.
bool is_lighter(const Burden& burden, const Burden& than);

/// Whether the objective is one that a user waits for.
bool is_time(Objective objective);

struct Choice {
  size_t candidate = 0;
  double value = 0;
  VerdictReason reason = VerdictReason::kClear;  ///< What decided between equals.
};

/// The best by the rule of tune/tuner.h; `error` is the standard error of the difference of two values. At least one
/// contender.
Choice choose(const Search& search, const std::vector<Contender>& contenders, double error);

/// Candidates that nothing measured is both faster and smaller than, by rising time; differences below 1 % are none.
std::vector<ParetoPoint> find_pareto_front(const Search& search);

}  // namespace attune
