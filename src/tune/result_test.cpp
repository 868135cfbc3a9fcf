#include "tune/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "attune/error.h"

namespace attune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.text();
  }
  return "no error";
}

// Something in every list.
TuneResult full_result() {
  TuneResult result;
  result.created = "2026-11-30T13:20:00Z";
  result.fingerprint = {{"model.onnx", "00ff", 12}, {"attune", "1.0"}, {"a CPU", 4, 2, 2, 1.5, 1 << 30}};
  result.load = {{{{{"x", "float", {1, 3}}}, 3, "random"}}, 2};
  result.objective = Objective::kP99;
  result.limits = {5e8, 20, 2};
  result.default_settings = {{"a", 1}};
  PairFacts pair;
  pair.phase = Phase::kRace;
  pair.rounds = 5;
  pair.candidate.run_ms = {10, 1.5, 1.4, 2, 3, {1, 2, 3}};
  pair.ratios = {{"p99", 0.9}};
  CandidateFacts candidate;
  candidate.settings = {{"a", 1}, {"b", "2"}};
  candidate.changes = {{"b", "2"}};
  candidate.outcome = Outcome::kBeyondLimit;
  candidate.reason = "p99 of 25 ms";
  candidate.pairs = {pair};
  candidate.ratios = {{"p99", {0.9, 0.8, 0.95, 8, "signed-rank"}}};
  result.candidates = {CandidateFacts{}, candidate};
  result.noise.findings = {"throttled"};
  result.design = {"2^(5-1), resolution V",
                   16,
                   5,
                   0.01,
                   {{{{"b", {{"b", "2"}}}}, {0.9, 0.8, 1, 4, "regression"}, true, {{"c", "d"}}}}};
  result.threads = {{2, 1, 3.5, 3.6, 7, {}}};
  result.memory = {{{{"a", 1}}, {{"arena", true}}, {{"load", 0}}, {{1, 1e6}}}};
  result.pareto = {{1, 0.9, 1e6, 2e6}};
  result.confirmations = {{1, {pair}, {}, true, ""}};
  result.verdict = {
      VerdictKind::kBetter, VerdictReason::kFewerThreads, 1, candidate.settings, candidate.changes, 2, {}};
  return result;
}

TEST(TuneResult, ComesBackFromItsFileAsItWas) {
  const TuneResult result = full_result();
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "whole.tuned.json";
  write_tune_result(path, result);
  const TuneResult read = read_tune_result(path);
  EXPECT_EQ(to_json(read), to_json(result));
  EXPECT_EQ(read.objective, Objective::kP99);
  EXPECT_EQ(read.candidates[1].pairs[0].phase, Phase::kRace);
  EXPECT_EQ(read.candidates[1].ratios.at("p99").high, 0.95);
  EXPECT_EQ(read.verdict.reason, VerdictReason::kFewerThreads);
  EXPECT_EQ(read.design.effects[0].aliases[0][1], "d");
  std::filesystem::remove(path);
}

TEST(TuneResult, ReadsAFileThatHasLessOrMore) {
  const TuneResult read = tune_result_of({{"schema", 1}, {"later", {1, 2}}, {"verdict", {{"settings", {{"a", 2}}}}}});
  EXPECT_EQ(read.verdict.settings, (json{{"a", 2}}));
  EXPECT_EQ(read.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(read.least_gain, 0.02);
}

TEST(TuneResult, RefusesOtherFilesByName) {
  EXPECT_THAT(error_of([] { tune_result_of({{"settings", 1}}); }), HasSubstr("no \"schema\""));
  EXPECT_THAT(error_of([] { tune_result_of({{"schema", 99}}); }), HasSubstr("later version (schema 99"));
  EXPECT_THAT(error_of([] { tune_result_of({{"schema", 1}, {"candidates", "none"}}); }), HasSubstr("\"candidates\""));
  EXPECT_THAT(error_of([] { tune_result_of({{"schema", 1}, {"objective", "speed"}}); }), HasSubstr("p95, p99"));
  EXPECT_THAT(error_of([] {
                tune_result_of({{"schema", 1}, {"verdict", {{"candidate", 3}}}});
              }),
              HasSubstr("names candidate 3"));
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "broken.tuned.json";
  std::ofstream(path) << "{";
  EXPECT_THAT(error_of([&] { read_tune_result(path); }), HasSubstr("broken.tuned.json' is not JSON"));
  std::filesystem::remove(path);
  EXPECT_THAT(error_of([&] { read_tune_result(path); }), HasSubstr("cannot be opened"));
}

TEST(TuneResult, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  EXPECT_THAT(error_of([] { write_tune_result("/dev/full", full_result()); }), HasSubstr("No space left"));
  EXPECT_THAT(error_of([] { write_tune_result("/nowhere/tuned.json", full_result()); }), HasSubstr("No such file"));
}

TEST(Settings, BeyondABaseAreThoseItHasNot) {
  EXPECT_EQ(settings_beyond({{"a", 1}, {"b", 2}, {"c", 3}}, {{"a", 1}, {"b", 1}}), (json{{"b", 2}, {"c", 3}}));
}

TEST(Objective, HasANameEach) {
  for (int k = 0; k < kObjectives; ++k) {
    const auto objective = static_cast<Objective>(k);
    EXPECT_EQ(objective_of(objective_name(objective)), objective);
  }
}

}  // namespace
}  // namespace attune
