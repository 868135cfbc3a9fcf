#include "profile_page.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

/// `runs` runs of 10, 20, 30, ... us, each with node 4 in its caller and in a helper.
Trace trace_of(int runs, int events) {
  Trace trace;
  trace.nodes.push_back({.name = "n",
                         .op_type = "Conv",
                         .index = 4,
                         .calls = runs,
                         .total_ms = 1.5,
                         .input_shapes = "2",
                         .output_shape = "3",
                         .bytes = 64});
  for (int k = 0; k < runs; ++k) {
    RunTime run{.thread = 7, .start_us = 1000 * k, .length_us = 10 * (k + 1), .events = {}};
    for (int i = 0; i < events; ++i) run.events.push_back({4, i % 2 == 0 ? 7 : 8, 1000 * k + i, 1, i % 2 == 1});
    trace.run_times.push_back(run);
  }
  trace.runs = runs;
  return trace;
}

TEST(ProfilePage, EventsReferToThreadsNodesAndTheirRun) {
  const Page page = make_profile_page("m.onnx", "text", trace_of(2, 2), {}, {});
  EXPECT_EQ(page.title, "Profile of m.onnx");
  EXPECT_EQ(page.data["threads"], nlohmann::json::parse("[7, 8]"));
  EXPECT_EQ(page.data["nodes"][0]["op"], "Conv");
  EXPECT_EQ(page.data["nodes"][0]["flops"], 0.0);
  EXPECT_EQ(page.data["runs"][1]["us"], 20);
  EXPECT_EQ(page.data["runs"][1]["events"], nlohmann::json::parse("[[0, 0, 0, 1, 0], [1, 0, 1, 1, 1]]"));
}

TEST(ProfilePage, ManyEventsLeaveTheMedianRun) {
  const int half = static_cast<int>(kMostEvents) / 2 + 1;
  const Page page = make_profile_page("m.onnx", "", trace_of(5, half), {}, {});
  std::vector<size_t> counts;
  for (const auto& run : page.data["runs"]) counts.push_back(run["events"].size());
  EXPECT_EQ(counts, (std::vector<size_t>{static_cast<size_t>(half), 0, static_cast<size_t>(half), 0, 0}));
}

TEST(ProfilePage, FlopsAndMemoryComeFromThePlan) {
  PlanReport plan;
  plan.nodes.resize(1);  // four steps before it are computed while binding
  plan.nodes[0].op_type = "Conv";
  plan.nodes[0].flops = 100;
  plan.nodes[0].live_bytes = 32;
  const Page page = make_profile_page("m.onnx", "", trace_of(1, 1), plan, {});
  EXPECT_EQ(page.data["nodes"][0]["flops"], 100.0);
  EXPECT_EQ(page.data["nodes"][0]["live_bytes"], 32);
  plan.nodes[0].op_type = "Relu";  // another program's
  EXPECT_EQ(find_planned(plan, trace_of(1, 1), 0), nullptr);
}

}  // namespace
}  // namespace attune
