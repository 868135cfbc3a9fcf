// All that a run of the tuner knows, and its form as JSON: `tuned.json`, the file that reports, snippets and sessions
// start from. Names in the file are those of the members here; times are milliseconds, memory is bytes, shares and
// ratios are plain numbers (0.95, not 95). Ratios are always "candidate over default", of something of which less is
// better: below 1 the candidate is better, for throughput too, which is compared by the time an inference takes.
//
// Thread safety: values and pure functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// Raised whenever an older reader could misunderstand a file.
constexpr int kTunedSchema = 1;

/// What can be asked for, and what is compared between a candidate and the default. In the file by name.
enum class Objective : uint8_t {
  kLatency,     ///< "latency": time of an inference as one caller sees it, the median; over a mix of shapes, the
                ///< weighted mean of each shape's median.
  kP95,         ///< "p95": the time that 95 % of inferences keep to.
  kP99,         ///< "p99"
  kThroughput,  ///< "throughput": time that passes per inference while all callers work.
  kMemory,      ///< "memory": bytes held after the runs, beyond what the process had before it loaded the model.
  kPeak,        ///< "peak": the most bytes at once, in the same way.
  kCpu,         ///< "cpu": CPU time of all threads per inference.
};
constexpr int kObjectives = 7;
std::string_view objective_name(Objective objective);
/// Throws Error(kInvalidArgument), listing the names.
Objective objective_of(std::string_view name);

// What was measured, and on what.

struct TunedModel {
  std::string path;  ///< As given.
  std::string xxh3_128;
  uint64_t bytes = 0;
};

struct TunedEngine {
  std::string name;     ///< "attune", "onnxruntime"
  std::string version;  ///< Of the engine.
};

struct TunedMachine {
  std::string cpu;  ///< "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"
  int cpus = 0;     ///< That the affinity mask allows.
  int usable_cpus = 0;
  int physical_cores = 0;
  double quota_cpus = 0;  ///< The container's; 0 for none.
  uint64_t memory_bytes = 0;
};

/// The settings hold for this model under this engine on this machine.
struct TunedFingerprint {
  TunedModel model;
  TunedEngine engine;
  TunedMachine machine;
};

struct LoadInput {
  std::string name;
  std::string type;  ///< "float"
  std::vector<int64_t> shape;
};

/// One set of inputs of the mix.
struct LoadSet {
  std::vector<LoadInput> inputs;
  int weight = 1;      ///< How often it comes up, beside the others' weights.
  std::string source;  ///< "random", or the file.
};

struct TunedLoad {
  std::vector<LoadSet> sets;
  int callers = 1;  ///< Threads that run inferences at the same time by default; a candidate may have others.
};

/// Limits that a recommendation keeps; 0 for none.
struct TunedLimits {
  double peak_bytes = 0;
  double p99_ms = 0;
  double cpus = 0;  ///< CPU time over time while all callers work.
};

// What came out.

/// A ratio with the interval that holds the true one with the stated confidence.
struct Estimate {
  double ratio = 1;
  double low = 1;
  double high = 1;
  int pairs = 0;       ///< Pairs of processes, each of which gave one ratio; degrees of freedom of a regression.
  std::string method;  ///< "signed-rank", "student-t", "regression" (tune/estimate.h); empty when nothing is known.

  bool is_known() const { return !method.empty(); }
};

/// Times of single inferences of a trial.
struct TimeDistribution {
  int64_t count = 0;
  double mean = 0;
  double median = 0;
  double p95 = 0;
  double p99 = 0;
  std::vector<double> quantiles;  ///< At 0, 5, ... 100 %: 21 numbers.
};

/// One process under one setting.
struct TrialFacts {
  double load_ms = 0;
  int threads = 0;
  TimeDistribution run_ms;
  double latency_ms = 0;  ///< Objective::kLatency.
  double period_ms = 0;   ///< Objective::kThroughput; inferences a second are 1000 over it.
  double cpu_ms = 0;      ///< An inference.
  double held_bytes = 0;
  double peak_bytes = 0;
};

enum class Phase : uint8_t {
  kBaseline,  ///< "baseline": the default beside itself.
  kLevels,    ///< "levels": one option at a time.
  kDesign,    ///< "design": the fractional factorial, for effects and interactions.
  kRace,      ///< "race": the promising ones, until one is left.
  kConfirm,   ///< "confirm": the winner, in new processes whose data decided nothing before.
};

