// What a run of the tuner comes to, in words and figures of a language. Thread safety: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/texts.h"
#include "tune/result.h"

namespace attune {

/// One of the figures of a trial, in the unit of TrialFacts.
double figure_of(const TrialFacts& facts, Objective objective);

/// "12.30 ms", "664.0 MiB"; of a throughput, which is kept as the time an inference takes, "81.3/s".
std::string format_figure(double figure, Objective objective, const Texts& texts);

/// A candidate beside the default: medians over its pairs of processes, those of its confirmation where it has one.
/// Without any pair both are the default's.
struct CandidateFigures {
  TrialFacts candidate;
  TrialFacts reference;
};
CandidateFigures figures_of(const TuneResult& result, int candidate);

/// "intra_op_num_threads=2, callers=4": what differs from the default; "the default" for nothing.
std::string describe_choice(const TuneResult& result, const nlohmann::json& changes, int callers, const Texts& texts);

/// "x float 1x3x48x320, 2 callers at a time; random values", one a set of inputs.
std::vector<std::string> describe_load(const TunedLoad& load, const Texts& texts);
std::string describe_machine(const TunedMachine& machine, const Texts& texts);
std::string describe_limits(const TunedLimits& limits, const Texts& texts);

struct VerdictWords {
  std::string sentence;              ///< What to use, and what that gives.
  std::vector<std::string> reasons;  ///< Why, and what cut the search short.
  std::vector<std::string> noise;    ///< What disturbed the measurement; empty on a quiet machine.
};
VerdictWords describe_verdict(const TuneResult& result, const Texts& texts);

}  // namespace attune
