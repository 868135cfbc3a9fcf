// Profile files: what session profiling writes (runtime/profiler.h). Thread safety: values and pure functions.
#pragma once

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
  std::string output_shape;  ///< Of the first call: "1x64x56x56".
};

struct Trace {
  std::vector<NodeTime> nodes;  ///< In the program's order.
  int runs = 0;
  double runs_ms = 0;  ///< Sum over whole runs, what lies between nodes included.
};

/// Reads the file without its first `skip_runs` runs. Throws Error(kFail) when it cannot be read or is no profile.
Trace read_trace(const std::filesystem::path& path, int skip_runs);

}  // namespace attune