/// The candidate and the default in a process each, measured in alternating rounds.
struct PairFacts {
  Phase phase = Phase::kLevels;
  double at_seconds = 0;  ///< Since the run began.
  int rounds = 0;
  TrialFacts candidate;
  TrialFacts reference;                  ///< The default; it may serve several pairs.
  std::map<std::string, double> ratios;  ///< By objective name; of times, the median over the rounds.
};

enum class Outcome : uint8_t {
  kMeasured,     ///< "measured": to the end of what the search had in mind for it.
  kDropped,      ///< "dropped": out of the race, worse than another one beyond doubt.
  kDiffers,      ///< "differs": gives other outputs than the default.
  kFailed,       ///< "failed": does not load or run, crashes or hangs.
  kBeyondLimit,  ///< "beyond_limit": breaks one of the limits.
  kNotMeasured,  ///< "not_measured": the time was over.
};

struct CandidateFacts {
  nlohmann::json settings = nlohmann::json::object();  ///< All that is set, the base included.
  nlohmann::json changes = nlohmann::json::object();   ///< Those that the default has not.
  int callers = 1;
  Outcome outcome = Outcome::kNotMeasured;
  std::string reason;  ///< In words, for all outcomes but kMeasured.
  std::vector<PairFacts> pairs;
  std::map<std::string, Estimate> ratios;  ///< By objective name, over all pairs; confirmations are apart.
};

/// A level of an option: what it sets.
struct EffectTerm {
  std::string option;                                  ///< Name of the factor: "intra_op_num_threads".
  nlohmann::json settings = nlohmann::json::object();  ///< {"intra_op_num_threads": 4}
};

/// What a change does on the average of the others' levels; of two terms, what both do together beyond the product of
/// what each does.
struct OptionEffect {
  std::vector<EffectTerm> terms;                  ///< One or two.
  Estimate ratio;                                 ///< Of the objective.
  bool is_active = false;                         ///< Beyond doubt, all effects of the design considered.
  std::vector<std::vector<std::string>> aliases;  ///< Pairs of options whose interaction would look the same.
};

struct DesignFacts {
  std::string name;  ///< "2^(5-1), resolution V"; empty when there was no time for one.
  int runs = 0;
  int resolution = 0;
  double noise = 0;  ///< Standard deviation of the logarithm of a run's ratio, as the regression leaves it.
  std::vector<OptionEffect> effects;
};

struct ThreadPoint {
  int threads = 0;
  int candidate = 0;
  double latency_ms = 0;
  double period_ms = 0;
  double cpu_ms = 0;
  Estimate ratio;  ///< Of the objective.
};

struct MemoryEvent {
  std::string name;  ///< "load", "run 1", "close": what begins.
  double at_ms = 0;
};

struct MemorySample {
  double at_ms = 0;
  double bytes = 0;  ///< Beyond what the process had before it loaded the model.
};

/// A process's memory over time.
struct MemoryTimeline {
  nlohmann::json settings = nlohmann::json::object();
  nlohmann::json contrast =
      nlohmann::json::object();  ///< What tells it from the others: {"enable_cpu_mem_arena": true}.
  std::vector<MemoryEvent> events;
  std::vector<MemorySample> samples;
};

struct NoiseFacts {
  double run_variation = 0;      ///< Of an inference's time in a process of the default: (p75 - p25) / median.
  double process_variation = 0;  ///< Standard deviation of the logarithm of ratios between processes of the default.
  Estimate itself;               ///< The default beside itself.
  double other_cpus = 0;         ///< CPUs that other processes kept busy while trials were measured.
  double stolen_share = 0;       ///< Of the CPUs' time, by the hypervisor for others.
  double throttled_share = 0;    ///< Of the time measured in which the container's quota held it up.
  double least_gain = 0;         ///< What can be told from noise with the pairs that there was time for.
  std::vector<std::string> findings;  ///< "variation", "other_load", "stolen", "throttled": what was too much.
};

struct ParetoPoint {
  int candidate = 0;
  double ratio = 1;  ///< Of the time-like objective: the one asked for, or latency when that is memory.
  double held_bytes = 0;
  double peak_bytes = 0;
};

