#include "session/session_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>

#include "base/cpu.h"

namespace attune {
namespace {

/// Constants that folding makes this much larger than the model's own are worth a warning.
constexpr int64_t kNoticeableGrowth = int64_t{16} << 20;

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string_view level_name(GraphOptimizationLevel level) {
  for (const OptionInfo& info : session_option_table()) {
    if (info.name != "graph_optimization_level") continue;
    for (const OptionChoice& choice : info.choices) {
      if (choice.value == static_cast<int64_t>(level)) return choice.name;
    }
  }
  return "";
}

/// Matrix products of types that only a plain loop computes, by type.
std::map<std::string_view, int> slow_products(const Program& program) {
  std::map<std::string_view, int> counts;
  for (const Step& step : program.steps) {
    if (!step.domain.empty() || (step.op_type != "MatMul" && step.op_type != "Gemm")) continue;
    const DataType type = program.values[static_cast<size_t>(step.outputs[0])].type;
    const bool loops = type == DataType::kDouble || type == DataType::kInt32 || type == DataType::kInt64 ||
                       type == DataType::kUint32 || type == DataType::kUint64;
    if (loops && !step.may_fold) ++counts[data_type_name(type)];
  }
  return counts;
}

/// Subgraphs share the constants that they read.
int64_t count_constant_bytes(const Graph& graph, std::unordered_set<const void*>& counted) {
  int64_t bytes = 0;
  for (const Value* value : graph.values()) {
    if (!value->is_constant() || !counted.insert(value->constant.raw()).second) continue;
    bytes += static_cast<int64_t>(value->constant.bytes());
  }
  for (const auto& node : graph.nodes()) {
    for (const auto& body : node->subgraphs()) bytes += count_constant_bytes(*body, counted);
  }
  return bytes;
}

}  // namespace

int64_t count_constant_bytes(const Graph& graph) {
  std::unordered_set<const void*> counted;
  return count_constant_bytes(graph, counted);
}

void log_model(const Logger& logger, std::string_view source, const Graph& graph, int64_t parameters) {
  if (!logger.enabled(LogSeverity::kInfo)) return;
  const ModelMetadata& model = graph.metadata;
  std::string opsets;
  for (const auto& [domain, version] : graph.opsets) {
    opsets += fmt::format("{}{} {}", opsets.empty() ? "" : ", ", domain.empty() ? "ai.onnx" : domain, version);
  }
  ATTUNE_LOG(logger, kInfo, "Loaded {}: graph '{}', {}, {} nodes, {} parameters, {} inputs, {} outputs, producer '{}'.",
             source, model.graph_name, opsets, graph.nodes().size(), parameters, graph.inputs().size(),
             graph.outputs().size(), model.producer_name);
}

void log_optimization(const Logger& logger, const SessionOptions& options, const OptimizeReport& report,
                      const Graph& graph, int64_t bytes_before) {
  std::string acted;
  double milliseconds = 0.0;
  for (const PassReport& pass : report.passes) {
    milliseconds += pass.milliseconds;
    if (pass.changes > 0) acted += fmt::format("{}{} {}", acted.empty() ? "" : ", ", pass.pass, pass.changes);
    ATTUNE_LOG_DETAIL(logger, 0, "Pass {}: {} changes in {} runs, {} refusals, {:.2f} ms.", pass.pass, pass.changes,
                      pass.runs, pass.refusals.size(), pass.milliseconds);
    for (const Refusal& refusal : pass.refusals) {
      ATTUNE_LOG_DETAIL(logger, 1, "Pass {} left {} alone: {}.", pass.pass, refusal.node, refusal.reason);
    }
  }
  ATTUNE_LOG(logger, kInfo, "Optimized at {} in {:.1f} ms: {} nodes became {}. Passes that acted: {}.",
             level_name(options.graph_optimization_level), milliseconds, report.nodes_before, report.nodes_after,
             acted.empty() ? "none" : acted);
  const int64_t bytes = count_constant_bytes(graph);
  if (bytes > bytes_before + std::max(bytes_before / 2, kNoticeableGrowth)) {
    ATTUNE_LOG(logger, kWarning,
               "Folding constants made them grow from {:.1f} to {:.1f} MiB; ORT_DISABLE_ALL keeps them as they are.",
               mebibytes(bytes_before), mebibytes(bytes));
  }
}

void log_program(const Logger& logger, const Program& program, int threads, double milliseconds) {
  if (logger.enabled(LogSeverity::kInfo)) {
    int64_t constants = 0;
    for (const ProgramValue& value : program.values) constants += static_cast<int64_t>(value.constant.bytes());
    const auto reorders =
        std::count_if(program.steps.begin(), program.steps.end(), [](const Step& step) { return step.def == nullptr; });
    ATTUNE_LOG(
        logger, kInfo,
        "Ready in {:.1f} ms: {} steps, {} of them changes of layout; {:.1f} MiB of packed weights, {:.1f} MiB of "
        "other constants; up to {} threads a run.",
        milliseconds, program.steps.size(), reorders, mebibytes(static_cast<int64_t>(program.packed_bytes)),
        mebibytes(constants), threads);
  }
  for (const auto& [type, count] : slow_products(program)) {
    ATTUNE_LOG(logger, kWarning,
               "{} matrix products are of type {}, which has no vector kernel: a plain loop computes them, many times "
               "slower than float.",
               count, type);
  }
}

void warn_of_options(const Logger& logger, const SessionOptions& options) {
  const int usable = usable_cpus();
  const auto warn = [&](std::string_view name, int threads) {
    if (threads <= usable) return;
    ATTUNE_LOG(logger, kWarning, "{} is {}, but this process may use {} CPUs: runs will be slower.", name, threads,
               usable);
  };
  warn("intra_op_num_threads", options.intra_op_num_threads);
  if (options.execution_mode == ExecutionMode::kParallel) warn("inter_op_num_threads", options.inter_op_num_threads);
}

void warn_of_other_model(const Logger& logger, const SessionOptions& options, FunctionRef<std::string()> hash) {
  const auto tuned = options.config_entries.find(kTunedModel);
  if (tuned == options.config_entries.end() || !logger.enabled(LogSeverity::kWarning)) return;
  if (tuned->second == hash()) return;
  ATTUNE_LOG(logger, kWarning, "The options were tuned for another model. Measure again with `attune tune`.");
}

}  // namespace attune
