// From what a search has measured to what its result says of it. Thread safety: none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tune/design.h"
#include "tune/effects.h"
#include "tune/search.h"

namespace attune {

/// A design as it was made of a space, and what came out.
struct MeasuredDesign {
  Design design;                ///< runs is 0 where there was none.
  std::vector<size_t> factors;  ///< Of the space: the design's own, in order.
  std::vector<int> levels;      ///< For each factor of the space, the level at which it is "high".
  EffectsFit fit;
};

/// By objective name.
std::map<std::string, Estimate> estimate_all(const std::vector<PairFacts>& pairs, double confidence);

/// Fills in all of the result that follows from candidates, confirmations and the verdict's candidate: ratios, effects,
/// thread curve, front, noise. Combinations that were thought of but never measured are left out.
void summarize(Search& search, const MeasuredDesign& design, const MachineUse& use);

}  // namespace attune
