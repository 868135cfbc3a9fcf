#include "session/thread_options.h"

#include <gtest/gtest.h>

#include <string>

#include "attune/error.h"
#include "base/cpu.h"

namespace attune {
namespace {

using Sets = std::vector<std::vector<int>>;

TEST(ThreadOptions, AffinitiesAreNumberedFromOne) {
  EXPECT_EQ(parse_affinities("1", 1), (Sets{{0}}));
  EXPECT_EQ(parse_affinities("1,3;2", 2), (Sets{{0, 2}, {1}}));
  EXPECT_EQ(parse_affinities("5-8;1;2,1", 3), (Sets{{4, 5, 6, 7}, {0}, {1, 0}}));
  EXPECT_EQ(parse_affinities("4;", 1), (Sets{{3}}));
}

TEST(ThreadOptions, WrongAffinitiesAreNamed) {
  const auto text_of = [](const char* text, int helpers) -> std::string {
    try {
      parse_affinities(text, helpers);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.text();
    }
    return "accepted";
  };
  const std::string head = "Config entry 'session.intra_op_thread_affinities' is ";
  EXPECT_EQ(text_of("1;x", 2), head + "'1;x': 'x' is not the number of a processor.");
  EXPECT_EQ(text_of("0", 1), head + "'0': processors are numbered from 1 to 65536, 0 is none.");
  EXPECT_EQ(text_of("3-2", 1), head + "'3-2': the range 3-2 runs backwards.");
  EXPECT_EQ(text_of("1;;2", 3), head + "'1;;2': a thread has no processor.");
  EXPECT_EQ(text_of("1;2", 3),
            head +
                "'1;2': it names the processors of 2 threads, but intra_op_num_threads 4 needs 3: one set for each "
                "thread except the one that calls run.");
  for (const char* wrong : {"", "1-", "-1", "1,", "1 2", "1-2-3", "99999999999", "1-99999999"}) {
    EXPECT_NE(text_of(wrong, 1), "accepted") << wrong;
  }
}

TEST(ThreadOptions, LimitsFollowTheOptions) {
  SessionOptions options;
  options.intra_op_num_threads = 3;
  options.inter_op_num_threads = 5;
  options.config_entries["session.inter_op.allow_spinning"] = "0";
  EXPECT_EQ(run_limits(options).threads, 3);
  EXPECT_EQ(run_limits(options).lanes, 1) << "only ORT_PARALLEL has lanes";
  options.execution_mode = ExecutionMode::kParallel;
  EXPECT_EQ(run_limits(options).lanes, 5);
  EXPECT_TRUE(run_limits(options).may_spin);
  EXPECT_FALSE(run_limits(options).lanes_may_spin);
  options.intra_op_num_threads = options.inter_op_num_threads = 0;
  EXPECT_EQ(run_limits(options).threads, default_thread_count());
  EXPECT_EQ(run_limits(options).lanes, default_thread_count());
}

TEST(ThreadOptions, APoolOfItsOwnOnlyWithAffinities) {
  SessionOptions options;
  const Logger logger("test", 4);
  EXPECT_EQ(make_own_pool(options, {.threads = 2}, logger), nullptr);
  options.config_entries["session.intra_op_thread_affinities"] = "1";
  EXPECT_NE(make_own_pool(options, {.threads = 2}, logger), nullptr);
  EXPECT_EQ(make_own_pool(options, {.threads = 1}, logger), nullptr);
  EXPECT_THROW(make_own_pool(options, {.threads = 3}, logger), Error);
}

}  // namespace
}  // namespace attune
