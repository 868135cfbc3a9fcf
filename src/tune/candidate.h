// What the tuner tries. Thread safety: values and pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "attune/options.h"

namespace attune {

/// One setting beside the default. Settings are a flat JSON object from names to values; a name with a dot is a
/// configuration entry, a choice goes by its name: {"intra_op_num_threads": 2, "session.intra_op.allow_spinning": "0"}.
struct Candidate {
  std::string option;       ///< The one option that differs; empty for a combination and for the default.
  nlohmann::json settings;  ///< All that is set, the base included.
};

/// Every other value of each option of the performance group, the most promising options first: numbers of threads (1,
/// 2, 4, 8 and `cpus`, without `default_threads`, which the base has already), spinning, switches, then choices.
/// `base` is what the default has set.
std::vector<Candidate> make_candidates(std::span<const OptionInfo> table, const nlohmann::json& base,
                                       int default_threads, int cpus);

/// The settings that differ from `base`: "intra_op_num_threads=2, enable_cpu_mem_arena=false"; "default" for none.
std::string describe_difference(const nlohmann::json& settings, const nlohmann::json& base);

}  // namespace attune
