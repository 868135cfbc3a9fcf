// A round: some passes of one trial while all others are stopped. Rounds of two trials that alternate are what ratios
// are taken of. Thread safety: as the trial's.
#pragma once

#include <vector>

#include "tune/trial.h"

namespace attune {

struct Round {
  std::vector<double> pass_ms;  ///< At least one.
  double cpu_ms = 0;            ///< A pass.

  double median_ms() const;  ///< Above 0.
};

/// How many passes of `pass_ms` take about `seconds`: 1 to 1000.
int passes_in(double seconds, double pass_ms);

/// Without the first pass unless it is long: it finds caches that the other process has filled. Throws
/// attune::Error(kFail) when nothing was measured.
Round make_round(TimedPasses timed);

/// A round of a Trial or a WorkerTrial. Throws as their `measure`.
template <class AnyTrial>
Round measure_round(AnyTrial& trial, int passes, double seconds) {
  return make_round(trial.measure(passes + 1, seconds));
}

}  // namespace attune
