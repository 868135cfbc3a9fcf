#include "tune/engine_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attune {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::SizeIs;

/// A worker in the shell whose passes take `pass_ms`, and that holds `mib` more once it has loaded.
WorkerSetup imaginary(const std::string& name, const std::string& pass_ms, int mib,
                      const std::string& load_error = "") {
  const std::string base = R"("memory": {"resident": 1048576, "peak": 1048576})";
  const std::string bytes = std::to_string((1 + mib) << 20);
  const std::string memory = R"("memory": {"resident": )" + bytes + R"(, "peak": )" + bytes + "}";
  const std::string load =
      load_error.empty() ? R"({"load_ms": 7, "threads": 2, )" + memory + "}" : R"({"error": ")" + load_error + R"("})";
  const std::string script = R"(while read -r line; do case $line in
    *prepare*) echo '{"version": "1.2", )" +
                             base + R"(}';;
    *load*) echo ')" + load + R"(';;
    *measure*) echo '{"pass_ms": [)" +
                             pass_ms + ", " + pass_ms + R"(], "cpu_ms": 8, )" + memory + R"(}';;
    *idle*) echo '{"cpu_ms": 0.5, )" +
                             memory + R"(}';;
    *) echo '{)" + memory + R"(}';;
  esac; done)";
  return {name, {"sh", "-c", script}, "model.onnx", "feeds.npz"};
}

ComparePolicy quick() {
  ComparePolicy policy;
  policy.seconds = 0;
  policy.patience = 10;
  return policy;
}

TEST(EngineComparison, TakesRatiosPairByPair) {
  double last = 0;
  const EngineComparison found =
      compare_engines(imaginary("attune", "1", 10), imaginary("other", "4", 5), nlohmann::json::object(), quick(),
                      ::testing::TempDir(), [&](double share) { last = share; });
  EXPECT_EQ(found.ours.failure + found.theirs.failure, "");
  EXPECT_EQ(found.theirs.version, "1.2");
  EXPECT_EQ(found.ours.threads, 2);
  EXPECT_EQ(found.ours.idle_cpu_ms, 0.5);
  EXPECT_EQ(found.rounds, 18);
  EXPECT_GT(last, 0.9);
  EXPECT_THAT(found.metric(kTime).ratios, AllOf(SizeIs(6), Each(0.25)));
  EXPECT_THAT(found.metric(kTime).theirs, Each(4));
  EXPECT_TRUE(found.metric(kTime).ratio.is_known);
  EXPECT_THAT(found.metric(kCpu).ours, Each(4));
  EXPECT_THAT(found.metric(kStart).ours, Each(7));
  EXPECT_THAT(found.metric(kPeak).ours, Each(10 << 20));
  EXPECT_THAT(found.metric(kHeld).ratios, Each(2));
}

TEST(EngineComparison, AFailureIsAFact) {
  const EngineComparison found =
      compare_engines(imaginary("attune", "1", 1, "no operator Foo"), imaginary("other", "1", 1),
                      nlohmann::json::object(), quick(), ::testing::TempDir());
  EXPECT_EQ(found.ours.engine, "attune");
  EXPECT_EQ(found.ours.failure, "no operator Foo");
  EXPECT_EQ(found.theirs.failure, "");
  EXPECT_EQ(found.theirs.version, "1.2");
  EXPECT_TRUE(found.metrics.empty());
}

}  // namespace
}  // namespace attune
