#include "tune/candidate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attune {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Not;

std::vector<std::string> texts(const json& base, int default_threads, int cpus) {
  std::vector<std::string> list;
  for (const Candidate& candidate : make_candidates(session_option_table(), base, default_threads, cpus)) {
    list.push_back(describe_difference(candidate.settings, base));
  }
  return list;
}

TEST(MakeCandidates, CoversThePerformanceGroup) {
  const std::vector<std::string> list = texts(json::object(), 4, 6);
  EXPECT_THAT(list,
              IsSupersetOf({"intra_op_num_threads=1", "intra_op_num_threads=2", "intra_op_num_threads=6",
                            "intra_op_num_threads=8", "session.intra_op.allow_spinning=0", "enable_cpu_mem_arena=false",
                            "execution_mode=ORT_PARALLEL", "graph_optimization_level=ORT_DISABLE_ALL"}));
  EXPECT_THAT(list, Not(::testing::Contains("intra_op_num_threads=4")));
  for (const std::string& text : list) EXPECT_THAT(text, Not(::testing::HasSubstr("enable_profiling")));
}

TEST(MakeCandidates, DiffersFromTheBase) {
  const json base = {
      {"enable_cpu_mem_arena", false}, {"execution_mode", "ORT_PARALLEL"}, {"session.intra_op.allow_spinning", "0"}};
  const std::vector<std::string> list = texts(base, 1, 1);
  EXPECT_THAT(list, IsSupersetOf({"enable_cpu_mem_arena=true", "execution_mode=ORT_SEQUENTIAL",
                                  "session.intra_op.allow_spinning=1"}));
  EXPECT_THAT(list, Not(::testing::Contains("execution_mode=ORT_PARALLEL")));
}

TEST(DescribeDifference, NamesWhatIsSet) {
  EXPECT_EQ(describe_difference({{"a", 1}}, {{"a", 1}}), "default");
  EXPECT_EQ(describe_difference({{"a", 1}, {"b.c", "x"}, {"d", true}}, {{"a", 1}}), "b.c=x, d=true");
}

}  // namespace
}  // namespace attune
