#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

#include "attune/error.h"

namespace attune {
namespace {

// Collects lines while it lives, then restores the default sink and severity.
class Collector {
 public:
  Collector() {
    set_log_sink([this](const LogRecord& record) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(fmt::format("{} {} {}", static_cast<int>(record.severity), record.id, record.text));
    });
  }
  ~Collector() {
    set_log_sink({});
    set_default_log_severity(LogSeverity::kWarning);
    set_default_log_verbosity(0);
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST(Log, FormatIsOnnxruntimes) {
  const LogRecord record{std::chrono::system_clock::time_point(std::chrono::milliseconds(1795373902849)),
                         LogSeverity::kWarning,
                         "id",
                         "session.cpp",
                         12,
                         "text"};
  EXPECT_EQ(format_log_record(record), "2026-11-22 18:58:22.849 [W:attune:id, session.cpp:12] text");
}

TEST(Log, SeverityDecides) {
  Collector collector;
  const Logger logger("s");
  ATTUNE_LOG(logger, kInfo, "no");
  ATTUNE_LOG(logger, kWarning, "{} {}", "yes", 1);
  ATTUNE_LOG(Logger("quiet", 4), kError, "no");
  ATTUNE_LOG(Logger("loud", 0), kVerbose, "yes");
  EXPECT_THAT(collector.lines(), testing::ElementsAre("2 s yes 1", "0 loud yes"));
}

TEST(Log, TheDefaultMayChangeLater) {
  Collector collector;
  const Logger logger;
  EXPECT_FALSE(logger.enabled(LogSeverity::kInfo));
  EXPECT_TRUE(logger.enabled(LogSeverity::kWarning));
  set_default_log_severity(LogSeverity::kError);
  set_default_log_verbosity(3);
  EXPECT_FALSE(logger.enabled(LogSeverity::kWarning));
  EXPECT_EQ(logger.verbosity(), 3);
  EXPECT_EQ(default_log_severity(), LogSeverity::kError);
  EXPECT_TRUE(Logger("s", 2, 5).enabled(LogSeverity::kWarning));
  EXPECT_EQ(Logger("s", 2, 5).verbosity(), 5);
}

TEST(Log, ArgumentsOfUnwantedLinesAreNotEvaluated) {
  const Logger logger("s", 2);
  int evaluated = 0;
  ATTUNE_LOG(logger, kInfo, "{}", ++evaluated);
  EXPECT_EQ(evaluated, 0);
}

TEST(Log, ARunHasItsOwnSeverityAndTag) {
  const Logger session("s", 3, 1);
  EXPECT_EQ(session.for_run("", -1, 0).id(), "s");
  EXPECT_FALSE(session.for_run("", -1, 0).enabled(LogSeverity::kWarning));
  EXPECT_EQ(session.for_run("", -1, 0).verbosity(), 1);
  EXPECT_EQ(session.for_run("r", 0, 7).id(), "s:r");
  EXPECT_TRUE(session.for_run("r", 0, 7).verbose(7));
  EXPECT_FALSE(session.for_run("r", 0, 7).verbose(8));
  EXPECT_EQ(Logger().for_run("r", -1, 0).id(), "r");
  EXPECT_THROW(session.for_run("r", 5, 0), Error);
}

TEST(Log, VerboseLinesHaveADetail) {
  Collector collector;
  ATTUNE_LOG_DETAIL(Logger("s", 0, 1), 1, "wanted");
  ATTUNE_LOG_DETAIL(Logger("s", 0, 1), 2, "too much");
  ATTUNE_LOG_DETAIL(Logger("s", 1, 9), 0, "not severe enough");
  EXPECT_THAT(collector.lines(), testing::ElementsAre("0 s wanted"));
}

TEST(Log, WrongSeverity) {
  EXPECT_THROW(Logger("s", 5), Error);
  EXPECT_THROW(Logger("s", -2), Error);
}

TEST(Log, DefaultSinkWritesLinesToStderr) {
  testing::internal::CaptureStderr();
  ATTUNE_LOG(Logger("me"), kWarning, "hello");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, testing::MatchesRegex(".* \\[W:attune:me, log_test.cpp:[0-9]+\\] hello\n"));
}

TEST(Log, FromManyThreads) {
  Collector collector;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      const Logger logger("t");
      for (int line = 0; line < 100; ++line) ATTUNE_LOG(logger, kError, "{}", line);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(collector.lines().size(), 400U);
}

}  // namespace
}  // namespace attune
