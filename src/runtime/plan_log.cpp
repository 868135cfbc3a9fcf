#include "runtime/plan_log.h"

#include <fmt/format.h>

#include <string>

namespace attune {
namespace {

double mebibytes(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string describe_inputs(const Program& program, const Segment& segment) {
  std::string text;
  for (const int input : program.inputs) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", program.values[static_cast<size_t>(input)].name,
                        segment.shapes[static_cast<size_t>(input)].to_string());
  }
  return text.empty() ? "no inputs" : text;
}

/// ", 14 of them for 1 of 32 samples at a time"
std::string describe_groups(const Segment& segment) {
  std::string text;
  for (const PlannedGroup& group : segment.groups) {
    text +=
        fmt::format(", {} of them for {} of {} samples at a time", group.end - group.first, group.piece, group.samples);
  }
  return text;
}

}  // namespace

void log_plan(const Logger& logger, const Program& program, const Segment& segment, bool concurrent) {
  if (logger.enabled(LogSeverity::kInfo)) {
    ATTUNE_LOG(logger, kInfo, "Planned {}: {} steps to run{}, {:.2f} MiB of activations, {:.2f} MiB at least.{}",
               describe_inputs(program, segment), segment.steps.size(), describe_groups(segment),
               mebibytes(segment.region_bytes), mebibytes(segment.lower_bound),
               segment.is_last ? "" : " Later shapes depend on data: the rest is planned in each run.");
  }
  if (concurrent && segment.schedule.empty()) {
    ATTUNE_LOG(
        logger, kWarning,
        "execution_mode is ORT_PARALLEL, but no two steps of this model are independent: ORT_SEQUENTIAL does the "
        "same.");
  }
}

}  // namespace attune
