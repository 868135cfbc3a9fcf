#include "tuning_space.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace attune {
namespace {

using nlohmann::json;

const Factor& find_factor(const Space& space, const std::string& name) {
  const auto found = std::find_if(space.factors.begin(), space.factors.end(),
                                  [&](const Factor& factor) { return factor.name == name; });
  if (found == space.factors.end()) throw std::out_of_range(name);
  return *found;
}

std::vector<json> settings_of_levels(const Factor& factor) {
  std::vector<json> settings;
  for (const Level& level : factor.levels) settings.push_back(level.settings);
  return settings;
}

TEST(MakeSpace, OfAttuneIsThePerformanceGroup) {
  const Space space = make_space("attune", {.default_threads = 2, .usable_cpus = 2});
  EXPECT_EQ(settings_of_levels(find_factor(space, "intra_op_num_threads")),
            (std::vector<json>{json::object(), {{"intra_op_num_threads", 1}}, {{"intra_op_num_threads", 4}}}));
  EXPECT_EQ(settings_of_levels(find_factor(space, "execution_mode"))[2],
            (json{{"execution_mode", "ORT_PARALLEL"}, {"inter_op_num_threads", 4}}));
  EXPECT_EQ(settings_of_levels(find_factor(space, "enable_cpu_mem_arena")),
            (std::vector<json>{json::object(), {{"enable_cpu_mem_arena", false}}}));
  EXPECT_EQ(settings_of_levels(find_factor(space, "session.intra_op.allow_spinning"))[1],
            (json{{"session.intra_op.allow_spinning", "0"}}));
  EXPECT_EQ(find_factor(space, "graph_optimization_level").levels.size(), 4U);
  EXPECT_THROW(find_factor(space, "enable_mem_pattern"), std::out_of_range);  // changes nothing in Attune
  EXPECT_THROW(find_factor(space, "callers"), std::out_of_range);
  EXPECT_EQ(space.factors[static_cast<size_t>(space.thread_factor)].name, "intra_op_num_threads");
  EXPECT_EQ(space.memory_contrasts.size(), 2U);
}

TEST(MakeSpace, OfOnnxruntimeHasItsOwnOptions) {
  const Space space = make_space("onnxruntime", {.default_threads = 2, .usable_cpus = 2});
  EXPECT_EQ(find_factor(space, "enable_mem_pattern").levels.size(), 2U);
  EXPECT_EQ(find_factor(space, "session.set_denormal_as_zero").levels.size(), 2U);
  EXPECT_EQ(settings_of_levels(find_factor(space, "enable_cpu_mem_arena"))[2],
            (json{{"enable_cpu_mem_arena", true}, {kArenaExtendStrategy, "kSameAsRequested"}}));
}

TEST(MakeSpace, LeavesOutWhatTheDefaultHas) {
  const Space space = make_space("attune", {.base = {{"enable_cpu_mem_arena", false},
                                                     {"intra_op_num_threads", 1},
                                                     {"execution_mode", "ORT_PARALLEL"},
                                                     {"session.intra_op.allow_spinning", "0"}},
                                            .default_threads = 2,
                                            .usable_cpus = 2});
  EXPECT_EQ(settings_of_levels(find_factor(space, "enable_cpu_mem_arena"))[1], (json{{"enable_cpu_mem_arena", true}}));
  EXPECT_EQ(settings_of_levels(find_factor(space, "intra_op_num_threads"))[1], (json{{"intra_op_num_threads", 2}}));
  EXPECT_EQ(settings_of_levels(find_factor(space, "execution_mode"))[1], (json{{"execution_mode", "ORT_SEQUENTIAL"}}));
  EXPECT_EQ(settings_of_levels(find_factor(space, "session.intra_op.allow_spinning"))[1],
            (json{{"session.intra_op.allow_spinning", "1"}}));
}

TEST(MakeSpace, TriesCallersAndKeepsToALimitOfCpus) {
  const Space space =
      make_space("attune", {.varies_callers = true, .default_threads = 4, .usable_cpus = 4, .most_cpus = 2});
  EXPECT_EQ(settings_of_levels(find_factor(space, "intra_op_num_threads")).back(), (json{{"intra_op_num_threads", 2}}));
  const Factor& callers = find_factor(space, "callers");
  ASSERT_EQ(callers.levels.size(), 2U);
  EXPECT_EQ(callers.levels[1].callers, 2);
}

}  // namespace
}  // namespace attune
