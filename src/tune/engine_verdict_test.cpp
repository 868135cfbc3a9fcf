#include "tune/engine_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Interval around(double ratio) { return {ratio, ratio - 0.01, ratio + 0.01, true}; }

EngineComparison comparison(double time, double others) {
  EngineComparison found;
  found.ours = {.engine = "attune", .version = "1.0"};
  found.theirs = {.engine = "onnxruntime", .version = "2.0"};
  for (const char* name : {kTime, kP95, kCpu, kStart, kPeak, kHeld}) {
    found.metrics.push_back({.name = name, .ratio = around(name == std::string(kTime) ? time : others)});
  }
  return found;
}

TEST(EngineVerdict, SaysWhoIsFaster) {
  EXPECT_EQ(
      describe_comparison(comparison(0.8, 1), {}),
      "Attune 1.0 is faster on this model: a run takes 20.0 % less time than with onnxruntime 2.0 (95 % interval: "
      "19.0 to 21.0 %).");
  EXPECT_EQ(
      describe_comparison(comparison(1.25, 1), {}),
      "Attune 1.0 is slower on this model: a run takes 25.0 % more time than with onnxruntime 2.0 (95 % interval: "
      "24.0 to 26.0 %).");
  EXPECT_EQ(describe_comparison(comparison(1.005, 1), {}),
            "Attune 1.0 and onnxruntime 2.0 are about equally fast on this model (time +0.5 %, 95 % interval: -0.5 to "
            "+1.5 %).");
}

TEST(EngineVerdict, AWideIntervalDecidesNothing) {
  EngineComparison found = comparison(0.8, 1);
  found.metrics[0].ratio = {0.8, 0.6, 1.02, true};
  EXPECT_THAT(describe_comparison(found, {}), HasSubstr("about equally fast"));
  found.metrics[0].ratio = {0.8, 0.7, 0.9, false};
  EXPECT_THAT(describe_comparison(found, {}), HasSubstr("(range: 10.0 to 30.0 %)"));
}

TEST(EngineVerdict, NamesWinsAndLosses) {
  EngineComparison found = comparison(0.8, 1);
  found.metrics[3].ratio = around(1.3);
  found.metrics[4].ratio = around(0.5);
  found.metrics[5].ratio = around(1.04);  // not worth a word
  EXPECT_THAT(describe_comparison(found, {}),
              AllOf(HasSubstr("Attune loses in start-up (+30 %). Attune wins in peak memory (-50 %)."),
                    Not(HasSubstr("memory held"))));
}

TEST(EngineVerdict, DifferentOutputsComeFirst) {
  EXPECT_THAT(describe_comparison(comparison(0.5, 1), {"y", "z"}),
              StartsWith("Do not switch before you know why outputs differ by more than rounding explains: y, z. "));
}

TEST(EngineVerdict, SaysWhichEngineFails) {
  EngineComparison found;
  found.ours = {.engine = "attune", .version = "", .failure = "no Foo."};
  found.theirs = {.engine = "onnxruntime", .version = "2.0"};
  EXPECT_EQ(describe_comparison(found, {}), "Stay with onnxruntime 2.0: Attune does not run this model: no Foo.");
  found.theirs.failure = "no Bar.";
  EXPECT_EQ(describe_comparison(found, {}), "Neither engine runs this model. Attune: no Foo. onnxruntime 2.0: no Bar.");
  found.ours = {.engine = "attune", .version = "1.0"};
  EXPECT_EQ(describe_comparison(found, {}), "Attune 1.0 runs this model, onnxruntime 2.0 does not: no Bar.");
}

}  // namespace
}  // namespace attune
