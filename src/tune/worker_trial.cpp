#include "tune/worker_trial.h"

#include <algorithm>

#include "attune/error.h"
#include "base/cpu.h"

namespace attune {

using nlohmann::json;

json prepare_request(const WorkerSetup& setup) {
  json request = {{"command", "prepare"}, {"model", setup.model.string()}, {"feeds", setup.feeds.string()}};
  if (!setup.weights.empty()) request["weights"] = setup.weights;
  return request;
}

std::string ask_version(const WorkerSetup& setup, double seconds) {
  const json answer = WorkerProcess(setup.command).request(prepare_request(setup), seconds);
  const auto version = answer.find("version");
  if (version == answer.end() || !version->is_string()) {
    throw Error(ErrorCode::kFail, "The worker's answer is incomplete.");
  }
  return *version;
}

WorkerTrial::WorkerTrial(const WorkerSetup& setup, const json& settings, double seconds) : worker_(setup.command) {
  const double deadline = static_cast<double>(monotonic_ns()) * 1e-9 + seconds;
  const json prepared = worker_.request(prepare_request(setup), seconds);
  version_ = prepared.at("version");
  base_bytes_ = prepared.at("memory").at("resident");
  const double left = deadline - static_cast<double>(monotonic_ns()) * 1e-9;
  const json loaded = worker_.request({{"command", "load"}, {"settings", settings}}, left);
  worker_.pause();
  load_ms_ = loaded.at("load_ms");
  threads_ = loaded.at("threads");
  note_memory(loaded);
}

TimedPasses WorkerTrial::measure(int passes, double seconds) {
  const json answer = ask({{"command", "measure"}, {"passes", passes}}, seconds);
  return {answer.at("pass_ms"), answer.at("cpu_ms")};
}

RunSample WorkerTrial::measure_load(int passes, int callers, int warmup, double seconds) {
  const json answer =
      ask({{"command", "measure"}, {"passes", passes}, {"callers", callers}, {"warmup", warmup}}, seconds);
  return {answer.at("set_ms"), answer.at("wall_ms"), answer.at("cpu_ms")};
}

double WorkerTrial::measure_idle_cpu_ms(double seconds) {
  return ask({{"command", "idle"}, {"seconds", 1}}, seconds).at("cpu_ms");
}

void WorkerTrial::save_outputs(const std::filesystem::path& file, double seconds) {
  ask({{"command", "outputs"}, {"file", file.string()}}, seconds);
}

json WorkerTrial::ask(const json& request, double seconds) {
  worker_.resume();
  json answer = worker_.request(request, seconds);
  worker_.pause();
  note_memory(answer);
  return answer;
}

void WorkerTrial::note_memory(const json& answer) {
  const json& memory = answer.at("memory");
  memory_.held_bytes = std::max(0.0, memory.at("resident").get<double>() - base_bytes_);
  memory_.peak_bytes = std::max(memory_.peak_bytes, memory.at("peak").get<double>() - base_bytes_);
}

}  // namespace attune
