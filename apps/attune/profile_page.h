// The page of `attune profile`: where the time and the memory of a run go.
#pragma once

#include <string>

#include "attune/session.h"
#include "report/page.h"
#include "trace.h"

namespace attune {

/// What the machine can do at best, and on how many threads.
struct MachinePeak {
  int threads = 1;
  double gflops = 0;
  double gbs = 0;
  std::string target;  ///< The instruction set.
};

/// Measures the machine as the session uses it; takes a fifth of a second.
MachinePeak measure_machine(int threads);

/// What the plan says of `trace.nodes[position]`; null where it does not reach it. Both list the steps that run, in the
/// program's order: what binding computes is in neither.
const NodeReport* find_planned(const PlanReport& plan, const Trace& trace, size_t position);

/// The page's data: {"model", "description", "machine", "region_bytes", "threads": [id, the caller's first],
/// "nodes": [{"name", "op", "inputs", "output", "calls", "total_ms", "flops", "bytes", "live_bytes"}],
/// "runs": [{"us", "events": [[thread, node, start, length, helps]]}]}; events refer to places in the two lists, and
/// their times begin with the run. Events of many runs would make the page slow: runs beyond kMostEvents have none,
/// except the median one.
Page make_profile_page(const std::string& model, const std::string& description, const Trace& trace,
                       const PlanReport& plan, const MachinePeak& machine);

constexpr size_t kMostEvents = 20'000;

}  // namespace attune
