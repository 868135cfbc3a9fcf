#include "tune/tuned_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "attune/error.h"
#include "attune/log.h"
#include "attune/session.h"
#include "base/cgroup.h"
#include "base/cpu.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Measured here, on this version.
TuneResult result_from_here() {
  TuneResult result;
  result.fingerprint.engine = {"attune", std::string(version())};
  result.fingerprint.model.xxh3_128 = "00ff";
  TunedMachine& machine = result.fingerprint.machine;
  machine.cpu = cpu_model_name();
  machine.usable_cpus = usable_cpus();
  machine.quota_cpus = cgroup_cpu_quota().value_or(0);
  result.verdict.settings = {{"intra_op_num_threads", 3},
                             {"execution_mode", "ORT_PARALLEL"},
                             {"free_dimension_overrides", {{"batch", 2}}},
                             {"session.intra_op.allow_spinning", "0"}};
  return result;
}

TEST(TunedOptions, AreTheVerdictsSettings) {
  const TunedOptions tuned = tuned_options(result_from_here());
  EXPECT_THAT(tuned.warnings, IsEmpty());
  EXPECT_EQ(tuned.options.intra_op_num_threads, 3);
  EXPECT_EQ(tuned.options.execution_mode, ExecutionMode::kParallel);
  EXPECT_EQ(tuned.options.free_dimension_overrides.at("batch"), 2);
  EXPECT_EQ(
      tuned.options.config_entries,
      (std::map<std::string, std::string>{{"attune.tuned_model", "00ff"}, {"session.intra_op.allow_spinning", "0"}}));
}

TEST(TunedOptions, WarnOfAnotherEngineAndLeaveOutItsOptions) {
  TuneResult result = result_from_here();
  result.fingerprint.engine = {"onnxruntime", "1.32.0"};
  result.verdict.settings["arena_extend_strategy"] = "kSameAsRequested";
  EXPECT_THAT(tuned_options(result).warnings, ElementsAre(HasSubstr("measured on onnxruntime 1.32.0, not on Attune"),
                                                          HasSubstr("'arena_extend_strategy'")));
  result.fingerprint.engine = {"attune", "0.0.1"};
  EXPECT_THROW(tuned_options(result), Error);  // Attune cannot have measured such an option
  result.verdict.settings.erase("arena_extend_strategy");
  EXPECT_THAT(tuned_options(result).warnings, ElementsAre(HasSubstr("measured on Attune 0.0.1")));
}

TEST(TunedOptions, WarnOfAnotherMachine) {
  const TunedMachine here = {.cpu = "a", .usable_cpus = 2, .quota_cpus = 1.5};
  EXPECT_THAT(differences(here, here), IsEmpty());
  EXPECT_THAT(differences({}, {.cpu = "a", .usable_cpus = 2}), IsEmpty());
  EXPECT_THAT(differences(here, {.cpu = "b", .usable_cpus = 4}),
              ElementsAre(HasSubstr("on 'a', this is 'b'"), HasSubstr("with 2 usable CPUs, now there are 4"),
                          HasSubstr("with a quota of 1.5 CPUs, now there is no quota")));
}

TEST(TunedOptions, ComeFromAFileAndLogTheirWarnings) {
  std::vector<std::string> lines;
  set_log_sink([&](const LogRecord& record) { lines.emplace_back(record.text); });
  TuneResult result = result_from_here();
  result.fingerprint.engine.version = "0.0.1";
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "options.tuned.json";
  write_tune_result(path, result);
  EXPECT_EQ(SessionOptions::from_tuned(path).intra_op_num_threads, 3);
  set_log_sink({});
  EXPECT_THAT(lines, ElementsAre(HasSubstr("measured on Attune 0.0.1")));
  result.verdict.settings["intra_op_num_threads"] = -5;
  write_tune_result(path, result);
  try {
    SessionOptions::from_tuned(path);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.text(), HasSubstr("options.tuned.json': Invalid value for option 'intra_op_num_threads'"));
  }
  std::filesystem::remove(path);
  EXPECT_THROW(SessionOptions::from_tuned(path), Error);
}

}  // namespace
}  // namespace attune
