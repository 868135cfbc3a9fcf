#include "verdict_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "settings.h"
#include "table.h"
#include "tune/statistics.h"

namespace attune {
namespace {

using nlohmann::json;

/// A saving of less is not worth a word.
constexpr double kSavingWorthSaying = 0.02;

std::string percent(double share) { return fmt::format("{:.1f}", 100 * share); }

bool is_throughput(Objective objective) { return objective == Objective::kThroughput; }

/// How much better a ratio is, as a share of the default: of the time an inference takes, or of inferences a second.
double gain_of(double ratio, Objective objective) {
  if (!is_throughput(objective)) return 1 - ratio;
  return ratio > 0 ? 1 / ratio - 1 : 0;
}

TrialFacts median_facts(const std::vector<PairFacts>& pairs, TrialFacts PairFacts::*side) {
  const auto over_pairs = [&](auto value_of) {
    std::vector<double> values;
    for (const PairFacts& pair : pairs) values.push_back(static_cast<double>(value_of(pair.*side)));
    return median(values);
  };
  TrialFacts facts = pairs.front().*side;
  facts.load_ms = over_pairs([](const TrialFacts& f) { return f.load_ms; });
  facts.latency_ms = over_pairs([](const TrialFacts& f) { return f.latency_ms; });
  facts.period_ms = over_pairs([](const TrialFacts& f) { return f.period_ms; });
  facts.cpu_ms = over_pairs([](const TrialFacts& f) { return f.cpu_ms; });
  facts.held_bytes = over_pairs([](const TrialFacts& f) { return f.held_bytes; });
  facts.peak_bytes = over_pairs([](const TrialFacts& f) { return f.peak_bytes; });
  TimeDistribution& run = facts.run_ms;
  run.mean = over_pairs([](const TrialFacts& f) { return f.run_ms.mean; });
  run.median = over_pairs([](const TrialFacts& f) { return f.run_ms.median; });
  run.p95 = over_pairs([](const TrialFacts& f) { return f.run_ms.p95; });
  run.p99 = over_pairs([](const TrialFacts& f) { return f.run_ms.p99; });
  for (size_t k = 0; k < run.quantiles.size(); ++k) {
    run.quantiles[k] = over_pairs(
        [&](const TrialFacts& f) { return k < f.run_ms.quantiles.size() ? f.run_ms.quantiles[k] : f.run_ms.median; });
  }
  return facts;
}

/// The verdict's estimate of an objective, as confirmed; of the candidate's other pairs where that says nothing.
Estimate estimate_of(const TuneResult& result, Objective objective) {
  const std::string name(objective_name(objective));
  const Verdict& verdict = result.verdict;
  const auto confirmed = verdict.ratios.find(name);
  if (confirmed != verdict.ratios.end()) return confirmed->second;
  const auto index = static_cast<size_t>(verdict.candidate);
  if (index >= result.candidates.size()) return {};
  const auto found = result.candidates[index].ratios.find(name);
  return found != result.candidates[index].ratios.end() ? found->second : Estimate{};
}

/// "32.1 % less memory at the peak, 20.0 % less CPU time".
std::string describe_savings(const TuneResult& result, const Texts& texts) {
  std::string savings;
  for (const Objective objective : {Objective::kPeak, Objective::kMemory, Objective::kCpu}) {
    if (objective == result.objective) continue;
    const Estimate estimate = estimate_of(result, objective);
    if (!estimate.is_known() || estimate.high >= 1 || 1 - estimate.ratio < kSavingWorthSaying) continue;
    const std::string what = texts.say(fmt::format("saving.{}", objective_name(objective)));
    savings += fmt::format("{}{}", savings.empty() ? "" : texts.say("list.and"),
                           texts.say("saving", {{"percent", percent(1 - estimate.ratio)}, {"what", what}}));
  }
  return savings;
}

std::string sentence_of(const TuneResult& result, const Texts& texts) {
  const Verdict& verdict = result.verdict;
  const Objective objective = result.objective;
  const std::string what = texts.say(fmt::format("objective.{}", objective_name(objective)));
  const std::string settings = describe_choice(result, verdict.changes, verdict.callers, texts);
  const CandidateFigures figures = figures_of(result, verdict.candidate);
  const std::string before = format_figure(figure_of(figures.reference, objective), objective, texts);
  const std::string after = format_figure(figure_of(figures.candidate, objective), objective, texts);
  const std::string limits = describe_limits(result.limits, texts);
  switch (verdict.kind) {
    case VerdictKind::kBetter: {
      const Estimate estimate = estimate_of(result, objective);
      return texts.say(is_throughput(objective) ? "verdict.better.more" : "verdict.better.less",
                       {{"settings", settings},
                        {"objective", what},
                        {"percent", percent(gain_of(estimate.ratio, objective))},
                        {"low", percent(gain_of(estimate.high, objective))},
                        {"high", percent(gain_of(estimate.low, objective))},
                        {"confidence", fmt::format("{:.0f}", 100 * result.confidence)},
                        {"default", before},
                        {"value", after}});
    }
    case VerdictKind::kLighter: {
      const std::string savings = describe_savings(result, texts);
      return texts.say("verdict.lighter", {{"settings", settings},
                                           {"savings", savings.empty() ? texts.say("saving.none") : savings},
                                           {"objective", what},
                                           {"default", before},
                                           {"value", after}});
    }
    case VerdictKind::kWithinLimits:
      return texts.say(
          "verdict.within_limits",
          {{"settings", settings}, {"limits", limits}, {"objective", what}, {"default", before}, {"value", after}});
    case VerdictKind::kNoneWithin:
      return texts.say("verdict.none_within", {{"limits", limits}});
    case VerdictKind::kKeepDefault:
      break;
  }
  switch (verdict.reason) {
    case VerdictReason::kNothingBetter: {
      const auto tried =
          std::count_if(result.candidates.begin() + (result.candidates.empty() ? 0 : 1), result.candidates.end(),
                        [](const CandidateFacts& facts) { return !facts.pairs.empty(); });
      return texts.say("verdict.keep.nothing_better",
                       {{"tried", std::to_string(tried)},
                        {"objective", what},
                        {"least", fmt::format("{:.3g}", 100 * std::max(result.least_gain, result.noise.least_gain))}});
    }
    case VerdictReason::kNotConfirmed:
      return texts.say("verdict.keep.not_confirmed");
    case VerdictReason::kNoTime:
      return texts.say("verdict.keep.no_time", {{"budget", fmt::format("{:.0f}", result.budget_seconds)}});
    case VerdictReason::kInterrupted:
      return texts.say("verdict.keep.interrupted");
    case VerdictReason::kDefaultFailed:
      return texts.say("verdict.keep.default_failed");
    default:
      return texts.say("verdict.keep.other");
  }
}

std::vector<std::string> reasons_of(const TuneResult& result, const Texts& texts) {
  std::vector<std::string> reasons;
  if (result.verdict.kind == VerdictKind::kBetter || result.verdict.kind == VerdictKind::kLighter) {
    const auto tried = std::count_if(result.candidates.begin(), result.candidates.end(),
                                     [](const CandidateFacts& facts) { return !facts.pairs.empty(); });
    switch (result.verdict.reason) {
      case VerdictReason::kClear:
        reasons.push_back(texts.say("why.clear", {{"tried", std::to_string(tried)}}));
        break;
      case VerdictReason::kFewerThreads:
        reasons.push_back(texts.say("why.fewer_threads"));
        break;
      case VerdictReason::kLessMemory:
        reasons.push_back(texts.say("why.less_memory"));
        break;
      case VerdictReason::kFewerChanges:
        reasons.push_back(texts.say("why.fewer_changes"));
        break;
      default:
        break;
    }
  }
  if (result.is_interrupted) reasons.push_back(texts.say("why.interrupted"));
  if (!result.stopped_by.empty()) reasons.push_back(texts.say("why.stopped_by", {{"error", result.stopped_by}}));
  return reasons;
}

std::vector<std::string> noise_of(const NoiseFacts& noise, const Texts& texts) {
  std::vector<std::string> findings;
  for (const std::string& finding : noise.findings) {
    if (finding == "variation") {
      findings.push_back(texts.say(
          "noise.variation", {{"run", percent(noise.run_variation)}, {"process", percent(noise.process_variation)}}));
    } else if (finding == "other_load") {
      findings.push_back(texts.say("noise.other_load", {{"cpus", fmt::format("{:.2f}", noise.other_cpus)}}));
    } else if (finding == "stolen") {
      findings.push_back(texts.say("noise.stolen", {{"share", percent(noise.stolen_share)}}));
    } else if (finding == "throttled") {
      findings.push_back(texts.say("noise.throttled", {{"share", percent(noise.throttled_share)}}));
    }
  }
  if (!findings.empty() && noise.least_gain > 0) {
    findings.push_back(texts.say("noise.hint", {{"least", percent(noise.least_gain)}}));
  }
  return findings;
}

}  // namespace

double figure_of(const TrialFacts& facts, Objective objective) {
  switch (objective) {
    case Objective::kLatency:
      return facts.latency_ms;
    case Objective::kP95:
      return facts.run_ms.p95;
    case Objective::kP99:
      return facts.run_ms.p99;
    case Objective::kThroughput:
      return facts.period_ms;
    case Objective::kMemory:
      return facts.held_bytes;
    case Objective::kPeak:
      return facts.peak_bytes;
    case Objective::kCpu:
      return facts.cpu_ms;
  }
  return 0;
}

std::string format_figure(double figure, Objective objective, const Texts& texts) {
  switch (objective) {
    case Objective::kThroughput:
      return fmt::format("{:.4g}{}", figure > 0 ? 1000 / figure : 0.0, texts.say("page.unit.rate"));
    case Objective::kMemory:
    case Objective::kPeak:
      return format_bytes(figure);
    default:
      return fmt::format("{:.4g} ms", figure);
  }
}

CandidateFigures figures_of(const TuneResult& result, int candidate) {
  const std::vector<PairFacts>* pairs = nullptr;
  if (candidate >= 0 && static_cast<size_t>(candidate) < result.candidates.size()) {
    pairs = &result.candidates[static_cast<size_t>(candidate)].pairs;
  }
  for (const Confirmation& test : result.confirmations) {
    if (test.candidate == candidate && !test.pairs.empty()) pairs = &test.pairs;
  }
  if (pairs == nullptr || pairs->empty()) return {result.reference, result.reference};
  return {median_facts(*pairs, &PairFacts::candidate), median_facts(*pairs, &PairFacts::reference)};
}

std::string describe_choice(const TuneResult& result, const json& changes, int callers, const Texts& texts) {
  std::string text = changes.empty() ? "" : describe_settings(changes);
  if (callers != result.load.callers) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", texts.say("callers", {{"n", std::to_string(callers)}}));
  }
  return text.empty() ? texts.say("default") : text;
}

