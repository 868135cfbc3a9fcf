#include "runtime/profiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/thread.h"
#include "base/tick_clock.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class ProfilerTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_profiler_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    prefix_ = (folder_ / "onnxruntime_profile_").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  fs::path folder_;
  std::string prefix_;
};

double ticks_per_microsecond() {
  const int64_t ticks = read_ticks();
  const int64_t ns = monotonic_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const int64_t later = read_ticks();
  return static_cast<double>(later - ticks) * 1e3 / static_cast<double>(monotonic_ns() - ns);
}

TEST_F(ProfilerTest, WritesWhatOnnxruntimeWrites) {
  Profiler profiler(prefix_);
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
  EXPECT_LE(std::abs(now - profiler.start_time_ns()), 1'000'000'000);
  const auto ticks = [rate = ticks_per_microsecond()](int64_t us) { return static_cast<int64_t>(rate * us); };
  const int64_t start = read_ticks();
  profiler.record(ProfileCategory::kSession, "model_run", start, start + ticks(5000), 17);
  ProfileArgs args;
  args.add("op_name", "Conv").add("node_index", 92).add_json("input_type_shape", R"([{"float":[1,3]}])");
  profiler.record(ProfileCategory::kNode, "r1_kernel_time", start + ticks(1000), start + ticks(3500), 18, args);
  const std::string name = profiler.end();
  EXPECT_THAT(fs::path(name).filename().string(),
              testing::MatchesRegex("onnxruntime_profile__[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2}_"
                                    "[0-9]{3}\\.json"));
  EXPECT_EQ(profiler.end(), "");

  const std::string text = read(name);
  EXPECT_TRUE(text.starts_with("[\n{\"cat\" : \"Session\",\"pid\" :")) << text;
  EXPECT_TRUE(text.ends_with("}}\n]\n")) << text;
  const nlohmann::json events = nlohmann::json::parse(text);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["cat"], "Session");
  EXPECT_EQ(events[0]["pid"], current_process_id());
  EXPECT_EQ(events[0]["tid"], 17);
  EXPECT_NEAR(events[0]["dur"].get<double>(), 5000, 10);
  EXPECT_EQ(events[0]["ph"], "X");
  EXPECT_EQ(events[0]["name"], "model_run");
  EXPECT_EQ(events[0]["args"], nlohmann::json::object());
  EXPECT_EQ(events[1]["cat"], "Node");
  EXPECT_NEAR(events[1]["dur"].get<double>(), 2500, 10);
  EXPECT_NEAR(events[1]["ts"].get<double>() - events[0]["ts"].get<double>(), 1000, 10);
  EXPECT_EQ(events[1]["args"],
            nlohmann::json::parse(R"({"op_name":"Conv","node_index":"92","input_type_shape":[{"float":[1,3]}]})"));
}

TEST_F(ProfilerTest, AnyNameIsValidJson) {
  Profiler profiler(prefix_);
  const std::vector<std::string> names = {"a\"b\\c", "line\nbreak", "\x01", "h\xc3\xa9", "\xff\xfe", ""};
  for (const std::string& name : names) {
    profiler.record(ProfileCategory::kNode, name, 0, 0, 1, ProfileArgs().add("text", name));
  }
  const nlohmann::json events = nlohmann::json::parse(read(profiler.end()));
  ASSERT_EQ(events.size(), names.size());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(events[i]["name"], names[i]);
    EXPECT_EQ(events[i]["args"]["text"], names[i]);
  }
}

TEST_F(ProfilerTest, NoEventsAndTheSameMillisecond) {
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    Profiler profiler(prefix_);
    names.push_back(profiler.end());
    EXPECT_EQ(nlohmann::json::parse(read(names.back())), nlohmann::json::array());
    profiler.record(ProfileCategory::kNode, "late", 0, 0, 1);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST_F(ProfilerTest, AFolderThatDoesNotExist) {
  try {
    Profiler profiler("/nonexistent/x");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_NE(error.text().find("/nonexistent/x_"), std::string::npos);
  }
}

TEST_F(ProfilerTest, ManyEventsFromManyThreads) {
  Profiler profiler(prefix_);
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([&profiler] {
      const ProfileArgs args = ProfileArgs().add("text", std::string(400, 'x'));
      for (int i = 0; i < 2000; ++i) profiler.record(ProfileCategory::kNode, "n", 0, 1000, current_thread_id(), args);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(nlohmann::json::parse(read(profiler.end())).size(), 8000U);
}

TEST_F(ProfilerTest, DestructionCompletesTheFile) {
  { Profiler(prefix_).record(ProfileCategory::kSession, "model_run", 0, 1, 1); }
  const auto file = fs::directory_iterator(folder_)->path();
  EXPECT_EQ(nlohmann::json::parse(read(file.string())).size(), 1U);
}

TEST_F(ProfilerTest, AChildOfForkLeavesTheFileAlone) {
  Profiler profiler(prefix_);
  profiler.record(ProfileCategory::kSession, "model_run", 0, 1, 1);
  const pid_t child = ::fork();
  if (child == 0) {
    profiler.record(ProfileCategory::kSession, "model_run", 0, 1, 1);
    const bool nothing = profiler.end().empty();
    ::_exit(nothing ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(nlohmann::json::parse(read(profiler.end())).size(), 1U);
}

}  // namespace
}  // namespace attune
