// What a search has measured so far, and the one way to measure more. The phases of tune/tuner.h work on it.
// Thread safety: none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tune/journal.h"
#include "tune/paired_trials.h"
#include "tune/result.h"
#include "tune/space.h"
#include "tune/trial.h"

namespace attune {

/// What is asked for, and how carefully it is looked for.
struct TunePolicy {
  Objective objective = Objective::kLatency;
  TunedLimits limits;
  double budget_seconds = 60;  ///< Of the whole search, except that a trial that has begun may end.
  double confidence = 0.95;    ///< Of intervals.
  double least_gain = 0.02;    ///< A smaller gain is not worth a setting.
  uint64_t seed = 1;           ///< Of the order of runs.
};

/// How far a search is, for a line on a terminal.
struct TuneStep {
  double share = 0;  ///< Of the budget.
  Phase phase = Phase::kBaseline;
  std::string subject;    ///< What is measured: "intra_op_num_threads=2"; "default".
  int rivals = 0;         ///< Candidates in the race.
  double best_ratio = 1;  ///< Of what was measured, by the objective; not a verdict.
};
using TuneProgress = std::function<void(const TuneStep&)>;

class Search {
 public:
  Search(Laboratory& laboratory, const Space& space, const std::vector<int>& weights, const TunePolicy& policy,
         Journal& journal, const TuneProgress& progress);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  const Space& space() const { return space_; }
  const TunePolicy& policy() const { return policy_; }
  TuneResult& result() { return result_; }
  const TuneResult& result() const { return result_; }

  /// Seconds that this search has taken, those of a run that it resumes included.
  double elapsed() const;

  /// Index of the candidate at a point; the default is 0. A new one is not measured yet.
  size_t candidate_at(const Point& point);
  const Point& point_of(size_t candidate) const { return points_[candidate]; }
  CandidateFacts& facts_of(size_t candidate) { return result_.candidates[candidate]; }
  const CandidateFacts& facts_of(size_t candidate) const { return result_.candidates[candidate]; }

  /// Measures one pair more, unless `deadline` (of elapsed()) is over or the candidate has failed. The logarithm of its
  /// ratio; nothing when there is none. Throws Error when the default fails, Interrupted.
  std::optional<double> measure(size_t candidate, Phase phase, double deadline);
  /// The same for data that must not mix with the rest.
  PairOutcome measure_apart(size_t candidate, Phase phase, double deadline);

  /// The next pair gets a new process of the default.
  void renew() { pairs_.renew(); }

  /// What a pair takes with a new process of the default, and without; 0 before the first.
  double fresh_cost() const;
  double shared_cost() const;

  /// The default's memory with each of the space's contrasts; failures leave one out.
  void record_memory(int runs, double deadline);

  /// Mean of the objective's log ratios; nothing when it was not measured. 0 for the default.
  std::optional<double> value_of(size_t candidate) const;
  double log_ratio(const PairFacts& pair, Objective objective) const;
  double log_ratio(const PairFacts& pair) const { return log_ratio(pair, policy_.objective); }
  /// Runs and gives the right outputs, as far as is known.
  bool is_sound(size_t candidate) const;
  /// Within the limits as far as is known. `why`, where there is one, tells what is not.
  bool keeps_limits(size_t candidate, std::string* why = nullptr) const;
  bool keeps_limits(const std::vector<TrialFacts>& trials, std::string* why) const;

  /// Of the default, by its trials in all pairs.
  std::vector<TrialFacts> default_trials() const;
  /// Of the candidate.
  std::vector<TrialFacts> trials_of(size_t candidate) const;

  /// Standard deviation of the log ratio of two processes of the default.
  double pair_noise() const;

  /// For progress only.
  void set_rivals(size_t rivals) { rivals_ = static_cast<int>(rivals); }

 private:
  PairOutcome run_pair(size_t candidate, Phase phase, double deadline);
  void tell(size_t candidate, Phase phase);

  Laboratory& laboratory_;
  const Space& space_;
  const TunePolicy& policy_;
  Journal& journal_;
  const TuneProgress& progress_;
  PairPlan plan_;
  PairedTrials pairs_;
  TuneResult result_;
  std::vector<Point> points_;
  std::map<std::string, size_t> by_settings_;
  double start_;
  double resumed_seconds_ = 0;
  std::vector<double> fresh_costs_;
  std::vector<double> shared_costs_;
  int rivals_ = 0;
};

}  // namespace attune
