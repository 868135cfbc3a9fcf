#include "tune/race.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tune/estimate.h"

namespace attune {

void Race::add_block(const std::vector<double>& log_ratios) {
  for (size_t k = 0; k < values_.size(); ++k) {
    if (!is_in_[k]) continue;
    if (std::isnan(log_ratios.at(k))) {
      is_in_[k] = false;
    } else {
      values_[k].push_back(log_ratios[k]);
    }
  }
  ++blocks_;
}

std::vector<size_t> Race::list_in() const {
  std::vector<size_t> list;
  for (size_t k = 0; k < values_.size(); ++k) {
    if (is_in_[k]) list.push_back(k);
  }
  return list;
}

double Race::value(size_t candidate) const {
  const std::vector<double>& values = values_[candidate];
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

size_t Race::leader() const {
  size_t best = candidates();
  for (const size_t k : list_in()) {
    if (best == candidates() || value(k) < value(best)) best = k;
  }
  return best;
}

double Race::residual(double& degrees) const {
  const std::vector<size_t> in = list_in();
  const auto blocks = static_cast<double>(blocks_);
  const auto count = static_cast<double>(in.size());
  degrees = (blocks - 1) * (count - 1);
  if (degrees < 1) return 0;
  double all = 0;
  for (const size_t k : in) all += value(k) / count;
  double squares = 0;
  for (size_t block = 0; block < blocks_; ++block) {
    double mean = 0;
    for (const size_t k : in) mean += values_[k][block] / count;
    for (const size_t k : in) {
      const double rest = values_[k][block] - value(k) - mean + all;
      squares += rest * rest;
    }
  }
  return std::sqrt(squares / degrees);
}

double Race::error() const {
  double degrees = 0;
  const double deviation = residual(degrees);
  if (degrees < 1) return std::numeric_limits<double>::infinity();
  return deviation * std::sqrt(2 / static_cast<double>(blocks_));
}

double Race::margin(double confidence) const {
  double degrees = 0;
  residual(degrees);
  if (degrees < 1) return std::numeric_limits<double>::infinity();
  const auto rivals = static_cast<double>(list_in().size() - 1);
  return student_quantile(1 - (1 - confidence) / rivals, degrees) * error();
}

bool Race::drop(double confidence, double least) {
  const double far = std::max(margin(confidence), least);
  const size_t best = leader();
  if (best == candidates()) return false;
  bool dropped = false;
  for (const size_t k : list_in()) {
    if (k == best || value(k) - value(best) <= far) continue;
    is_in_[k] = false;
    dropped = true;
  }
  return dropped;
}

}  // namespace attune
