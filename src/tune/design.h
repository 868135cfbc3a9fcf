// Two-level fractional factorial designs: which combinations to measure so that the effect of each of k options, and of
// pairs of them, comes out of all runs at once (Box, Hunter and Hunter, Statistics for Experimenters, chapters 5 to 8).
// One at a time uses two runs an effect and sees no interaction; here every run serves every effect.
//
// Of all regular designs of a size the one of least aberration is taken: the highest resolution, then the fewest
// shortest words (Fries and Hunter 1980). In resolution V no main effect or interaction of two options looks like
// another; in IV main effects are clear and some interactions look alike; in III main effects look like interactions,
// and that is not offered.
//
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attune {

constexpr int kMostDesignFactors = 9;

struct Design {
  int factors = 0;
  int runs = 0;        ///< A power of two.
  int resolution = 0;  ///< Of a full factorial, factors + 1.
  /// Bit b is the sign of basic column b; a factor's column is the product of the basic columns in its mask.
  std::vector<uint32_t> columns;

  /// Whether `factor` is at its other level in `run`.
  bool is_high(int run, int factor) const;
  /// Column of the product of both factors.
  uint32_t interaction(int first, int second) const;
  /// +1 or -1.
  static int sign(int run, uint32_t column);
  /// "2^(5-1), resolution V"; "2^3, all combinations".
  std::string name() const;
};

/// The design of at most `most_runs` runs with resolution IV or more that has the highest resolution, and the fewest
/// runs of those. runs is 0 where there is none: fewer than two factors, more than kMostDesignFactors, too few runs.
Design make_design(int factors, int most_runs);

/// The interactions that share a column: each entry's pairs look alike in this design.
std::vector<std::pair<uint32_t, std::vector<std::pair<int, int>>>> list_interactions(const Design& design);

}  // namespace attune
