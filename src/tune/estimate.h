// Estimates of a ratio from pairs of processes.
//
// The unit is the pair: a process of the candidate beside one of the default. A process that was lucky (where its pages
// and code came to lie) is lucky in all its rounds, so that a thousand inferences of one process are one observation
// (Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013). Each pair gives one logarithm of a ratio;
// logarithms make "twice as slow" and "twice as fast" equally far from "the same".
//
// Six pairs or more: the Hodges-Lehmann estimate, the median of the means of any two values, with the interval that
// inverts Wilcoxon's signed-rank test (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3.1 to 3.3). It
// needs nothing but symmetry, and that is certain where it matters: when candidate and default are the same, swapping
// them changes the sign of the value and nothing else, whatever the noise of the machine looks like. It gives up 5 % of
// Student's efficiency for normal values and gains a lot with outliers. Fewer pairs cannot reach 95 % by ranks:
// Student's t, which steers the search and is never a verdict.
//
// Thread safety: pure functions.
#pragma once

#include <span>

#include "tune/result.h"

namespace attune {

/// What signed ranks need for an interval of 95 %.
constexpr int kLeastRankedPairs = 6;

/// The method that suits the number of values; unknown for fewer than two, with the range as interval.
Estimate estimate_ratio(std::span<const double> log_ratios, double confidence);

/// "signed-rank". Unknown where the confidence is out of reach of so few values.
Estimate signed_rank_estimate(std::span<const double> log_ratios, double confidence);

/// "student-t", for two values or more.
Estimate student_estimate(std::span<const double> log_ratios, double confidence);

/// The value that Student's t of `degrees` > 0 stays below with `probability` from 0 to 1 (Hill, Algorithm 396, CACM
/// 1970; six digits for three degrees or more, exact for one and two).
double student_quantile(double probability, double degrees);

double standard_deviation(std::span<const double> values);  ///< 0 for fewer than two.

}  // namespace attune
