// The tuner's result as text for a terminal. Thread safety: pure functions.
#pragma once

#include <string>

#include "report/texts.h"
#include "tune/result.h"

namespace attune {

/// What was measured, a table of the settings that matter, the verdict, and code to paste. `file` is where the result
/// is saved. At most 100 columns wide where names permit.
std::string tuning_summary(const TuneResult& result, const std::string& file, const Texts& texts);

}  // namespace attune
