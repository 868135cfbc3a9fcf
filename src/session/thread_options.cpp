#include "session/thread_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string>

#include "attune/error.h"
#include "base/cpu.h"

namespace attune {
namespace {

constexpr char kAffinities[] = "session.intra_op_thread_affinities";

// More processors than this are a mistake; a range of them would be memory, too.
constexpr int kMostProcessors = 1 << 16;

[[noreturn]] void throw_affinities(std::string_view text, std::string_view why) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("Config entry '{}' is '{}': {}", kAffinities, text, why));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

int parse_processor(std::string_view text, std::string_view word) {
  int number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size()) {
    throw_affinities(text, fmt::format("'{}' is not the number of a processor.", word));
  }
  if (number < 1 || number > kMostProcessors) {
    throw_affinities(text, fmt::format("processors are numbered from 1 to {}, {} is none.", kMostProcessors, number));
  }
  return number;
}

std::vector<int> parse_set(std::string_view text, std::string_view set) {
  std::vector<int> cpus;
  if (set.empty()) throw_affinities(text, "a thread has no processor.");
  if (const size_t dash = set.find('-'); dash != std::string_view::npos) {
    const int first = parse_processor(text, set.substr(0, dash));
    const int last = parse_processor(text, set.substr(dash + 1));
    if (first > last) throw_affinities(text, fmt::format("the range {} runs backwards.", set));
    for (int processor = first; processor <= last; ++processor) cpus.push_back(processor - 1);
    return cpus;
  }
  for (const std::string_view word : split(set, ',')) cpus.push_back(parse_processor(text, word) - 1);
  return cpus;
}

int thread_count(int option) { return option > 0 ? option : default_thread_count(); }

}  // namespace

bool config_flag(const SessionOptions& options, const char* key, bool fallback) {
  const auto entry = options.config_entries.find(key);
  return entry == options.config_entries.end() ? fallback : entry->second != "0";
}

RunLimits run_limits(const SessionOptions& options) {
  const bool is_parallel = options.execution_mode == ExecutionMode::kParallel;
  return {.threads = thread_count(options.intra_op_num_threads),
          .may_spin = config_flag(options, "session.intra_op.allow_spinning", true),
          .lanes = is_parallel ? thread_count(options.inter_op_num_threads) : 1,
          .lanes_may_spin = config_flag(options, "session.inter_op.allow_spinning", true)};
}

std::vector<std::vector<int>> parse_affinities(std::string_view text, int helpers) {
  std::vector<std::vector<int>> sets;
  // onnxruntime takes a separator at the end, too.
  const std::string_view list = text.ends_with(';') ? text.substr(0, text.size() - 1) : text;
  for (const std::string_view set : split(list, ';')) sets.push_back(parse_set(text, set));
  if (static_cast<int>(sets.size()) != helpers) {
    throw_affinities(text, fmt::format("it names the processors of {} threads, but intra_op_num_threads {} needs {}: "
                                       "one set for each thread except the one that calls run.",
                                       sets.size(), helpers + 1, helpers));
  }
  return sets;
}

std::unique_ptr<ThreadPool> make_own_pool(const SessionOptions& options, const RunLimits& limits,
                                          const Logger& logger) {
  const auto entry = options.config_entries.find(kAffinities);
  if (entry == options.config_entries.end() || entry->second.empty() || limits.threads == 1) return nullptr;
  std::vector<std::vector<int>> sets = parse_affinities(entry->second, limits.threads - 1);
  const std::vector<int> usable = affinity_cpus();
  std::vector<int> missing;
  for (const std::vector<int>& set : sets) {
    for (const int cpu : set) {
      if (!std::binary_search(usable.begin(), usable.end(), cpu)) missing.push_back(cpu + 1);
    }
  }
  if (!missing.empty()) {
    std::sort(missing.begin(), missing.end());
    missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
    ATTUNE_LOG(logger, kWarning, "{} names processors that this process may not use, and does without them: {}",
               kAffinities, fmt::join(missing, ", "));
  }
  return std::make_unique<ThreadPool>(std::move(sets));
}

}  // namespace attune
