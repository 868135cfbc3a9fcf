// What the tuner needs of an engine, and no more: fresh trials of given settings that can be timed and compared, and
// what else the machine did meanwhile. Thread safety: none; the tuner uses one trial at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tune/result.h"

namespace attune {

/// What some passes of one caller took. A pass is one run of every input set.
struct TimedPasses {
  std::vector<double> pass_ms;
  double cpu_ms = 0;  ///< CPU time of all threads, of all passes.
};

/// What inferences took while all callers worked.
struct RunSample {
  std::vector<std::vector<double>> set_ms;  ///< For each set of inputs, the time of each of its inferences.
  double wall_ms = 0;                       ///< From the first one's start to the last one's end.
  double cpu_ms = 0;                        ///< CPU time of all threads.

  int64_t runs() const;
};

/// Bytes that the trial has added to its process since before it loaded the model.
struct TrialMemory {
  double held_bytes = 0;  ///< Now.
  double peak_bytes = 0;  ///< At most so far.
};

/// A model loaded under some settings in a process of its own, idle (stopped) unless it is asked something. Every call
/// throws attune::Error(kFail) when the process fails, or when it takes longer than `seconds`; the trial is of no use
/// then.
class Trial {
 public:
  virtual ~Trial() = default;

  virtual double load_ms() const = 0;
  virtual int threads() const = 0;
  virtual TrialMemory memory() const = 0;

  /// `callers` threads make `passes` passes each: every set of inputs as often as its weight says. Before that,
  /// `warmup` passes that are not counted.
  virtual RunSample measure(int passes, int callers, int warmup, double seconds) = 0;

  /// Nothing when what the model gives equals, within the tolerance, what the first trial that was ever asked gave;
  /// otherwise what differs.
  virtual std::string compare_outputs(double seconds) = 0;
};

/// Seconds since the laboratory began, all of them of times in which trials were measured.
struct MachineUse {
  double measured = 0;
  double others = 0;     ///< CPU time of other processes.
  double stolen = 0;     ///< CPU time that the hypervisor gave to others.
  double throttled = 0;  ///< Held up by the container's quota.
  int cpus = 1;
};

/// Where trials come from, and the clock that the budget is kept by.
class Laboratory {
 public:
  virtual ~Laboratory() = default;

  /// Starts a process and loads the model. Throws attune::Error(kFail).
  virtual std::unique_ptr<Trial> start(const nlohmann::json& settings, double seconds) = 0;

  /// Loads the model in a process of its own, runs it, closes the session, and looks at its memory all the while.
  /// Throws as `start`.
  virtual MemoryTimeline record_memory(const nlohmann::json& settings, int runs, double seconds) = 0;

  virtual MachineUse machine_use() = 0;

  /// Seconds from an arbitrary start.
  virtual double now() = 0;
};

}  // namespace attune
