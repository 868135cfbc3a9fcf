// The effects of options and of pairs of options from the runs of a design (tune/design.h).
//
// With as many effects as runs there is nothing left to estimate the noise from. Lenth's pseudo standard error takes it
// from the effects themselves, most of which are null: 1.5 times the median of those that are not obviously large
// (Lenth, Quick and Easy Analysis of Unreplicated Factorials, Technometrics 31, 1989). His margin of error gives each
// interval; his simultaneous margin, which all null effects keep to together with the stated confidence, decides which
// are active beyond doubt. Designs of four runs have too few effects for that and take the noise from elsewhere.
//
// Where several interactions share a column, the one whose options have the largest effects of their own is named, and
// the others are listed as its aliases (effect heredity: Wu and Hamada, Experiments, 4.6).
//
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tune/design.h"
#include "tune/result.h"

namespace attune {

/// A value of each run; NaN where the run failed.
using DesignValues = std::vector<double>;

struct Effect {
  int first = 0;
  int second = -1;    ///< -1 for a main effect.
  double change = 0;  ///< Of the value when the option goes to its other level, on average; of two, how much more both
                      ///< together change it than each by itself does.
  double margin = 0;  ///< Half of the interval's width.
  double simultaneous_margin = 0;
  std::vector<std::pair<int, int>> aliases = {};

  bool is_likely() const;  ///< By its own interval: worth following up.
  bool is_active() const;  ///< Beyond doubt among all.
};

struct EffectsFit {
  double noise = 0;             ///< Standard deviation of one run's value.
  double degrees = 0;           ///< Of freedom, that the noise is known with.
  std::vector<Effect> effects;  ///< Main effects in order, then interactions.

  /// By how much the value differs from that of the default with `highs` at their other level: likely effects only.
  double predict(const std::vector<bool>& highs) const;
};

/// `outside_noise` and its degrees of freedom serve designs of four runs. Missing values become what main effects
/// predict for them, again and again until that changes nothing (Healy and Westmacott 1956).
EffectsFit fit_effects(const Design& design, DesignValues values, double confidence, double outside_noise,
                       double outside_degrees);

}  // namespace attune
