// Runs a program.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "attune/tensor.h"
#include "base/log.h"
#include "base/parallel.h"
#include "plan/plan_cache.h"
#include "plan/program.h"
#include "runtime/profiler.h"
#include "runtime/region.h"
#include "runtime/thread_pool.h"

namespace attune {

/// What a run uses; everything outlives the run.
struct RunEnvironment {
  const Program& program;
  PlanCache& plans;
  RegionPool& regions;
  OutputBuffers& outputs;
  /// The threads of a step.
  Parallel& parallel;
  /// Runs independent steps at the same time, in lanes; null for one after another.
  RunThreads* lanes = nullptr;
  /// The most threads of any run of the session: what plans reserve scratch memory for.
  int threads = 1;
  Profiler* profiler = nullptr;                  ///< Null when profiling is off.
  const Logger* logger = nullptr;                ///< Null where nothing is logged.
  const std::atomic<bool>* terminate = nullptr;  ///< Looked at before each step; null when nobody can end the run.
};

/// Runs the steps in the program's order, or, with RunEnvironment::lanes, each as soon as its inputs are there, those
/// with the longest way to the end first; threads that no step needs help the operators of the others. `inputs` follow
/// Program::inputs and were checked against the model; their memory is only read. Returns Program::outputs, each in
/// memory of its own. Thread safety: any number of calls at once. Throws Error kFail naming the node that failed, with
/// its shapes.
std::vector<Tensor> run_program(const RunEnvironment& environment, std::span<const Tensor> inputs);

}  // namespace attune
