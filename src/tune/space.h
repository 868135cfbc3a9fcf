// What may be set: options with their levels. Thread safety: values and pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace attune {

/// One choice for an option. It may set several settings that only make sense together, such as an execution mode with
/// its number of threads.
struct Level {
  nlohmann::json settings = nlohmann::json::object();
  int callers = 0;  ///< Threads that run inferences at the same time; 0 leaves the load as it is.
};

/// Settings are a flat JSON object from names to values; what a name means is between the user and the worker.
struct Factor {
  std::string name;
  std::vector<Level> levels;  ///< The first is the default's: it sets nothing.
};

/// A level of each factor.
using Point = std::vector<int>;

struct Space {
  nlohmann::json base = nlohmann::json::object();  ///< What the default sets.
  int callers = 1;                                 ///< The load's.
  std::vector<Factor> factors;                     ///< The most promising ones first.
  int thread_factor = -1;                          ///< The one that makes the thread curve; -1 for none.
  /// Settings whose memory is worth recording over time, one process each: the arena on and off.
  std::vector<nlohmann::json> memory_contrasts = {};

  Point default_point() const { return Point(factors.size(), 0); }
  nlohmann::json settings_at(const Point& point) const;
  int callers_at(const Point& point) const;
  /// Of all levels of all factors.
  double points() const;
};

/// How many factors are not at the default's level.
int count_changes(const Point& point);

/// "intra_op_num_threads=2, enable_cpu_mem_arena=false, 4 callers"; "default" when nothing differs.
std::string describe_point(const Space& space, const Point& point);

}  // namespace attune
