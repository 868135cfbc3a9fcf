#include "tune/round.h"

#include <algorithm>

#include "attune/error.h"
#include "tune/statistics.h"

namespace attune {
namespace {

constexpr double kWarmPassMs = 100;
constexpr int kMostPasses = 1000;

}  // namespace

double Round::median_ms() const { return std::max(median(pass_ms), 1e-6); }

int passes_in(double seconds, double pass_ms) {
  return static_cast<int>(std::clamp(seconds * 1000 / std::max(pass_ms, 1e-3), 1.0, double{kMostPasses}));
}

Round make_round(TimedPasses timed) {
  if (timed.pass_ms.empty()) throw Error(ErrorCode::kFail, "The trial measured nothing.");
  Round round = {std::move(timed.pass_ms), 0};
  round.cpu_ms = timed.cpu_ms / static_cast<double>(round.pass_ms.size());
  if (round.pass_ms.size() > 1 && round.pass_ms[0] <= kWarmPassMs) round.pass_ms.erase(round.pass_ms.begin());
  return round;
}

}  // namespace attune
