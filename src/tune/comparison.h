// One candidate beside the default, in fresh processes and alternating rounds. Thread safety: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tune/candidate.h"
#include "tune/statistics.h"
#include "tune/trial.h"

namespace attune {

/// How carefully to measure.
struct TunePolicy {
  double budget_seconds = 60;   ///< Of the whole search; trials end when it is over.
  double least_gain = 0.02;     ///< A smaller gain is not worth a setting.
  double confidence = 0.95;     ///< Of intervals.
  double round_seconds = 0.05;  ///< What one side of a round takes about: enough passes are run.
  int least_rounds = 6;         ///< For a judgement; what 95 % needs.
  int most_rounds = 25;         ///< In one pair of processes.
  int confirming_pairs = 4;     ///< New pairs of processes to measure the winner in.
  double hang_seconds = 5;  ///< A trial is given up when it takes this long and kHangFactor times the default's time.
};
constexpr double kHangFactor = 20;

enum class EvidenceOutcome {
  kMeasured,
  kDropped,      ///< Clearly slower after a few rounds.
  kDiffers,      ///< Gives other outputs than the default.
  kFailed,       ///< Does not load or run, or hangs.
  kNotMeasured,  ///< The time was over before there were enough rounds.
};
std::string_view outcome_name(EvidenceOutcome outcome);

/// What was found about a candidate. Ratios are its time over the default's: below 1 is faster.
struct Evidence {
  Candidate candidate;
  EvidenceOutcome outcome = EvidenceOutcome::kNotMeasured;
  std::string reason;          ///< For all but kMeasured.
  std::vector<double> ratios;  ///< One a round.
  Interval ratio;
  std::vector<double> pair_medians;  ///< The median ratio of each pair of processes.
  double pass_ms = 0;                ///< Median of rounds.
  double default_pass_ms = 0;
  double cpu_ms = 0;  ///< A pass; median of rounds.
  double default_cpu_ms = 0;
  double load_ms = 0;
  int threads = 0;
  int default_threads = 0;
  TrialMemory memory;
  TrialMemory default_memory;

  /// The gain is at least `gain`, the interval lies below 1, and so does the mean of the pairs with 95 % confidence:
  /// rounds cannot tell a process that was lucky from a setting that is better.
  bool is_faster(double gain) const;
  /// Both rule out a loss of more than `loss`.
  bool is_not_slower(double loss) const;
  /// The same with at least 10 % less CPU time on fewer threads, or 10 % and 1 MiB less memory held.
  bool is_lighter(double loss) const;
};

/// Starts `pairs` pairs of processes one after another, the default and the candidate, and measures rounds of both,
/// A B, B A, A B ..., only one process running at a time, until the judgement is clear, policy.most_rounds are done or
/// laboratory.now() reaches `deadline`. Failures of the candidate are evidence; one of the default throws. `tick`,
/// where there is one, is called before each pair and each round.
Evidence compare_with_default(Laboratory& laboratory, const TunePolicy& policy, const nlohmann::json& default_settings,
                              const Candidate& candidate, int pairs, double deadline,
                              const std::function<void()>& tick = {});

}  // namespace attune
