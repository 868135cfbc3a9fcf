// Statistics of running times: robust, and without assumptions about how noise is distributed, because that of a shared
// machine has no known shape. Thread safety: pure functions.
#pragma once

#include <span>
#include <vector>

namespace attune {

/// The value below which a share of `quantile` (0 to 1) of the values lies, interpolated linearly between ranks as
/// numpy.percentile does. `values` in any order, at least one.
double quantile(std::span<const double> values, double quantile);

inline double median(std::span<const double> values) { return quantile(values, 0.5); }

/// An estimate with the interval that holds the true value with the stated confidence.
struct Interval {
  double median = 1;
  double low = 1;
  double high = 1;
  bool is_known = false;  ///< False when there are too few values for the confidence; low and high are then the range.
};

/// The sign-based interval of the median: between the order statistics k and n + 1 - k, with the largest k for which
/// 2 P(Binomial(n, 1/2) < k) <= 1 - confidence. Holds for any distribution of independent values; 95 % needs six.
/// (Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.)
Interval median_interval(std::span<const double> values, double confidence = 0.95);

}  // namespace attune
