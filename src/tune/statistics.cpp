#include "tune/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace attune {

double quantile(std::span<const double> values, double quantile) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double position = std::clamp(quantile, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Interval median_interval(std::span<const double> values, double confidence) {
  if (values.empty()) return {};
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t count = sorted.size();
  // P(Binomial(n, 1/2) = i), and the sum below rank k.
  double probability = std::exp2(-static_cast<double>(count));
  double below = 0;
  size_t rank = 0;
  while (2 * (below + probability) <= 1 - confidence) {
    below += probability;
    probability *= static_cast<double>(count - rank) / static_cast<double>(rank + 1);
    ++rank;
  }
  Interval interval = {median(values), sorted.front(), sorted.back(), rank > 0};
  if (rank > 0) {
    interval.low = sorted[rank - 1];
    interval.high = sorted[count - rank];
  }
  return interval;
}

double mean_upper_bound(std::span<const double> values) {
  // One-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom; the last serves for more, too high by
  // less than a tenth.
  constexpr std::array kQuantiles = {6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812};
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return mean;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares / (count - 1) / count);
  return mean + kQuantiles[std::min(values.size() - 2, kQuantiles.size() - 1)] * error;
}

}  // namespace attune
