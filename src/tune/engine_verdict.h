// What a comparison of two engines comes to, in words. Thread safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tune/engine_comparison.h"

namespace attune {

/// A difference that is worth a word: at least this share, and the interval on one side of 1.
constexpr double kTimeWorthSaying = 0.02;
constexpr double kOtherWorthSaying = 0.05;

/// Says first what would keep a user from switching: a model that ours does not run, and outputs that differ; then who
/// is faster, and every other figure in which ours is clearly better or worse. `differing` names outputs that differ by
/// more than rounding explains.
std::string describe_comparison(const EngineComparison& comparison, const std::vector<std::string>& differing);

}  // namespace attune
