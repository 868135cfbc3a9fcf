// One model under one setting in a worker process. A worker is a program of any language that answers requests, one
// JSON object a line in each direction (tune/worker_process.h has the framing); it knows one engine, and this side
// knows none:
//
//   prepare    model, feeds, [weights]   feeds is a .npz with arrays "<set>/<input>": read before memory is measured;
//                                        weights: whole numbers, one a set, 1 when not given
//                                        -> version, the engine's
//   load       settings                  makes the session -> load_ms, threads
//   measure    passes, [callers, warmup] a pass runs every set as often as its weight says, in turns; each of `callers`
//                                        threads (1) makes `warmup` passes (0) and then those that count
//                                        -> pass_ms: one number a pass; set_ms: for each set, one number a run;
//                                        wall_ms, cpu_ms: of all passes that count
//   idle       seconds                   does nothing -> cpu_ms: what the engine's threads took meanwhile
//   outputs    file                      writes what each set gives, arrays "<set>/<output>", as .npz
//   operators  operators                 [domain, name, opset version] each -> missing: indices of those not supported
//   close                                destroys the session
//
// Settings are those of tune/candidate.h. Every answer has "memory": {"resident", "peak"} in bytes, the peak since the
// answer before. What fails is answered with "error" and a text, and the worker goes on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tune/trial.h"
#include "tune/worker_process.h"

namespace attune {

/// How workers of an engine are started, and what they are to run.
struct WorkerSetup {
  std::string engine;  ///< Its name, for messages.
  std::vector<std::string> command;
  std::filesystem::path model;
  std::filesystem::path feeds;
  std::vector<int> weights = {};  ///< Of the sets; 1 where there is none.
};

/// The request that comes first.
nlohmann::json prepare_request(const WorkerSetup& setup);

/// The engine's version, by a worker that does nothing else. Throws as WorkerTrial.
std::string ask_version(const WorkerSetup& setup, double seconds);

/// Thread safety: none.
class WorkerTrial {
 public:
  /// Starts the process and loads the model, within `seconds`; then stops it until it is asked something. All functions
  /// that take `seconds` throw attune::Error(kFail) when the worker fails or takes longer.
  WorkerTrial(const WorkerSetup& setup, const nlohmann::json& settings, double seconds);

  const std::string& version() const { return version_; }
  double load_ms() const { return load_ms_; }
  int threads() const { return threads_; }
  TrialMemory memory() const { return memory_; }

  TimedPasses measure(int passes, double seconds);
  RunSample measure_load(int passes, int callers, int warmup, double seconds);
  /// CPU time in a second in which the process runs and is asked nothing.
  double measure_idle_cpu_ms(double seconds);
  void save_outputs(const std::filesystem::path& file, double seconds);

 private:
  /// Every answer comes through here, so that memory() is up to date.
  nlohmann::json ask(const nlohmann::json& request, double seconds);
  void note_memory(const nlohmann::json& answer);

  WorkerProcess worker_;
  std::string version_;
  double base_bytes_ = 0;
  double load_ms_ = 0;
  int threads_ = 0;
  TrialMemory memory_;
};

}  // namespace attune
