#include "session/settings.h"

#include <gtest/gtest.h>

#include "attune/error.h"

namespace attune {
namespace {

TEST(Settings, HoldOnlyWhatDiffersAndComeBack) {
  EXPECT_EQ(settings_of({}).dump(), "{}");
  SessionOptions options;
  options.intra_op_num_threads = 2;
  options.enable_cpu_mem_arena = false;
  options.execution_mode = ExecutionMode::kParallel;
  options.config_entries["session.intra_op.allow_spinning"] = "0";
  options.free_dimension_overrides["batch"] = 4;
  const nlohmann::json settings = settings_of(options);
  EXPECT_EQ(settings.at("execution_mode"), "ORT_PARALLEL");
  const SessionOptions back = apply_settings({}, settings);
  EXPECT_EQ(settings_of(back), settings);
  EXPECT_EQ(back.free_dimension_overrides.at("batch"), 4);
}

TEST(Settings, RefuseUnknownNamesAndTypes) {
  EXPECT_THROW(apply_settings({}, {{"no_such_option", 1}}), Error);
  EXPECT_THROW(apply_settings({}, {{"intra_op_num_threads", "two"}}), Error);
  EXPECT_THROW(apply_settings({}, {{"intra_op_num_threads", nullptr}}), Error);
  EXPECT_THROW(apply_settings({}, {{"free_dimension_overrides", 1}}), Error);
  EXPECT_THROW(apply_settings({}, {{"free_dimension_overrides", {{"batch", "4"}}}}), Error);
}

}  // namespace
}  // namespace attune
