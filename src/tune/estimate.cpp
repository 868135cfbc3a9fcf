#include "tune/estimate.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "tune/statistics.h"

namespace attune {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The normal distribution's, by Newton's steps on its integral.
double normal_quantile(double probability) {
  double z = 0;
  for (int step = 0; step < 50; ++step) {
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
    const double excess = std::erfc(-z / std::numbers::sqrt2) / 2 - probability;
    const double move = std::clamp(excess / density, -1.0, 1.0);
    z -= move;
    if (std::abs(move) < 1e-12) break;
  }
  return z;
}

// Hill's: the |t| that is exceeded on either side with probability `tail`.
double two_sided_quantile(double tail, double n) {
  constexpr double kHalfPi = std::numbers::pi / 2;
  if (n == 1) return std::cos(tail * kHalfPi) / std::sin(tail * kHalfPi);
  if (n == 2) return std::sqrt(2 / (tail * (2 - tail)) - 2);
  const double a = 1 / (n - 0.5);
  const double b = 48 / (a * a);
  double c = ((20700 * a / b - 98) * a - 16) * a + 96.36;
  const double d = ((94.5 / (b + c) - 3) / b + 1) * std::sqrt(a * kHalfPi) * n;
  double x = d * tail;
  double y = std::pow(x, 2 / n);
  if (y > 0.05 + a) {
    x = normal_quantile(tail / 2);
    y = x * x;
    if (n < 5) c += 0.3 * (n - 4.5) * (x + 0.6);
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c;
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x;
    y = std::expm1(a * y * y);
  } else {
    y = ((1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1) * (n + 1) / (n + 2) +
        1 / y;
  }
  return std::sqrt(n * y);
}

// The largest k for which 2 P(W < k) <= 1 - confidence, W being the sum of signed ranks when all signs are equally
// likely: the number of sets of ranks from 1 to n with a given sum, by adding one rank after another.
int signed_rank_bound(size_t count, double confidence) {
  std::vector<double> sets(count * (count + 1) / 2 + 1, 0.0);
  sets[0] = 1;
  for (size_t rank = 1; rank <= count; ++rank) {
    for (size_t sum = sets.size() - 1; sum >= rank; --sum) sets[sum] += sets[sum - rank];
  }
  const double all = std::exp2(static_cast<double>(count));
  double below = 0;
  int bound = 0;
  while (static_cast<size_t>(bound) < sets.size() &&
         2 * (below + sets[static_cast<size_t>(bound)]) / all <= 1 - confidence) {
    below += sets[static_cast<size_t>(bound)];
    ++bound;
  }
  return bound;
}

Estimate without_interval(std::span<const double> log_ratios) {
  if (log_ratios.empty()) return {};
  const auto [least, most] = std::minmax_element(log_ratios.begin(), log_ratios.end());
  return {std::exp(median(log_ratios)), std::exp(*least), std::exp(*most), static_cast<int>(log_ratios.size()), ""};
}

}  // namespace

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double student_quantile(double probability, double degrees) {
  if (probability == 0.5) return 0;
  if (probability < 0.5) return -student_quantile(1 - probability, degrees);
  return two_sided_quantile(2 * (1 - probability), degrees);
}

Estimate student_estimate(std::span<const double> log_ratios, double confidence) {
  if (log_ratios.size() < 2) return without_interval(log_ratios);
  const auto count = static_cast<double>(log_ratios.size());
  const double mean = mean_of(log_ratios);
  const double margin =
      student_quantile(1 - (1 - confidence) / 2, count - 1) * standard_deviation(log_ratios) / std::sqrt(count);
  return {std::exp(mean), std::exp(mean - margin), std::exp(mean + margin), static_cast<int>(log_ratios.size()),
          "student-t"};
}

Estimate signed_rank_estimate(std::span<const double> log_ratios, double confidence) {
  const size_t count = log_ratios.size();
  const int bound = signed_rank_bound(count, confidence);
  if (bound == 0) return without_interval(log_ratios);
  std::vector<double> means;
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = i; j < count; ++j) means.push_back((log_ratios[i] + log_ratios[j]) / 2);
  }
  std::sort(means.begin(), means.end());
  const auto rank = static_cast<size_t>(bound);
  return {std::exp(median(means)), std::exp(means[rank - 1]), std::exp(means[means.size() - rank]),
          static_cast<int>(count), "signed-rank"};
}

Estimate estimate_ratio(std::span<const double> log_ratios, double confidence) {
  if (log_ratios.size() >= kLeastRankedPairs) {
    Estimate ranked = signed_rank_estimate(log_ratios, confidence);
    if (ranked.is_known()) return ranked;
  }
  return student_estimate(log_ratios, confidence);
}

}  // namespace attune
