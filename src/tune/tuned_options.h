// What SessionOptions::from_tuned does, without the log. Thread safety: pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attune/options.h"
#include "tune/result.h"

namespace attune {

struct TunedOptions {
  SessionOptions options;
  std::vector<std::string> warnings;  ///< What differs from the measurement, and settings that Attune has not.
};

/// The verdict's settings as options of Attune. The model's hash goes into the configuration entry
/// "attune.tuned_model", which sessions check. Throws Error(kInvalidArgument) for settings that are none.
TunedOptions tuned_options(const TuneResult& result);

/// Throws Error as read_tune_result does too.
TunedOptions read_tuned_options(const std::filesystem::path& file);

/// How `now` differs from what was measured, in sentences; empty when the settings hold. What the measurement does not
/// tell is no difference.
std::vector<std::string> differences(const TunedMachine& measured, const TunedMachine& now);

}  // namespace attune
