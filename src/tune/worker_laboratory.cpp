#include "tune/worker_laboratory.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/cpu.h"
#include "tune/worker_process.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr std::string_view kReference = "reference.npz";
constexpr std::string_view kOutputs = "outputs.npz";

class WorkerTrial : public Trial {
 public:
  WorkerTrial(const std::vector<std::string>& command, const json& prepare, const json& settings,
              std::filesystem::path folder, const CompareOutputs& compare, double seconds)
      : worker_(command), folder_(std::move(folder)), compare_(compare) {
    const double deadline = static_cast<double>(monotonic_ns()) * 1e-9 + seconds;
    const json prepared = worker_.request(prepare, seconds);
    base_bytes_ = prepared.at("memory").at("resident");
    const double left = deadline - static_cast<double>(monotonic_ns()) * 1e-9;
    const json loaded = worker_.request({{"command", "load"}, {"settings", settings}}, left);
    worker_.pause();
    load_ms_ = loaded.at("load_ms");
    threads_ = loaded.at("threads");
    note_memory(loaded);
  }

  double load_ms() const override { return load_ms_; }
  int threads() const override { return threads_; }
  TrialMemory memory() const override { return memory_; }

  TimedPasses measure(int passes, double seconds) override {
    const json answer = ask({{"command", "measure"}, {"passes", passes}}, seconds);
    return {answer.at("pass_ms"), answer.at("cpu_ms")};
  }

  std::string compare_outputs(double seconds) override {
    const std::filesystem::path reference = folder_ / kReference;
    const bool is_first = !std::filesystem::exists(reference);
    const std::filesystem::path file = is_first ? reference : folder_ / kOutputs;
    ask({{"command", "outputs"}, {"file", file.string()}}, seconds);
    return is_first ? std::string() : compare_(file, reference);
  }

 private:
  json ask(const json& request, double seconds) {
    worker_.resume();
    json answer = worker_.request(request, seconds);
    worker_.pause();
    note_memory(answer);
    return answer;
  }

  void note_memory(const json& answer) {
    const json& memory = answer.at("memory");
    memory_.held_bytes = std::max(0.0, memory.at("resident").get<double>() - base_bytes_);
    memory_.peak_bytes = std::max(memory_.peak_bytes, memory.at("peak").get<double>() - base_bytes_);
  }

  WorkerProcess worker_;
  std::filesystem::path folder_;
  const CompareOutputs& compare_;
  double base_bytes_ = 0;
  double load_ms_ = 0;
  int threads_ = 0;
  TrialMemory memory_;
};

}  // namespace

WorkerLaboratory::WorkerLaboratory(std::vector<std::string> command, json prepare, std::filesystem::path folder,
                                   CompareOutputs compare)
    : command_(std::move(command)),
      prepare_(std::move(prepare)),
      folder_(std::move(folder)),
      compare_(std::move(compare)) {}

std::unique_ptr<Trial> WorkerLaboratory::start(const json& settings, double seconds) {
  return std::make_unique<WorkerTrial>(command_, prepare_, settings, folder_, compare_, seconds);
}

double WorkerLaboratory::now() { return static_cast<double>(monotonic_ns()) * 1e-9; }

}  // namespace attune