std::vector<std::string> describe_load(const TunedLoad& load, const Texts& texts) {
  std::vector<std::string> lines;
  for (const LoadSet& set : load.sets) {
    std::string shapes;
    for (const LoadInput& input : set.inputs) {
      shapes += fmt::format("{}{} {} ", shapes.empty() ? "" : ", ", input.name, input.type);
      if (input.shape.empty()) shapes += "scalar";
      for (size_t k = 0; k < input.shape.size(); ++k) shapes += fmt::format("{}{}", k > 0 ? "x" : "", input.shape[k]);
    }
    std::string source = set.source == "random" ? texts.say("load.random") : set.source;
    if (set.weight != 1 || load.sets.size() > 1) {
      source += texts.say("list.and") + texts.say("load.weight", {{"n", std::to_string(set.weight)}});
    }
    if (load.callers > 1) {
      source += texts.say("list.and") + texts.say("load.callers", {{"n", std::to_string(load.callers)}});
    }
    lines.push_back(texts.say("load", {{"shapes", shapes}, {"source", source}}));
  }
  return lines;
}

std::string describe_machine(const TunedMachine& machine, const Texts& texts) {
  constexpr double kGiB = 1 << 30;
  return texts.say(machine.quota_cpus > 0 ? "machine.quota" : "machine",
                   {{"cpu", machine.cpu.empty() ? texts.say("unknown") : machine.cpu},
                    {"usable", std::to_string(machine.usable_cpus)},
                    {"cpus", std::to_string(machine.cpus)},
                    {"quota", fmt::format("{:.3g}", machine.quota_cpus)},
                    {"memory", fmt::format("{:.1f} GiB", static_cast<double>(machine.memory_bytes) / kGiB)}});
}

std::string describe_limits(const TunedLimits& limits, const Texts& texts) {
  std::string text;
  const auto add = [&](const char* key, const std::string& value) {
    text += fmt::format("{}{}", text.empty() ? "" : texts.say("list.and"), texts.say(key, {{"value", value}}));
  };
  if (limits.peak_bytes > 0) add("limit.peak", format_bytes(limits.peak_bytes));
  if (limits.p99_ms > 0) add("limit.p99", fmt::format("{:.4g} ms", limits.p99_ms));
  if (limits.cpus > 0) add("limit.cpus", fmt::format("{:.3g}", limits.cpus));
  return text.empty() ? texts.say("none") : text;
}

VerdictWords describe_verdict(const TuneResult& result, const Texts& texts) {
  return {sentence_of(result, texts), reasons_of(result, texts), noise_of(result.noise, texts)};
}

}  // namespace attune