/// One test of a chosen candidate in new processes.
struct Confirmation {
  int candidate = 0;
  std::vector<PairFacts> pairs;
  std::map<std::string, Estimate> ratios;
  bool is_passed = false;
  std::string reason;  ///< Why not.
};

enum class VerdictKind : uint8_t {
  kKeepDefault,   ///< "keep_default"
  kBetter,        ///< "better": confirmed to be better than the default by the objective.
  kLighter,       ///< "lighter": confirmed not to be worse, with less memory or CPU time.
  kWithinLimits,  ///< "within_limits": the default breaks a limit that this keeps.
  kNoneWithin,    ///< "none_within": nothing keeps the limits; the default is shown.
};

/// Why the default is kept, or what decided between equals.
enum class VerdictReason : uint8_t {
  kClear,          ///< "clear": the best by measurement.
  kFewerThreads,   ///< "fewer_threads": as good as the best, on fewer threads.
  kLessMemory,     ///< "less_memory": as good as the best, with less memory.
  kFewerChanges,   ///< "fewer_changes": as good as the best, closer to the default.
  kNothingBetter,  ///< "nothing_better"
  kNotConfirmed,   ///< "not_confirmed": something seemed better, not so in new processes.
  kNoTime,         ///< "no_time": the budget ended before anything could be confirmed.
  kInterrupted,    ///< "interrupted": the same by the user.
  kDefaultFailed,  ///< "default_failed": the default stopped working in the middle; see TuneResult::stopped_by.
};

struct Verdict {
  VerdictKind kind = VerdictKind::kKeepDefault;
  VerdictReason reason = VerdictReason::kNothingBetter;
  int candidate = 0;
  nlohmann::json settings = nlohmann::json::object();  ///< What to use: the default's when it is kept.
  nlohmann::json changes = nlohmann::json::object();
  int callers = 1;
  std::map<std::string, Estimate> ratios;  ///< As confirmed; empty when the default is kept.
};

struct TuneResult {
  int schema = kTunedSchema;
  std::string created;  ///< "2026-11-30T13:20:00Z"
  TunedFingerprint fingerprint;
  TunedLoad load;
  Objective objective = Objective::kLatency;
  TunedLimits limits;
  double confidence = 0.95;
  double least_gain = 0.02;  ///< A smaller gain is not worth a setting.
  double budget_seconds = 0;
  double used_seconds = 0;
  int trials = 0;  ///< Processes started.
  bool is_interrupted = false;
  std::string stopped_by;  ///< An error that ended the search early; empty otherwise.

  nlohmann::json default_settings = nlohmann::json::object();
  TrialFacts reference;                    ///< The default: medians over its trials.
  std::vector<CandidateFacts> candidates;  ///< The first is the default, measured beside itself.
  NoiseFacts noise;
  DesignFacts design;
  std::vector<ThreadPoint> threads;  ///< By number; everything else as the default.
  std::vector<MemoryTimeline> memory;
  std::vector<ParetoPoint> pareto;  ///< By rising time: nothing else is both faster and smaller.
  std::vector<Confirmation> confirmations;
  Verdict verdict;
};

nlohmann::json to_json(const TuneResult& result);

/// Parts by themselves, in the same form; reading throws nlohmann's exceptions.
nlohmann::json pair_to_json(const PairFacts& pair);
PairFacts pair_of(const nlohmann::json& pair);
nlohmann::json timeline_to_json(const MemoryTimeline& timeline);
MemoryTimeline timeline_of(const nlohmann::json& timeline);

/// Members that the file lacks keep their defaults, members that it has beyond these are ignored. Throws
/// Error(kInvalidArgument), naming the member, for a file of a later schema, or one that is not of this form.
TuneResult tune_result_of(const nlohmann::json& file);

/// Throw Error(kRuntimeException) or (kNoSuchFile) naming the path. Writing replaces the file at once or not at all.
void write_tune_result(const std::filesystem::path& path, const TuneResult& result);
TuneResult read_tune_result(const std::filesystem::path& path);

/// The settings of `settings` that `base` has not, or has otherwise.
nlohmann::json settings_beyond(const nlohmann::json& settings, const nlohmann::json& base);

}  // namespace attune
