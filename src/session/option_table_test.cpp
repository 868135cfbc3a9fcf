#include <gtest/gtest.h>

#include "attune/error.h"
#include "attune/options.h"

namespace attune {
namespace {

TEST(OptionTable, DefaultsAreThoseOfTheStruct) {
  const SessionOptions options;
  for (const OptionInfo& info : session_option_table()) {
    EXPECT_EQ(get_option(options, info.name), info.default_value) << info.name;
    EXPECT_FALSE(info.help.empty()) << info.name;
  }
}

TEST(OptionTable, EveryOptionCanBeSetAndRead) {
  SessionOptions options;
  set_option(options, "enable_cpu_mem_arena", false);
  set_option(options, "intra_op_num_threads", int64_t{3});
  set_option(options, "graph_optimization_level", std::string("ORT_ENABLE_BASIC"));
  set_option(options, "execution_mode", int64_t{1});
  set_option(options, "logid", std::string("mine"));
  EXPECT_FALSE(options.enable_cpu_mem_arena);
  EXPECT_EQ(options.intra_op_num_threads, 3);
  EXPECT_EQ(options.graph_optimization_level, GraphOptimizationLevel::kEnableBasic);
  EXPECT_EQ(options.execution_mode, ExecutionMode::kParallel);
  EXPECT_EQ(get_option(options, "logid"), OptionValue(std::string("mine")));
}

TEST(OptionTable, WrongNamesSuggestTheNearest) {
  SessionOptions options;
  try {
    set_option(options, "enable_cpu_mem_area", true);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("enable_cpu_mem_arena"), std::string::npos) << error.text();
  }
  EXPECT_EQ(nearest_option("zzz"), "");
}

TEST(OptionTable, WrongValuesAreRefused) {
  SessionOptions options;
  EXPECT_THROW(set_option(options, "intra_op_num_threads", int64_t{-1}), Error);
  EXPECT_THROW(set_option(options, "intra_op_num_threads", true), Error);
  EXPECT_THROW(set_option(options, "enable_profiling", int64_t{1}), Error);
  EXPECT_THROW(set_option(options, "graph_optimization_level", int64_t{7}), Error);
  EXPECT_THROW(set_option(options, "execution_mode", std::string("ORT_SIDEWAYS")), Error);
  options.log_severity_level = 9;
  EXPECT_THROW(validate(options), Error);
}

}  // namespace
}  // namespace attune
