// The one table of session options: Python's properties, the command's flags and docs/options.md come from here.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "attune/error.h"
#include "attune/options.h"

namespace attune {
namespace {

constexpr std::array kExecutionModes = {OptionChoice{"ORT_SEQUENTIAL", 0}, OptionChoice{"ORT_PARALLEL", 1}};
constexpr std::array kOptimizationLevels = {OptionChoice{"ORT_DISABLE_ALL", 0}, OptionChoice{"ORT_ENABLE_BASIC", 1},
                                            OptionChoice{"ORT_ENABLE_EXTENDED", 2},
                                            OptionChoice{"ORT_ENABLE_LAYOUT", 3}, OptionChoice{"ORT_ENABLE_ALL", 99}};

// More threads than this are a mistake, not a wish.
constexpr int64_t kMostThreads = 1024;

using Member = std::variant<bool SessionOptions::*, int SessionOptions::*, std::string SessionOptions::*,
                            ExecutionMode SessionOptions::*, GraphOptimizationLevel SessionOptions::*>;

struct Row {
  OptionInfo info;
  Member member;
};

OptionInfo boolean(std::string_view name, OptionGroup group, bool fallback, std::string_view help) {
  return {.name = name, .type = OptionType::kBool, .group = group, .default_value = fallback, .help = help};
}

OptionInfo integer(std::string_view name, OptionGroup group, int64_t fallback, int64_t least, int64_t most,
                   std::string_view help) {
  return {.name = name,
          .type = OptionType::kInt,
          .group = group,
          .default_value = fallback,
          .least = least,
          .most = most,
          .help = help};
}

OptionInfo text(std::string_view name, std::string_view fallback, std::string_view help) {
  return {.name = name,
          .type = OptionType::kString,
          .group = OptionGroup::kBehaviour,
          .default_value = std::string(fallback),
          .help = help};
}

OptionInfo choice(std::string_view name, int64_t fallback, std::span<const OptionChoice> choices,
                  std::string_view help) {
  return {.name = name,
          .type = OptionType::kEnum,
          .group = OptionGroup::kPerformance,
          .default_value = fallback,
          .choices = choices,
          .help = help};
}

const std::vector<Row>& rows() {
  constexpr auto kPerformance = OptionGroup::kPerformance;
  constexpr auto kBehaviour = OptionGroup::kBehaviour;
  static const std::vector<Row> table = {
      {boolean("enable_cpu_mem_arena", kPerformance, true,
               "Keeps the memory of intermediate tensors between runs. Off, it goes back to the system after each run: "
               "a process that rarely runs holds less, each run pays for fresh pages. The peak is the same."),
       &SessionOptions::enable_cpu_mem_arena},
      {boolean("enable_mem_pattern", kBehaviour, true,
               "Accepted for compatibility: memory is always planned ahead, for any shapes."),
       &SessionOptions::enable_mem_pattern},
      {boolean("enable_mem_reuse", kBehaviour, true,
               "Accepted for compatibility: tensors whose lives don't overlap always share memory."),
       &SessionOptions::enable_mem_reuse},
      {choice(
           "execution_mode", 0, kExecutionModes,
           "ORT_SEQUENTIAL runs one node after another on all threads, best for almost every model. ORT_PARALLEL runs "
           "independent nodes at the same time, those on the longest way to the end first; threads that no node needs "
           "help the others. It pays for wide graphs of small nodes, costs nothing on a chain, and needs more memory."),
       &SessionOptions::execution_mode},
      {integer("intra_op_num_threads", kPerformance, 0, 0, kMostThreads,
               "Threads that one run may use, the caller included. 0 chooses: the smallest of the affinity mask, the "
               "container's CPU quota and the physical cores. Small models are often faster with fewer; services that "
               "run many requests at once get the most out of 1."),
       &SessionOptions::intra_op_num_threads},
      {integer(
           "inter_op_num_threads", kPerformance, 0, 0, kMostThreads,
           "Nodes that run at the same time in ORT_PARALLEL; 0 chooses as for intra_op_num_threads. Without effect in "
           "ORT_SEQUENTIAL."),
       &SessionOptions::inter_op_num_threads},
      {choice(
           "graph_optimization_level", 99, kOptimizationLevels,
           "How far the graph is rewritten. Keep ORT_ENABLE_ALL; a lower level is for finding out whether a rewriting "
           "changes a result, and loads a little faster."),
       &SessionOptions::graph_optimization_level},
      {boolean("enable_profiling", kBehaviour, false,
               "Writes a trace of every node's time, for chrome://tracing and Perfetto."),
       &SessionOptions::enable_profiling},
      {text("profile_file_prefix", "onnxruntime_profile_", "Begins the trace's file name; the time follows."),
       &SessionOptions::profile_file_prefix},
      {text("optimized_model_filepath", "",
            "Where to write the optimized model, in standard operators: what was folded, merged and moved stays so, "
            "fused "
            "operators are spelled out and fused again when the file is loaded. onnxruntime reads it too. Initializers "
            "beyond 1.9 GiB go to a second file, named alike with .data behind it."),
       &SessionOptions::optimized_model_filepath},
      {integer("log_severity_level", kBehaviour, -1, -1, 4,
               "The least severe log line that is written: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal; -1 follows "
               "the default logger, which writes warnings."),
       &SessionOptions::log_severity_level},
      {integer("log_verbosity_level", kBehaviour, 0, 0, 100, "Detail of verbose lines."),
       &SessionOptions::log_verbosity_level},
      {text("logid", "", "Names the session in log lines."), &SessionOptions::logid},
      {boolean("use_deterministic_compute", kBehaviour, false,
               "Accepted for compatibility: results are always the same bits for the same input."),
       &SessionOptions::use_deterministic_compute},
  };
  return table;
}

const Row& find_row(std::string_view name) {
  const auto row = std::find_if(rows().begin(), rows().end(), [&](const Row& r) { return r.info.name == name; });
  if (row != rows().end()) return *row;
  const std::string_view nearest = nearest_option(name);
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("SessionOptions has no option '{}'.{}", name,
                          nearest.empty() ? "" : fmt::format(" Did you mean '{}'?", nearest)));
}

[[noreturn]] void throw_value(const OptionInfo& info, std::string_view why) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("Invalid value for option '{}': {}", info.name, why));
}

