#include "tune/engine_verdict.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

namespace attune {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 5> kOthers = {{{kP95, "slow runs (p95)"},
                                                                         {kCpu, "CPU time"},
                                                                         {kStart, "start-up"},
                                                                         {kPeak, "peak memory"},
                                                                         {kHeld, "memory held"}}};

std::string name_of(const EngineFacts& facts) {
  const std::string name = facts.engine == "attune" ? "Attune" : facts.engine;
  return facts.version.empty() ? name : fmt::format("{} {}", name, facts.version);
}

bool is_less(const Interval& ratio, double share) { return ratio.high < 1 && ratio.median <= 1 - share; }
bool is_more(const Interval& ratio, double share) { return ratio.low > 1 && ratio.median >= 1 + share; }

std::string percent(double ratio) { return fmt::format("{:.1f}", 100 * std::abs(ratio - 1)); }

std::string describe_failure(const EngineComparison& found) {
  const std::string ours = name_of(found.ours);
  const std::string theirs = name_of(found.theirs);
  if (found.ours.failure.empty()) {
    return fmt::format("{} runs this model, {} does not: {}", ours, theirs, found.theirs.failure);
  }
  if (found.theirs.failure.empty()) {
    return fmt::format("Stay with {}: {} does not run this model: {}", theirs, ours, found.ours.failure);
  }
  return fmt::format("Neither engine runs this model. {}: {} {}: {}", ours, found.ours.failure, theirs,
                     found.theirs.failure);
}

std::string describe_time(const EngineComparison& found) {
  const Interval& ratio = found.metric(kTime).ratio;
  const std::string ours = name_of(found.ours);
  const std::string theirs = name_of(found.theirs);
  const char* bounds = ratio.is_known ? "95 % interval" : "range";
  if (is_less(ratio, kTimeWorthSaying)) {
    return fmt::format("{} is faster on this model: a run takes {} % less time than with {} ({}: {} to {} %).", ours,
                       percent(ratio.median), theirs, bounds, percent(ratio.high), percent(ratio.low));
  }
  if (is_more(ratio, kTimeWorthSaying)) {
    return fmt::format("{} is slower on this model: a run takes {} % more time than with {} ({}: {} to {} %).", ours,
                       percent(ratio.median), theirs, bounds, percent(ratio.low), percent(ratio.high));
  }
  return fmt::format("{} and {} are about equally fast on this model (time {:+.1f} %, {}: {:+.1f} to {:+.1f} %).", ours,
                     theirs, 100 * (ratio.median - 1), bounds, 100 * (ratio.low - 1), 100 * (ratio.high - 1));
}

std::string describe_others(const EngineComparison& found, const char* verb,
                            bool (*is_worth)(const Interval&, double)) {
  std::string list;
  for (const auto& [key, title] : kOthers) {
    const Interval& ratio = found.metric(key).ratio;
    if (!is_worth(ratio, kOtherWorthSaying)) continue;
    list += fmt::format("{}{} ({:+.0f} %)", list.empty() ? "" : ", ", title, 100 * (ratio.median - 1));
  }
  return list.empty() ? "" : fmt::format(" Attune {} in {}.", verb, list);
}

}  // namespace

std::string describe_comparison(const EngineComparison& comparison, const std::vector<std::string>& differing) {
  if (comparison.metrics.empty()) return describe_failure(comparison);
  std::string text;
  if (!differing.empty()) {
    text = "Do not switch before you know why outputs differ by more than rounding explains:";
    for (const std::string& name : differing) text += fmt::format("{} {}", &name == differing.data() ? "" : ",", name);
    text += ". ";
  }
  return text + describe_time(comparison) + describe_others(comparison, "loses", is_more) +
         describe_others(comparison, "wins", is_less);
}

}  // namespace attune
