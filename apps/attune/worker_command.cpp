// The hidden `attune worker`: loads and runs a model on request and tells times and memory, for `compare`, `memory` and
// `tune`. tune/worker_trial.h describes the requests.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/memory.h"
#include "command.h"
#include "feeds.h"
#include "npy.h"
#include "ops/op_def.h"
#include "settings.h"

namespace attune {
namespace {

using nlohmann::json;

class Worker {
 public:
  json answer(const json& request) {
    const std::string command = request.at("command");
    json reply = json::object();
    if (command == "prepare") {
      prepare(request, reply);
    } else if (command == "load") {
      load(request, reply);
    } else if (command == "close") {
      session_.reset();
    } else if (command == "measure") {
      measure(request.at("passes"), reply);
    } else if (command == "idle") {
      const int64_t start = process_cpu_ns();
      std::this_thread::sleep_for(std::chrono::duration<double>(request.at("seconds").get<double>()));
      reply["cpu_ms"] = static_cast<double>(process_cpu_ns() - start) * 1e-6;
    } else if (command == "outputs") {
      save_outputs(request.at("file"));
    } else if (command == "operators") {
      reply["missing"] = missing_operators(request.at("operators"));
    } else {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("The worker has no command '{}'.", command));
    }
    const ProcessMemory memory = process_memory();
    reset_peak_memory();
    reply["memory"] = {{"resident", memory.resident}, {"peak", memory.peak}};
    return reply;
  }

 private:
  void prepare(const json& request, json& reply) {
    model_ = request.at("model");
    std::map<size_t, Feeds> sets;
    for (NamedTensor& feed : load_npz(request.at("feeds").get<std::string>())) {
      const size_t slash = feed.name.find('/');
      Feeds& feeds = sets[std::stoul(feed.name)];
      feeds.push_back({feed.name.substr(slash + 1), std::move(feed.tensor)});
    }
    for (auto& [index, feeds] : sets) sets_.push_back(std::move(feeds));
    if (sets_.empty()) sets_.emplace_back();  // of a model without inputs
    reply["version"] = std::string(version());
  }

  static std::vector<size_t> missing_operators(const json& operators) {
    std::vector<size_t> missing;
    for (size_t k = 0; k < operators.size(); ++k) {
      const auto [domain, name, opset] = operators[k].get<std::tuple<std::string, std::string, int>>();
      if (find_op(domain, name, opset) == nullptr) missing.push_back(k);
    }
    return missing;
  }

  void load(const json& request, json& reply) {
    const SessionOptions options = apply_settings({}, request.at("settings"));
    const int64_t start = monotonic_ns();
    session_.emplace(model_, options);
    reply["load_ms"] = milliseconds_since(start);
    reply["threads"] = session_->threads();
  }

  double run_pass() {
    const int64_t start = monotonic_ns();
    InferenceSession& loaded = session();
    for (const Feeds& feeds : sets_) loaded.run(feeds);
    return milliseconds_since(start);
  }

  void measure(int passes, json& reply) {
    std::vector<double> times;
    const int64_t start = process_cpu_ns();
    for (int k = 0; k < passes; ++k) times.push_back(run_pass());
    reply["pass_ms"] = times;
    reply["cpu_ms"] = static_cast<double>(process_cpu_ns() - start) * 1e-6;
  }

  void save_outputs(const std::string& file) {
    std::vector<NamedTensor> outputs;
    for (size_t set = 0; set < sets_.size(); ++set) {
      const std::vector<Tensor> results = session().run(sets_[set]);
      for (size_t k = 0; k < results.size(); ++k) {
        outputs.push_back({fmt::format("{}/{}", set, session().outputs()[k].name), results[k]});
      }
    }
    save_npz(file, outputs);
  }

  InferenceSession& session() {
    if (!session_) throw Error(ErrorCode::kNoModel, "The worker has no session: load one first.");
    return *session_;
  }

  static double milliseconds_since(int64_t start) { return static_cast<double>(monotonic_ns() - start) * 1e-6; }

  std::string model_;
  std::vector<Feeds> sets_;
  std::optional<InferenceSession> session_;
};

void serve() {
  set_default_log_severity(LogSeverity::kError);  // more threads than CPUs is what a trial tries, not a mistake
  Worker worker;
  for (std::string line; std::getline(std::cin, line);) {
    json reply;
    try {
      reply = worker.answer(json::parse(line));
    } catch (const Error& error) {
      reply = {{"error", error.text()}};
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    fmt::print("{}\n", reply.dump(-1, ' ', false, json::error_handler_t::replace));
    std::fflush(stdout);
  }
}

}  // namespace

void add_worker_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("worker", "Measure on request");
  command->group("");  // not in --help
  command->callback(serve);
}

}  // namespace attune
