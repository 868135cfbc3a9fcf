// What the tuner needs of an engine, and no more: fresh trials of given settings that can be timed and compared.
// Thread safety: none; the tuner uses one trial at a time.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace attune {

/// What some passes took. A pass is one run of every input set.
struct TimedPasses {
  std::vector<double> pass_ms;
  double cpu_ms = 0;  ///< CPU time of all threads, of all passes.
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
  virtual TimedPasses measure(int passes, double seconds) = 0;
  virtual TrialMemory memory() const = 0;

  /// Nothing when what the model gives equals, within the tolerance, what the first trial that was ever asked gave;
  /// otherwise what differs.
  virtual std::string compare_outputs(double seconds) = 0;
};

/// Where trials come from, and the clock that the budget is kept by.
class Laboratory {
 public:
  virtual ~Laboratory() = default;

  /// Starts a process and loads the model. Throws attune::Error(kFail).
  virtual std::unique_ptr<Trial> start(const nlohmann::json& settings, double seconds) = 0;

  /// Seconds from an arbitrary start.
  virtual double now() = 0;
};

}  // namespace attune
