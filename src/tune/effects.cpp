#include "tune/effects.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tune/estimate.h"
#include "tune/statistics.h"

namespace attune {
namespace {

constexpr size_t kLeastContrasts = 7;

double contrast(const Design& design, const DesignValues& values, uint32_t column) {
  double sum = 0;
  for (int run = 0; run < design.runs; ++run) sum += Design::sign(run, column) * values[static_cast<size_t>(run)];
  return 2 * sum / design.runs;
}

double mean_of(const DesignValues& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

void fill_missing(const Design& design, DesignValues& values) {
  std::vector<size_t> missing;
  double sum = 0;
  for (size_t run = 0; run < values.size(); ++run) {
    if (std::isnan(values[run])) {
      missing.push_back(run);
    } else {
      sum += values[run];
    }
  }
  if (missing.empty()) return;
  const size_t known = values.size() - missing.size();
  for (const size_t run : missing) values[run] = known == 0 ? 0 : sum / static_cast<double>(known);
  for (int step = 0; step < 100; ++step) {
    const double mean = mean_of(values);
    std::vector<double> mains;
    for (const uint32_t column : design.columns) mains.push_back(contrast(design, values, column));
    double moved = 0;
    for (const size_t run : missing) {
      double predicted = mean;
      for (size_t k = 0; k < mains.size(); ++k) {
        predicted += mains[k] / 2 * Design::sign(static_cast<int>(run), design.columns[k]);
      }
      moved = std::max(moved, std::abs(predicted - values[run]));
      values[run] = predicted;
    }
    if (moved < 1e-9) break;
  }
}

/// Of one contrast.
struct Error {
  double deviation = 0;
  double degrees = 1;
};

Error lenth_error(const std::vector<double>& contrasts) {
  std::vector<double> sizes;
  for (const double value : contrasts) sizes.push_back(std::abs(value));
  const double rough = 1.5 * median(sizes);
  std::vector<double> small;
  for (const double size : sizes) {
    if (size <= 2.5 * rough) small.push_back(size);
  }
  return {1.5 * median(small), static_cast<double>(contrasts.size()) / 3};
}

}  // namespace

bool Effect::is_likely() const { return std::abs(change) > margin; }
bool Effect::is_active() const { return std::abs(change) > simultaneous_margin; }

double EffectsFit::predict(const std::vector<bool>& highs) const {
  double value = 0;
  for (const Effect& effect : effects) {
    if (!effect.is_likely()) continue;
    const bool first = highs.at(static_cast<size_t>(effect.first));
    if (effect.second < 0) {
      value += first ? effect.change : 0;
      continue;
    }
    // Signs (+1, -1) as the contrasts have them: the main effects are averages over both levels of the other.
    const bool second = highs.at(static_cast<size_t>(effect.second));
    if (first != second) value -= effect.change / 2;
  }
  return value;
}

EffectsFit fit_effects(const Design& design, DesignValues values, double confidence, double outside_noise,
                       double outside_degrees) {
  fill_missing(design, values);
  std::vector<double> contrasts;
  for (uint32_t column = 1; column < static_cast<uint32_t>(design.runs); ++column) {
    contrasts.push_back(contrast(design, values, column));
  }
  const double runs = design.runs;
  const Error error = contrasts.size() >= kLeastContrasts
                          ? lenth_error(contrasts)
                          : Error{2 * outside_noise / std::sqrt(runs), std::max(outside_degrees, 1.0)};
  const double tail = (1 - confidence) / 2;
  const double margin = error.deviation * student_quantile(1 - tail, error.degrees);
  const double together = std::pow(confidence, 1 / static_cast<double>(contrasts.size()));
  const double simultaneous = error.deviation * student_quantile((1 + together) / 2, error.degrees);
  EffectsFit fit = {.noise = error.deviation * std::sqrt(runs) / 2, .degrees = error.degrees, .effects = {}};
  for (int factor = 0; factor < design.factors; ++factor) {
    fit.effects.push_back({.first = factor,
                           .change = contrasts[design.columns[static_cast<size_t>(factor)] - 1],
                           .margin = margin,
                           .simultaneous_margin = simultaneous});
  }
  const auto size_of = [&](int factor) { return std::abs(fit.effects[static_cast<size_t>(factor)].change); };
  for (auto [column, pairs] : list_interactions(design)) {
    std::stable_sort(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) {
      return size_of(a.first) + size_of(a.second) > size_of(b.first) + size_of(b.second);
    });
    // What both do beyond the sum of each: y11 - y10 - y01 + y00, twice the contrast.
    fit.effects.push_back({.first = pairs[0].first,
                           .second = pairs[0].second,
                           .change = 2 * contrasts[column - 1],
                           .margin = 2 * margin,
                           .simultaneous_margin = 2 * simultaneous,
                           .aliases = {pairs.begin() + 1, pairs.end()}});
  }
  return fit;
}

}  // namespace attune
