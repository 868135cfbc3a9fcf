#include "tune/result.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "attune/error.h"

namespace attune {

using nlohmann::json;

namespace {

constexpr std::array<std::string_view, kObjectives> kObjectiveNames = {"latency", "p95",  "p99", "throughput",
                                                                       "memory",  "peak", "cpu"};

}  // namespace

std::string_view objective_name(Objective objective) { return kObjectiveNames.at(static_cast<size_t>(objective)); }

Objective objective_of(std::string_view name) {
  for (size_t k = 0; k < kObjectiveNames.size(); ++k) {
    if (kObjectiveNames[k] == name) return static_cast<Objective>(k);
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no objective; these are: {}.", name, fmt::join(kObjectiveNames, ", ")));
}

// The library's macros write and read the members named; a member that a file lacks keeps its default.

NLOHMANN_JSON_SERIALIZE_ENUM(Phase, {{Phase::kLevels, "levels"},
                                     {Phase::kBaseline, "baseline"},
                                     {Phase::kDesign, "design"},
                                     {Phase::kRace, "race"},
                                     {Phase::kConfirm, "confirm"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Outcome, {{Outcome::kNotMeasured, "not_measured"},
                                       {Outcome::kMeasured, "measured"},
                                       {Outcome::kDropped, "dropped"},
                                       {Outcome::kDiffers, "differs"},
                                       {Outcome::kFailed, "failed"},
                                       {Outcome::kBeyondLimit, "beyond_limit"}})
NLOHMANN_JSON_SERIALIZE_ENUM(VerdictKind, {{VerdictKind::kKeepDefault, "keep_default"},
                                           {VerdictKind::kBetter, "better"},
                                           {VerdictKind::kLighter, "lighter"},
                                           {VerdictKind::kWithinLimits, "within_limits"},
                                           {VerdictKind::kNoneWithin, "none_within"}})
NLOHMANN_JSON_SERIALIZE_ENUM(VerdictReason, {{VerdictReason::kNothingBetter, "nothing_better"},
                                             {VerdictReason::kClear, "clear"},
                                             {VerdictReason::kFewerThreads, "fewer_threads"},
                                             {VerdictReason::kLessMemory, "less_memory"},
                                             {VerdictReason::kFewerChanges, "fewer_changes"},
                                             {VerdictReason::kNotConfirmed, "not_confirmed"},
                                             {VerdictReason::kNoTime, "no_time"},
                                             {VerdictReason::kInterrupted, "interrupted"},
                                             {VerdictReason::kDefaultFailed, "default_failed"}})

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TunedModel, path, xxh3_128, bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TunedEngine, name, version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TunedMachine, cpu, cpus, usable_cpus, physical_cores, quota_cpus,
                                                memory_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TunedFingerprint, model, engine, machine)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LoadInput, name, type, shape)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LoadSet, inputs, weight, source)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TunedLoad, sets, callers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TunedLimits, peak_bytes, p99_ms, cpus)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Estimate, ratio, low, high, pairs, method)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TimeDistribution, count, mean, median, p95, p99, quantiles)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TrialFacts, load_ms, threads, run_ms, latency_ms, period_ms, cpu_ms,
                                                held_bytes, peak_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PairFacts, phase, at_seconds, rounds, candidate, reference, ratios)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CandidateFacts, settings, changes, callers, outcome, reason, pairs,
                                                ratios)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(EffectTerm, option, settings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(OptionEffect, terms, ratio, is_active, aliases)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DesignFacts, name, runs, resolution, noise, effects)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ThreadPoint, threads, candidate, latency_ms, period_ms, cpu_ms, ratio)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MemoryEvent, name, at_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MemorySample, at_ms, bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MemoryTimeline, settings, contrast, events, samples)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NoiseFacts, run_variation, process_variation, itself, other_cpus,
                                                stolen_share, throttled_share, least_gain, findings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ParetoPoint, candidate, ratio, held_bytes, peak_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Confirmation, candidate, pairs, ratios, is_passed, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Verdict, kind, reason, candidate, settings, changes, callers, ratios)

