#include "tune/worker_laboratory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "attune/error.h"
#include "tune/worker_process.h"

namespace attune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

// A worker in the shell: `answer` is the body of a loop over lines.
std::vector<std::string> shell_worker(const std::string& answer) {
  return {"sh", "-c", "while read -r line; do " + answer + "; done"};
}

std::string error_of(const std::vector<std::string>& command, double seconds) {
  try {
    WorkerProcess(command).request({{"command", "x"}}, seconds);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFail);
    return error.text();
  }
  return "no error";
}

TEST(WorkerProcess, GivesTheAnswerToARequest) {
  WorkerProcess worker(shell_worker(R"(printf '{"got": %s}\n' "$line")"));
  const json request = {{"command", "x"}, {"text", "a \"quoted\" \n line"}};
  EXPECT_EQ(worker.request(request, 10).at("got"), request);
  EXPECT_EQ(worker.request({{"n", 2}}, 10).at("got").at("n"), 2);
}

TEST(WorkerProcess, FailuresAreErrorsWithAReason) {
  EXPECT_EQ(error_of(shell_worker(R"(echo '{"error": "no such model"}')"), 10), "no such model");
  EXPECT_THAT(error_of(shell_worker("echo hello"), 10), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of(shell_worker("exit 3"), 10), HasSubstr("exit code 3"));
  EXPECT_THAT(error_of(shell_worker("kill -SEGV $$"), 10), HasSubstr("signal 11"));
  EXPECT_THAT(error_of(shell_worker("exec sleep 60"), 0.05), HasSubstr("No answer within"));
}

class WorkerLaboratoryTest : public ::testing::Test {
 protected:
  WorkerLaboratoryTest() { std::filesystem::create_directories(folder_); }
  ~WorkerLaboratoryTest() override { std::filesystem::remove_all(folder_); }

  // Writes its settings as its outputs; holds 100 bytes before and 300 after, 500 at peak.
  const std::vector<std::string> command_ = shell_worker(R"(
    case $line in
      *prepare*) echo '{"version": "1.2", "memory": {"resident": 100, "peak": 100}}';;
      *load*) settings=$line; echo '{"load_ms": 7, "threads": 2, "memory": {"resident": 200, "peak": 500}}';;
      *measure*) echo '{"pass_ms": [1, 2], "set_ms": [[1, 2]], "wall_ms": 3, "cpu_ms": 4, "memory": {"resident": 300, "peak": 300}}';;
      *outputs*) file=${line#*file\":\"}; echo "$settings" > "${file%%\"*}"
                 echo '{"memory": {"resident": 300, "peak": 300}}';;
      *idle*) echo '{"cpu_ms": 0.5, "memory": {"resident": 300, "peak": 300}}';;
    esac)");
  const WorkerSetup setup_ = {"fake", command_, "model.onnx", "feeds.npz"};
  const std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) / "worker_laboratory";
};

std::string compare_text(const std::filesystem::path& outputs, const std::filesystem::path& reference) {
  const auto read = [](const std::filesystem::path& path) {
    std::string text;
    std::getline(std::ifstream(path), text);
    return text;
  };
  return read(outputs) == read(reference) ? "" : "other text";
}

TEST_F(WorkerLaboratoryTest, MeasuresAndAccountsForMemory) {
  WorkerLaboratory laboratory(setup_, folder_, compare_text);
  const std::unique_ptr<Trial> trial = laboratory.start(json::object(), 10);
  EXPECT_EQ(trial->load_ms(), 7);
  EXPECT_EQ(trial->threads(), 2);
  const RunSample sample = trial->measure(2, 1, 0, 10);
  EXPECT_EQ(sample.set_ms, (std::vector<std::vector<double>>{{1, 2}}));
  EXPECT_EQ(sample.runs(), 2);
  EXPECT_EQ(sample.wall_ms, 3);
  EXPECT_EQ(sample.cpu_ms, 4);
  EXPECT_GT(laboratory.machine_use().measured, 0);
  EXPECT_GE(laboratory.machine_use().cpus, 1);
  EXPECT_EQ(trial->memory().held_bytes, 200);
  EXPECT_EQ(trial->memory().peak_bytes, 400);
}

TEST_F(WorkerLaboratoryTest, TheFirstOutputsAreTheReference) {
  WorkerLaboratory laboratory(setup_, folder_, compare_text);
  const std::unique_ptr<Trial> first = laboratory.start({{"a", 1}}, 10);
  const std::unique_ptr<Trial> same = laboratory.start({{"a", 1}}, 10);
  const std::unique_ptr<Trial> other = laboratory.start({{"a", 2}}, 10);
  EXPECT_EQ(first->compare_outputs(10), "");
  EXPECT_EQ(same->compare_outputs(10), "");
  EXPECT_EQ(other->compare_outputs(10), "other text");
}

TEST_F(WorkerLaboratoryTest, RecordsMemoryOverTime) {
  const std::vector<std::string> command = shell_worker(R"(
    case $line in
      *prepare*) echo '{"version": "1.2", "memory": {"resident": 100, "peak": 100}}';;
      *) sleep 0.01; echo '{"memory": {"resident": 300, "peak": 300}}';;
    esac)");
  WorkerLaboratory laboratory({"fake", command, "model.onnx", "feeds.npz"}, folder_, compare_text);
  const MemoryTimeline timeline = laboratory.record_memory({{"a", 1}}, 2, 20);
  ASSERT_EQ(timeline.events.size(), 6U);
  EXPECT_EQ(timeline.events[0].name, "load");
  EXPECT_EQ(timeline.events[2].name, "run 2");
  EXPECT_GT(timeline.samples.size(), 6U);
  EXPECT_GT(timeline.samples[1].bytes, 10'000);  // a shell
  EXPECT_GT(timeline.events[5].at_ms, timeline.events[0].at_ms);
}

TEST_F(WorkerLaboratoryTest, AnIncompleteAnswerIsAFailure) {
  const WorkerSetup setup = {"fake", shell_worker("echo '{}'"), "model.onnx", "feeds.npz"};
  WorkerLaboratory laboratory(setup, folder_, compare_text);
  EXPECT_THROW(laboratory.start(json::object(), 10), Error);
  EXPECT_THROW(laboratory.record_memory(json::object(), 1, 10), Error);
  EXPECT_THROW(ask_version(setup, 10), Error);
}

TEST_F(WorkerLaboratoryTest, AWorkerTellsItsVersionAndItsIdleTime) {
  WorkerTrial trial(setup_, json::object(), 10);
  EXPECT_EQ(ask_version(setup_, 10), "1.2");
  EXPECT_EQ(trial.version(), "1.2");
  EXPECT_EQ(trial.measure_idle_cpu_ms(10), 0.5);
}

}  // namespace
}  // namespace attune
