// A candidate beside the default, each in a process of its own, only one of them running at a time: rounds alternate,
// A B, B A, A B ..., so that whatever happens to the machine happens to both. Thread safety: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tune/result.h"
#include "tune/space.h"
#include "tune/trial.h"

namespace attune {

/// How a pair is measured.
struct PairPlan {
  std::vector<int> weights = {1};  ///< Of the sets of inputs.
  double round_seconds = 0.04;     ///< What one side of a round takes about: enough passes are run.
  double least_seconds = 0.3;      ///< Both sides are measured for this long, or as long as starting took.
  double most_seconds = 1.5;       ///< But no longer than this, once there are kLeastRounds.
  int least_runs = 0;       ///< Inferences of each side that the objective needs: the 99th percentile of 20 is no such.
  double hang_seconds = 5;  ///< A candidate is given up after this long and kHangFactor times the default's time.
};
constexpr int kLeastRounds = 3;
constexpr int kMostRounds = 25;
constexpr double kHangFactor = 20;

struct PairOutcome {
  Outcome outcome = Outcome::kNotMeasured;  ///< kMeasured, kDiffers, kFailed, or kNotMeasured for want of time.
  std::string reason;
  PairFacts facts;  ///< Of kMeasured.
  int trials = 0;   ///< Processes started.
};

class PairedTrials {
 public:
  PairedTrials(Laboratory& laboratory, const Space& space, const PairPlan& plan)
      : laboratory_(laboratory), space_(space), plan_(plan) {}

  /// Starts a process of the candidate, and one of the default unless that of the last call still serves. `deadline` is
  /// of the laboratory's clock. What the candidate does wrong is the outcome. Where the default fails a new process is
  /// tried once; then its Error is thrown. `tick`, where there is one, is called before each round.
  PairOutcome measure(const nlohmann::json& settings, int callers, bool checks_outputs, double deadline,
                      const std::function<void()>& tick = {});

  /// The next pair gets a new process of the default.
  void renew() { reference_.reset(); }

  /// What starting a process and loading the model took the default last.
  double start_seconds() const { return start_seconds_; }

 private:
  struct Side;

  PairOutcome measure_once(const nlohmann::json& settings, int callers, bool checks_outputs, double deadline,
                           const std::function<void()>& tick);
  void start_reference(double deadline, int& trials);
  void measure_rounds(Trial& trial, int callers, double deadline, PairOutcome& result,
                      const std::function<void()>& tick);

  Laboratory& laboratory_;
  const Space& space_;
  const PairPlan& plan_;
  std::unique_ptr<Trial> reference_;
  double start_seconds_ = 0;
  double pass_seconds_ = 0;  ///< Of the default.
  int passes_ = 1;           ///< In a round.
};

}  // namespace attune
