#include "settings.h"

#include <gtest/gtest.h>

#include "attune/error.h"

namespace attune {
namespace {

// What the flags make of a command line.
SessionOptions parse(const std::string& line) {
  SessionOptions options;
  CLI::App app;
  add_session_flags(app, options);
  app.parse(line);
  return options;
}

TEST(SessionFlags, SetTheOptions) {
  const SessionOptions options = parse(
      "--intra-op-num-threads 3 --no-enable-cpu-mem-arena --use-deterministic-compute --logid me "
      "--graph-optimization-level ort_enable_basic --execution-mode 1 --config a.b=1 --config c.d=x");
  EXPECT_EQ(options.intra_op_num_threads, 3);
  EXPECT_FALSE(options.enable_cpu_mem_arena);
  EXPECT_TRUE(options.use_deterministic_compute);
  EXPECT_EQ(options.logid, "me");
  EXPECT_EQ(options.graph_optimization_level, GraphOptimizationLevel::kEnableBasic);
  EXPECT_EQ(options.execution_mode, ExecutionMode::kParallel);
  EXPECT_EQ(options.config_entries, (std::map<std::string, std::string>{{"a.b", "1"}, {"c.d", "x"}}));
}

TEST(SessionFlags, EveryOptionOfTheTableHasOne) {
  SessionOptions options;
  CLI::App app;
  add_session_flags(app, options);
  for (const OptionInfo& info : session_option_table()) {
    EXPECT_NE(app.get_option_no_throw(flag_name(info.name)), nullptr) << info.name;
  }
}

TEST(SessionFlags, WrongValuesAreUsageErrors) {
  for (const char* line : {"--intra-op-num-threads -1", "--intra-op-num-threads x", "--execution-mode fast",
                           "--graph-optimization-level 7", "--config novalue", "--no-such-option"}) {
    EXPECT_THROW(parse(line), CLI::ParseError) << line;
  }
}

TEST(Settings, AreDescribedInOneLine) {
  EXPECT_EQ(describe_settings(nlohmann::json::object()), "default");
  EXPECT_EQ(describe_settings({{"a", false}, {"b", "ORT_PARALLEL"}}), "a=false, b=ORT_PARALLEL");
}

}  // namespace
}  // namespace attune
