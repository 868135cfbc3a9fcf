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
      *measure*) echo '{"pass_ms": [1, 2], "cpu_ms": 4, "memory": {"resident": 300, "peak": 300}}';;
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
  const TimedPasses timed = trial->measure(2, 10);
  EXPECT_EQ(timed.pass_ms, (std::vector<double>{1, 2}));
  EXPECT_EQ(timed.cpu_ms, 4);
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

TEST_F(WorkerLaboratoryTest, AWorkerTellsItsVersionAndItsIdleTime) {
  WorkerTrial trial(setup_, json::object(), 10);
  EXPECT_EQ(trial.version(), "1.2");
  EXPECT_EQ(trial.measure_idle_cpu_ms(10), 0.5);
}

}  // namespace
}  // namespace attune