void check_range(const OptionInfo& info, int64_t value) {
  if (info.type == OptionType::kInt && (value < info.least || value > info.most)) {
    throw_value(info, fmt::format("{} is not between {} and {}.", value, info.least, info.most));
  }
  if (info.type != OptionType::kEnum) return;
  const auto& choices = info.choices;
  if (std::none_of(choices.begin(), choices.end(), [&](const OptionChoice& c) { return c.value == value; })) {
    throw_value(info, fmt::format("{} is none of its choices.", value));
  }
}

int64_t as_number(const OptionInfo& info, const OptionValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* name = std::get_if<std::string>(&value); name != nullptr && info.type == OptionType::kEnum) {
    for (const OptionChoice& option_choice : info.choices) {
      if (option_choice.name == *name) return option_choice.value;
    }
    throw_value(info, fmt::format("'{}' is none of its choices.", *name));
  }
  throw_value(info, "a number is needed.");
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const OptionInfo> session_option_table() {
  static const std::vector<OptionInfo> table = [] {
    std::vector<OptionInfo> infos;
    for (const Row& row : rows()) infos.push_back(row.info);
    return infos;
  }();
  return table;
}

std::string_view nearest_option(std::string_view name) {
  std::string_view nearest;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const Row& row : rows()) {
    const size_t distance = edit_distance(name, row.info.name);
    if (distance < least) {
      least = distance;
      nearest = row.info.name;
    }
  }
  return nearest;
}

void set_option(SessionOptions& options, std::string_view name, const OptionValue& value) {
  const Row& row = find_row(name);
  const OptionInfo& info = row.info;
  if (const auto* flag = std::get_if<bool SessionOptions::*>(&row.member)) {
    const auto* wanted = std::get_if<bool>(&value);
    if (wanted == nullptr) throw_value(info, "a boolean is needed.");
    options.*(*flag) = *wanted;
  } else if (const auto* string = std::get_if<std::string SessionOptions::*>(&row.member)) {
    const auto* wanted = std::get_if<std::string>(&value);
    if (wanted == nullptr) throw_value(info, "a string is needed.");
    options.*(*string) = *wanted;
  } else {
    const int64_t number = as_number(info, value);
    check_range(info, number);
    if (const auto* plain = std::get_if<int SessionOptions::*>(&row.member)) {
      options.*(*plain) = static_cast<int>(number);
    } else if (const auto* mode = std::get_if<ExecutionMode SessionOptions::*>(&row.member)) {
      options.*(*mode) = static_cast<ExecutionMode>(number);
    } else {
      options.*std::get<GraphOptimizationLevel SessionOptions::*>(row.member) =
          static_cast<GraphOptimizationLevel>(number);
    }
  }
}

OptionValue get_option(const SessionOptions& options, std::string_view name) {
  return std::visit(
      [&](auto member) -> OptionValue {
        using T = std::remove_cvref_t<decltype(options.*member)>;
        if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::string>) {
          return options.*member;
        } else {
          return static_cast<int64_t>(options.*member);
        }
      },
      find_row(name).member);
}

void validate(const SessionOptions& options) {
  for (const Row& row : rows()) {
    const OptionValue value = get_option(options, row.info.name);
    if (const auto* number = std::get_if<int64_t>(&value)) check_range(row.info, *number);
  }
  for (const auto& [name, size] : options.free_dimension_overrides) {
    if (size < 0) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("Free dimension override '{}' is negative.", name));
    }
  }
}

}  // namespace attune
