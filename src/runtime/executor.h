// Runs a program.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "attune/tensor.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/stop_signal.h"
#include "plan/plan_cache.h"
#include "plan/program.h"
#include "runtime/profiler.h"
#include "runtime/region.h"
#include "runtime/run_part.h"
#include "runtime/thread_pool.h"

namespace attune {

/// What a run uses; everything outlives the run.
struct RunEnvironment {
  const Program& program;
  PlanCache& plans;
  RegionPool& regions;
  OutputBuffers& outputs;
  /// Memory of what subgraphs give to their nodes.
  OutputBuffers& subgraph_outputs;
  /// The threads of a step.
  Parallel& parallel;
  /// Runs independent steps at the same time, in lanes; null for one after another.
  RunThreads* lanes = nullptr;
  /// The most threads of any run of the session: what plans reserve scratch memory for.
  int threads = 1;
  /// What regions of a run may take together.
  size_t most_region_bytes = SIZE_MAX;
  Profiler* profiler = nullptr;      ///< Null when profiling is off.
  const Logger* logger = nullptr;    ///< Null where nothing is logged.
  const StopSignal* stop = nullptr;  ///< Looked at before each step; null when nobody can end the run.
  /// Memory for outputs, by their place in Program::outputs: aligned to kRegionAlignment, apart from all inputs. An
  /// empty tensor, or none, lets the run allocate.
  std::span<const Tensor> targets = {};
  /// What is to be computed; null for everything. Where sizes depend on data all steps run up to the last of those that
  /// they depend on; outputs that are not wanted are undefined.
  const RunPart* part = nullptr;
  /// A subgraph's run, inside the run of the graph around it: it hands on inputs that it gives unchanged.
  bool is_subgraph = false;
};

/// Runs the steps in the program's order, or, with RunEnvironment::lanes, each as soon as its inputs are there, those
/// with the longest way to the end first; threads that no step needs help the operators of the others. `inputs` follow
/// Program::inputs and were checked against the model; their memory is only read. Steps run their subgraphs in their
/// own thread, one step of them after another. Returns Program::outputs, each in memory of its own. Thread safety: any
/// number of calls at once. Throws Error kFail naming the node that failed, with its shapes.
std::vector<Tensor> run_program(const RunEnvironment& environment, std::span<const Tensor> inputs);

/// Throws Error(kInvalidArgument) unless an output of this type and shape fits into `target`.
void check_target(std::string_view name, const Tensor& target, DataType type, const Shape& shape);

}  // namespace attune
