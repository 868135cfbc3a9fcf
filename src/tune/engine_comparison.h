// Two engines side by side on one model: the measurement behind `attune compare`. Thread safety: none.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tune/statistics.h"
#include "tune/worker_trial.h"

namespace attune {

struct ComparePolicy {
  int pairs = 6;               ///< Of fresh processes; six is what an interval of 95 % needs.
  double seconds = 1;          ///< That each engine is measured in each pair, about.
  double round_seconds = 0.1;  ///< The engines take turns after this long.
  int least_rounds = 3;        ///< In a pair.
  double patience = 600;       ///< For one answer of a worker.
};

/// A figure of both engines, one value each for every pair of processes.
struct Metric {
  std::string name;  ///< "time": the key in JSON.
  std::vector<double> ours = {};
  std::vector<double> theirs = {};
  std::vector<double> ratios = {};  ///< Ours over theirs, one a pair; for the time, the median over the pair's rounds.
  Interval ratio = {};              ///< Of the median over the pairs.
};

struct EngineFacts {
  std::string engine = {};
  std::string version = {};
  std::string failure = {};  ///< Why it does not run the model; empty when it does.
  int threads = 0;
  double idle_cpu_ms = 0;  ///< CPU time in the second after the runs.
};

struct EngineComparison {
  EngineFacts ours;
  EngineFacts theirs;
  int rounds = 0;               ///< In all pairs.
  std::vector<Metric> metrics;  ///< Empty unless both run the model.

  const Metric& metric(std::string_view name) const;  ///< One of the names below.
};

// Names of metrics: milliseconds and bytes.
constexpr const char* kTime = "time_ms";     ///< Median of a pass, a pass being one run of every input set.
constexpr const char* kP95 = "p95_ms";       ///< The time that 95 % of the passes keep to.
constexpr const char* kCpu = "cpu_ms";       ///< CPU time of all threads, a pass.
constexpr const char* kStart = "start_ms";   ///< Loading, and what the first pass takes longer than later ones.
constexpr const char* kPeak = "peak_bytes";  ///< Memory that the process had at most above what it had before loading.
constexpr const char* kHeld = "held_bytes";  ///< The same after the passes.

/// Called with the share that is done.
using CompareProgress = std::function<void(double share)>;

/// Starts policy.pairs pairs of processes one after another and measures rounds of both, A B, B A, A B ..., only one
/// process running at a time. Files ours_outputs() and theirs_outputs() of `folder` are then what the engines gave, if
/// they ran. A failure is a fact about its engine; when one fails, nothing is timed.
EngineComparison compare_engines(const WorkerSetup& ours, const WorkerSetup& theirs, const nlohmann::json& settings,
                                 const ComparePolicy& policy, const std::filesystem::path& folder,
                                 const CompareProgress& progress = {});

std::filesystem::path ours_outputs(const std::filesystem::path& folder);
std::filesystem::path theirs_outputs(const std::filesystem::path& folder);

}  // namespace attune
