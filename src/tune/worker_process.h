// A process that measures on request: one JSON object a line in each direction, over its standard input and output.
//
//   -> {"command": "load", "settings": {"intra_op_num_threads": 2}}
//   <- {"load_ms": 12.5, "threads": 2, "memory": {...}}       or   {"error": "why not"}
//
// A worker answers each request with one line, in order, and ends when its input ends. What the commands are is between
// the worker and its user: tune/worker_trial.h lists those of an engine's worker.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/subprocess.h"

namespace attune {

/// Thread safety: none.
class WorkerProcess {
 public:
  /// Throws Error(kRuntimeException) when the command cannot be started.
  explicit WorkerProcess(const std::vector<std::string>& command) : process_(command) {}

  /// Sends a request and waits for its answer. Throws Error(kFail): with the worker's text when it answers with an
  /// error; when it ends, answers nonsense, or, killing it, when it takes longer than `seconds`.
  nlohmann::json request(const nlohmann::json& request, double seconds);

  /// The same; `watch` is called with the process's number about every `interval_ms` milliseconds until there is an
  /// answer.
  nlohmann::json request(const nlohmann::json& request, double seconds, int interval_ms,
                         const std::function<void(int64_t process)>& watch);

  void pause() noexcept { process_.pause(); }
  void resume() noexcept { process_.resume(); }

 private:
  nlohmann::json read_answer(const std::optional<std::string>& line, double seconds);

  Subprocess process_;
};

}  // namespace attune
