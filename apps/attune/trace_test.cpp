#include "trace.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "attune/error.h"

namespace attune {
namespace {

class TraceTest : public ::testing::Test {
 protected:
  ~TraceTest() override { std::filesystem::remove(path_); }

  Trace read(const std::string& text, int skip_runs) {
    std::ofstream(path_) << text;
    return read_trace(path_, skip_runs);
  }

  std::filesystem::path path_ = std::filesystem::path(::testing::TempDir()) / "trace_test.json";
};

std::string node_event(int start, int duration, const std::string& name, int index) {
  return R"({"cat":"Node","ts":)" + std::to_string(start) + R"(,"dur":)" + std::to_string(duration) + R"(,"name":")" +
         name + R"(_kernel_time","args":{"op_name":"Conv","node_index":")" + std::to_string(index) +
         R"(","output_type_shape":[{"float":[1,64,7,7]}]}})";
}

std::string run_event(int start, int duration) {
  return R"({"cat":"Session","ts":)" + std::to_string(start) + R"(,"dur":)" + std::to_string(duration) +
         R"(,"name":"model_run","args":{}})";
}

TEST_F(TraceTest, AddsUpNodesOfTheRunsThatCount) {
  const Trace trace =
      read("[" + node_event(0, 90000, "b", 1) + "," + run_event(0, 100000) + "," + node_event(200000, 1000, "b", 1) +
               "," + node_event(201000, 2000, "a", 0) + "," + run_event(200000, 4000) + "," +
               node_event(300000, 3000, "b", 1) + "," + run_event(300000, 6000) + "]",
           1);
  EXPECT_EQ(trace.runs, 2);
  EXPECT_DOUBLE_EQ(trace.runs_ms, 10);
  ASSERT_EQ(trace.nodes.size(), 2U);
  EXPECT_EQ(trace.nodes[0].name, "a");
  EXPECT_EQ(trace.nodes[1].name, "b");
  EXPECT_EQ(trace.nodes[1].op_type, "Conv");
  EXPECT_EQ(trace.nodes[1].calls, 2);
  EXPECT_DOUBLE_EQ(trace.nodes[1].total_ms, 4);
  EXPECT_EQ(trace.nodes[1].output_shape, "1x64x7x7");
}

TEST_F(TraceTest, OtherFilesAreErrors) {
  EXPECT_THROW(read("no json", 0), Error);
  EXPECT_THROW(read("{}", 0), Error);
  EXPECT_THROW(read("[{}]", 0), Error);
  EXPECT_THROW(read_trace("/no/such/file", 0), Error);
}

TEST_F(TraceTest, EventsBelongToTheirRuns) {
  const std::string helper =
      R"({"cat":"Thread","tid":9,"ts":205000,"dur":7,"name":"b_worker","args":{"node_index":"1","num_run":"2"}})";
  const Trace trace = read("[" + node_event(0, 90, "b", 1) + "," + run_event(0, 100) + "," +
                               node_event(200000, 1000, "b", 1) + "," + helper + "," + run_event(200000, 9000) + "]",
                           0);
  ASSERT_EQ(trace.run_times.size(), 2U);
  EXPECT_EQ(trace.run_times[0].events.size(), 1U);
  ASSERT_EQ(trace.run_times[1].events.size(), 2U);
  EXPECT_FALSE(trace.run_times[1].events[0].helps);
  EXPECT_TRUE(trace.run_times[1].events[1].helps);
  EXPECT_EQ(trace.run_times[1].events[1].thread, 9);
  EXPECT_EQ(trace.run_times[1].events[1].length_us, 7);
  ASSERT_EQ(trace.nodes.size(), 1U);
  EXPECT_EQ(trace.nodes[0].calls, 2);  // the helper is no call
  EXPECT_EQ(trace.nodes[0].output_shape, "1x64x7x7");
}

}  // namespace
}  // namespace attune
