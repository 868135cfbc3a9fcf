#include "runtime/node_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/cpu.h"
#include "base/thread.h"
#include "runtime/thread_pool.h"

namespace attune {
namespace {

using nlohmann::json;

TEST(NodeProfile, EveryThreadThatWorkedHasAnEvent) {
  std::string folder = (std::filesystem::temp_directory_path() / "attune_nodes_XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  Profiler profiler(folder + "/p");
  Program program;
  program.values.resize(2);
  program.values[1].is_constant = true;
  Step step;
  step.name = "sum";
  step.op_type = "Add";
  step.inputs = {0, 1};
  step.outputs = {0};
  program.steps.push_back(std::move(step));

  ThreadPool pool;
  pool.reserve(3);
  RunThreads threads(pool, 3);
  const Shape shape{2, 5};
  float data[10] = {};
  const TensorView view{data, &shape, DataType::kFloat, Layout::kPlain, 1};
  const std::vector<TensorView> inputs = {view, view};
  NodeProfile profile(profiler, threads);
  profile.begin();
  // Nobody goes on before three threads are there.
  std::atomic<int> arrived{0};
  profile.threads().for_each(3, [&](int64_t, int) {
    ++arrived;
    while (arrived.load() < 3) yield_thread();
  });
  std::atomic<int64_t> sum{0};
  profile.threads().for_each(100, [&](int64_t index, int) { sum += index; });
  EXPECT_EQ(sum.load(), 4950);
  profile.finish(program, 0, inputs, {inputs.data(), 1}, nullptr);

  json events;
  std::ifstream(profiler.end()) >> events;
  std::filesystem::remove_all(folder);
  ASSERT_EQ(events.size(), 3U);
  const json& node = events[0];
  EXPECT_EQ(node["cat"], "Node");
  EXPECT_EQ(node["name"], "sum_kernel_time");
  EXPECT_EQ(node["tid"], current_thread_id());
  EXPECT_EQ(node["args"]["op_name"], "Add");
  EXPECT_EQ(node["args"]["parameter_size"], "40");
  EXPECT_EQ(node["args"]["activation_size"], "40");
  EXPECT_EQ(node["args"]["input_type_shape"], json::parse(R"([{"float":[2,5]},{"float":[2,5]}])"));
  const json& stats = node["args"]["thread_scheduling_stats"];
  EXPECT_EQ(stats["main_thread"]["block_size"], json::parse("[3,100]"));
  EXPECT_EQ(stats["sub_threads"].size(), 2U);
  std::set<int64_t> ids = {node["tid"].get<int64_t>()};
  for (size_t i = 1; i < 3; ++i) {
    const json& worker = events[i];
    EXPECT_EQ(worker["cat"], "Thread");
    EXPECT_EQ(worker["name"], "sum_worker");
    EXPECT_GE(std::stoi(worker["args"]["num_run"].get<std::string>()), 1);
    EXPECT_GE(worker["ts"].get<int64_t>(), node["ts"].get<int64_t>());
    EXPECT_LE(worker["ts"].get<int64_t>() + worker["dur"].get<int64_t>(),
              node["ts"].get<int64_t>() + node["dur"].get<int64_t>());
    EXPECT_TRUE(stats["sub_threads"].contains(std::to_string(worker["tid"].get<int64_t>())));
    ids.insert(worker["tid"].get<int64_t>());
  }
  EXPECT_EQ(ids.size(), 3U);
}

}  // namespace
}  // namespace attune
