// The search for the settings that suit a model on a machine, and what it concludes.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tune/comparison.h"

namespace attune {

enum class SearchVerdict {
  kKeepDefault,
  kFaster,   ///< Confirmed to be faster than the default.
  kLighter,  ///< Confirmed to be as fast, with less CPU time or memory.
};

struct SearchResult {
  SearchVerdict kind = SearchVerdict::kKeepDefault;
  nlohmann::json settings;             ///< What to use: the default's when it is kept.
  std::string sentence;                ///< The verdict in words.
  double noise = 0;                    ///< How far the default's ratio to itself is from 1.
  double least_gain = 0;               ///< What a gain had to be: the policy's or the noise.
  Evidence itself;                     ///< The default beside itself.
  std::vector<Evidence> screening;     ///< Each candidate, in the order given.
  std::vector<Evidence> confirmation;  ///< What was measured again, in new processes.
  bool is_interrupted = false;         ///< Ended by base/interrupt.h; the verdict is of what was known by then.
};

/// Called before each round with the share of the budget that is used and what is being measured.
using TuneProgress = std::function<void(double share, const std::string& step)>;

/// Measures the default beside itself, then every candidate beside the default; combines the best value of each option
/// that is faster; confirms the combination in new processes. When nothing is faster, settings that are as fast with
/// less are considered. Within one option, settings whose times differ by less than policy.least_gain are a tie, which
/// fewer threads win, then less memory. Throws attune::Error when the default itself cannot be measured, Interrupted
/// when nothing was measured before the interrupt.
SearchResult tune(Laboratory& laboratory, const TunePolicy& policy, const nlohmann::json& default_settings,
                  const std::vector<Candidate>& candidates, const TuneProgress& progress = {});

/// All that was found, for a file.
nlohmann::json to_json(const SearchResult& result);

}  // namespace attune
