#include "optimize/optimize.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "attune/error.h"
#include "ops/op_def.h"
#include "optimize/inference.h"
#include "optimize/passes.h"
#include "optimize/rewriter.h"
#include "optimize/subgraphs.h"

namespace attune {
namespace {

using optimize::Pass;
using optimize::Rewriter;
using optimize::Stage;

/// A stage's passes feed each other for a few rounds; more means that two of them undo each other's work.
constexpr int kMostRounds = 8;

class Optimizer {
 public:
  Optimizer(Graph& graph, OptimizationLevel level, const OptimizeContext& context)
      : graph_(graph), level_(level), context_(context) {}

  void run() {
    // Before version 7 the same names mean other operators: B was broadcast from an axis on.
    const auto opset = graph_.opsets.find("");
    if (opset != graph_.opsets.end() && opset->second < 7) return;
    for (const Stage& stage : optimize::stages()) {
      for (int round = 0; round < kMostRounds; ++round) {
        int changes = 0;
        for (const Pass& pass : stage) {
          if (is_wanted(pass)) changes += run_pass(pass);
        }
        if (changes == 0) break;
      }
    }
  }

 private:
  bool is_wanted(const Pass& pass) const {
    return pass.level <= level_ &&
           std::find(context_.disabled.begin(), context_.disabled.end(), pass.name) == context_.disabled.end();
  }

  int run_pass(const Pass& pass) {
    const auto start = std::chrono::steady_clock::now();
    Rewriter rewriter(graph_, context_);
    try {
      pass.run(rewriter);
      rewriter.finish();
      const bool verifies = context_.verify && rewriter.changes() > 0;
      if (verifies) graph_.check();
      if (verifies || rewriter.wants_inference()) optimize::infer_known(graph_);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("Optimization pass '{}': {}", pass.name, error.text()));
    }
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    if (context_.report != nullptr) log(pass, rewriter, time.count());
    return rewriter.changes();
  }

  void log(const Pass& pass, Rewriter& rewriter, double milliseconds) {
    auto& reports = context_.report->passes;
    auto entry = std::find_if(reports.begin(), reports.end(), [&](const PassReport& r) { return r.pass == pass.name; });
    if (entry == reports.end()) entry = reports.insert(reports.end(), PassReport{.pass = pass.name});
    ++entry->runs;
    entry->changes += rewriter.changes();
    entry->milliseconds += milliseconds;
    for (std::string& change : rewriter.take_described()) entry->described.push_back(std::move(change));
    // The last round sees the graph as it stays: what it refuses is what was refused for good.
    entry->refusals = rewriter.take_refusals();
  }

  Graph& graph_;
  OptimizationLevel level_;
  const OptimizeContext& context_;
};

/// A graph first, then what its nodes run: those learn of shapes and constants around them.
void optimize_all(Graph& graph, OptimizationLevel level, const OptimizeContext& context) {
  optimize::bring_in_constants(graph);
  optimize::infer_known(graph);
  if (level != OptimizationLevel::kNone) Optimizer(graph, level, context).run();
  optimize::bring_in_constants(graph);
  for (const auto& node : graph.nodes()) {
    for (const auto& body : node->subgraphs()) optimize_all(*body, level, context);
  }
  if (level != OptimizationLevel::kNone) optimize::drop_unread(graph);
}

}  // namespace

bool has_operator(std::string_view domain, std::string_view name, int version) {
  return find_op(domain, name, version) != nullptr;
}

void optimize_graph(Graph& graph, OptimizationLevel level, const OptimizeContext& context) {
  if (context.report != nullptr) *context.report = {};
  const int before = optimize::count_nodes(graph);
  optimize_all(graph, level, context);
  if (context.report != nullptr) {
    context.report->nodes_before = before;
    context.report->nodes_after = optimize::count_nodes(graph);
  }
}

std::vector<PassInfo> pass_infos() {
  std::vector<PassInfo> infos;
  for (const Stage& stage : optimize::stages()) {
    for (const Pass& pass : stage) {
      const auto same =
          std::find_if(infos.begin(), infos.end(), [&](const PassInfo& i) { return i.name == pass.name; });
      if (same == infos.end()) {
        infos.push_back({pass.name, pass.level, optimize::purpose_of(pass.name)});
      } else {
        same->level = std::min(same->level, pass.level);
      }
    }
  }
  return infos;
}

}  // namespace attune
