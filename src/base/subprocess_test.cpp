#include "base/subprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attune/error.h"
#include "base/cpu.h"

namespace attune {
namespace {

using ::testing::HasSubstr;

TEST(Subprocess, TalksInLines) {
  Subprocess cat({"cat"});
  cat.send_line("first");
  cat.send_line("second");
  EXPECT_EQ(cat.read_line(5000), "first");
  EXPECT_EQ(cat.read_line(5000), "second");
  EXPECT_EQ(cat.end(5000), "exit code 0");
}

TEST(Subprocess, LongLinesArriveWhole) {
  Subprocess cat({"cat"});
  const std::string line(50'000, 'x');
  cat.send_line(line);
  EXPECT_EQ(cat.read_line(5000), line);
}

TEST(Subprocess, TellsThatItCannotStart) {
  try {
    Subprocess({"/no/such/program"});
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_THAT(error.text(), HasSubstr("'/no/such/program' cannot be started: No such file or directory"));
  }
}

TEST(Subprocess, TellsHowTheChildEnded) {
  Subprocess child({"sh", "-c", "exit 3"});
  try {
    child.read_line(5000);
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_THAT(error.text(), HasSubstr("exit code 3"));
  }
  EXPECT_THROW(child.send_line("x"), Error);
  Subprocess killed({"sh", "-c", "kill -9 $$"});
  EXPECT_THAT(killed.end(5000), HasSubstr("signal 9"));
}

TEST(Subprocess, ReadingAndEndingAreLimitedInTime) {
  const int64_t start = monotonic_ns();
  Subprocess sleeping({"sleep", "100"});
  EXPECT_EQ(sleeping.read_line(20), std::nullopt);
  EXPECT_THAT(sleeping.end(20), HasSubstr("signal 9"));
  EXPECT_LT(monotonic_ns() - start, 20'000'000'000);
}

TEST(Subprocess, APausedChildDoesNothing) {
  Subprocess cat({"cat"});
  cat.send_line("ready");
  ASSERT_EQ(cat.read_line(5000), "ready");
  cat.pause();
  cat.send_line("later");
  EXPECT_EQ(cat.read_line(50), std::nullopt);
  cat.resume();
  EXPECT_EQ(cat.read_line(5000), "later");
}

TEST(Subprocess, EndsAPausedChild) {
  Subprocess cat({"cat"});
  cat.pause();
  EXPECT_EQ(cat.end(5000), "exit code 0");
}

TEST(ExecutablePath, IsThisTest) { EXPECT_THAT(executable_path().filename().string(), HasSubstr("base_tests")); }

}  // namespace
}  // namespace attune
