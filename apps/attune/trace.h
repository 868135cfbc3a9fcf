// Profile files: what session profiling writes (runtime/profiler.h). Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace attune {

/// One node over all runs that were read.
struct NodeTime {
  std::string name;
  std::string op_type;
  int index = -1;  ///< Its place in the program.
  int calls = 0;
  double total_ms = 0;
  std::string input_shapes;  ///< Of the first call: "1x3x224x224, 64x3x7x7".
  std::string output_shape;  ///< "1x64x56x56".
  double bytes = 0;          ///< Inputs, weights and outputs of the first call.
};

/// A node, or a thread that helped with it.
struct NodeEvent {
  int node = -1;  ///< Its place in the program.
  int64_t thread = 0;
  int64_t start_us = 0;
  int64_t length_us = 0;
  bool helps = false;
};

/// One run, events in the order of the file.
struct RunTime {
  int64_t thread = 0;
  int64_t start_us = 0;
  int64_t length_us = 0;
  std::vector<NodeEvent> events;  ///< Those that lie within the run.
};

struct Trace {
  std::vector<NodeTime> nodes;  ///< In the program's order.
  std::vector<RunTime> run_times;
  int runs = 0;
  double runs_ms = 0;  ///< Sum over whole runs, what lies between nodes included.
};

/// Reads the file without its first `skip_runs` runs. Throws Error(kFail) when it cannot be read or is no profile.
Trace read_trace(const std::filesystem::path& path, int skip_runs);

}  // namespace attune