namespace {

// Both ways in one list: `visit` is called with each member's name and place.
template <class Result, class Visit>
void visit_members(Result& result, const Visit& visit) {
  visit("created", result.created);
  visit("fingerprint", result.fingerprint);
  visit("load", result.load);
  visit("limits", result.limits);
  visit("confidence", result.confidence);
  visit("least_gain", result.least_gain);
  visit("budget_seconds", result.budget_seconds);
  visit("used_seconds", result.used_seconds);
  visit("trials", result.trials);
  visit("is_interrupted", result.is_interrupted);
  visit("stopped_by", result.stopped_by);
  visit("default_settings", result.default_settings);
  visit("reference", result.reference);
  visit("candidates", result.candidates);
  visit("noise", result.noise);
  visit("design", result.design);
  visit("threads", result.threads);
  visit("memory", result.memory);
  visit("pareto", result.pareto);
  visit("confirmations", result.confirmations);
  visit("verdict", result.verdict);
}

void check_candidate(int candidate, const TuneResult& result, std::string_view where) {
  if (candidate >= 0 && static_cast<size_t>(candidate) < std::max<size_t>(result.candidates.size(), 1)) return;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} names candidate {}, which is none.", where, candidate));
}

}  // namespace

json to_json(const TuneResult& result) {
  json file = {{"schema", result.schema}, {"objective", objective_name(result.objective)}};
  visit_members(result, [&](const char* name, const auto& member) { file[name] = member; });
  return file;
}

json pair_to_json(const PairFacts& pair) { return pair; }
PairFacts pair_of(const json& pair) { return pair.get<PairFacts>(); }
json timeline_to_json(const MemoryTimeline& timeline) { return timeline; }
MemoryTimeline timeline_of(const json& timeline) { return timeline.get<MemoryTimeline>(); }

TuneResult tune_result_of(const json& file) {
  if (!file.is_object() || !file.contains("schema") || !file.at("schema").is_number_integer()) {
    throw Error(ErrorCode::kInvalidArgument, "This is not what `attune tune` saves: it has no \"schema\".");
  }
  TuneResult result;
  result.schema = file.at("schema");
  if (result.schema > kTunedSchema) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("The settings were saved by a later version (schema {}, this one knows {}).", result.schema,
                            kTunedSchema));
  }
  const char* present = "objective";
  try {
    if (file.contains(present)) result.objective = objective_of(file.at(present).get<std::string>());
    visit_members(result, [&](const char* name, auto& member) {
      present = name;
      if (file.contains(name)) file.at(name).get_to(member);
    });
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("\"{}\" is not as expected: {}", present, error.what()));
  }
  check_candidate(result.verdict.candidate, result, "\"verdict\"");
  for (const ThreadPoint& point : result.threads) check_candidate(point.candidate, result, "\"threads\"");
  for (const ParetoPoint& point : result.pareto) check_candidate(point.candidate, result, "\"pareto\"");
  for (const Confirmation& test : result.confirmations) check_candidate(test.candidate, result, "\"confirmations\"");
  return result;
}

void write_tune_result(const std::filesystem::path& path, const TuneResult& result) {
  const auto fail = [&] {
    throw Error(ErrorCode::kRuntimeException,
                fmt::format("'{}' cannot be written: {}.", path.string(), std::generic_category().message(errno)));
  };
  // A special file, such as /dev/stdout, is written to; any other is replaced.
  std::error_code ignored;
  const bool replaces = !std::filesystem::exists(path, ignored) || std::filesystem::is_regular_file(path, ignored);
  std::filesystem::path target = path;
  if (replaces) target += ".new";
  {
    std::ofstream file(target, std::ios::trunc);
    if (!file) fail();
    file << to_json(result).dump(1, ' ', false, json::error_handler_t::replace) << '\n';
    file.close();
    if (!file) {
      const int reason = errno;
      if (replaces) std::filesystem::remove(target, ignored);
      errno = reason;
      fail();
    }
  }
  if (replaces) std::filesystem::rename(target, path);
}

TuneResult read_tune_result(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::kNoSuchFile, fmt::format("'{}' cannot be opened.", path.string()));
  const json content = json::parse(file, nullptr, false);
  if (content.is_discarded()) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not JSON.", path.string()));
  }
  try {
    return tune_result_of(content);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", path.string(), error.text()));
  }
}

json settings_beyond(const json& settings, const json& base) {
  json changes = json::object();
  for (const auto& [name, value] : settings.items()) {
    if (!base.contains(name) || base.at(name) != value) changes[name] = value;
  }
  return changes;
}

}  // namespace attune
