#include "tune/statistics.h"

#include <algorithm>
#include <cmath>

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

}  // namespace attune
