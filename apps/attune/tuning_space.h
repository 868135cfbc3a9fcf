// Which options of an engine the tuner tries, and with which values. Thread safety: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tune/space.h"

namespace attune {

struct SpaceWishes {
  nlohmann::json base = nlohmann::json::object();  ///< What the default sets.
  int callers = 1;
  bool varies_callers = false;  ///< Try more callers, too.
  int default_threads = 1;      ///< What the engine uses when it is not told.
  int usable_cpus = 1;
  double most_cpus = 0;  ///< No more threads than this; 0 for no limit.
};

/// Attune: every option of the performance group of session_option_table(), and spinning. onnxruntime: the same, and
/// what it has beyond that and Attune plans away or does always: the memory pattern, how the arena grows, denormals.
/// Threads are 1, 2, 4 ... up to twice the CPUs that may be used. Options that only mean something together are levels
/// of one factor: an execution mode with its threads, the arena with how it grows.
Space make_space(const std::string& engine, const SpaceWishes& wishes);

/// Setting of the onnxruntime worker that is no session option: "kNextPowerOfTwo" or "kSameAsRequested".
constexpr const char* kArenaExtendStrategy = "arena_extend_strategy";

}  // namespace attune
