#include "profile_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "kernels/machine_peak.h"
#include "kernels/simd.h"
#include "runtime/thread_pool.h"

namespace attune {
namespace {

using nlohmann::json;

/// The run of the middle length.
size_t median_run(const Trace& trace) {
  std::vector<size_t> order(trace.run_times.size());
  for (size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return trace.run_times[a].length_us < trace.run_times[b].length_us; });
  return order.empty() ? 0 : order[order.size() / 2];
}

/// Threads by when they first appear, the callers first.
std::vector<int64_t> list_threads(const Trace& trace) {
  std::vector<int64_t> threads;
  const auto add = [&](int64_t thread) {
    if (std::find(threads.begin(), threads.end(), thread) == threads.end()) threads.push_back(thread);
  };
  for (const RunTime& run : trace.run_times) add(run.thread);
  for (const RunTime& run : trace.run_times) {
    for (const NodeEvent& event : run.events) add(event.thread);
  }
  return threads;
}

}  // namespace

MachinePeak measure_machine(int threads) {
  RunThreads parallel(ThreadPool::shared(), threads);
  return {.threads = threads,
          .gflops = kernels::measure_peak_gflops(parallel),
          .gbs = kernels::measure_bandwidth_gbs(parallel),
          .target = std::string(kernels::target_name())};
}

const NodeReport* find_planned(const PlanReport& plan, const Trace& trace, size_t position) {
  if (position >= plan.nodes.size()) return nullptr;
  const NodeReport& planned = plan.nodes[position];
  return planned.op_type == trace.nodes[position].op_type ? &planned : nullptr;
}

Page make_profile_page(const std::string& model, const std::string& description, const Trace& trace,
                       const PlanReport& plan, const MachinePeak& machine) {
  json nodes = json::array();
  std::map<int, size_t> node_places;
  for (size_t k = 0; k < trace.nodes.size(); ++k) {
    const NodeTime& node = trace.nodes[k];
    const NodeReport* planned = find_planned(plan, trace, k);
    node_places[node.index] = nodes.size();
    nodes.push_back({{"name", node.name},
                     {"op", node.op_type},
                     {"inputs", node.input_shapes},
                     {"output", node.output_shape},
                     {"calls", node.calls},
                     {"total_ms", node.total_ms},
                     {"flops", planned != nullptr ? planned->flops : 0.0},
                     {"bytes", node.bytes},
                     {"live_bytes", planned != nullptr ? planned->live_bytes : 0}});
  }
  const std::vector<int64_t> threads = list_threads(trace);
  const size_t median = median_run(trace);
  json runs = json::array();
  size_t left = kMostEvents;
  for (size_t k = 0; k < trace.run_times.size(); ++k) {
    const RunTime& run = trace.run_times[k];
    json events = json::array();
    if (k == median || run.events.size() <= left) {
      for (const NodeEvent& event : run.events) {
        const auto thread = std::find(threads.begin(), threads.end(), event.thread) - threads.begin();
        const auto node = node_places.find(event.node);
        if (node == node_places.end()) continue;
        events.push_back({thread, node->second, event.start_us - run.start_us, event.length_us, event.helps ? 1 : 0});
      }
      left -= std::min(left, run.events.size());
    }
    runs.push_back({{"us", run.length_us}, {"events", events}});
  }
  return {.title = fmt::format("Profile of {}", model),
          .body = profile_body(),
          .script = profile_script(),
          .data = {{"model", model},
                   {"description", description},
                   {"machine",
                    {{"threads", machine.threads},
                     {"gflops", machine.gflops},
                     {"gbs", machine.gbs},
                     {"target", machine.target}}},
                   {"region_bytes", plan.region_bytes},
                   {"threads", threads},
                   {"nodes", nodes},
                   {"runs", runs}}};
}

}  // namespace attune
