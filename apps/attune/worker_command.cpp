// The hidden `attune worker`: loads and runs a model on request and tells times and memory, for `compare`, `memory` and
// `tune`. tune/worker_trial.h describes the requests.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
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

constexpr int kMostCallers = 1024;

// The sets of a pass: each as often as its weight says and as evenly spread as that can be. The set that is furthest
// behind its share comes next.
std::vector<size_t> make_schedule(std::vector<int> weights, size_t sets) {
  weights.resize(sets, 1);
  int64_t length = 0;
  for (const int weight : weights) length += std::max(weight, 0);
  std::vector<size_t> schedule;
  std::vector<int64_t> behind(sets, 0);
  while (static_cast<int64_t>(schedule.size()) < length) {
    for (size_t k = 0; k < sets; ++k) behind[k] += weights[k];
    const auto next = std::max_element(behind.begin(), behind.end());
    *next -= length;
    schedule.push_back(static_cast<size_t>(next - behind.begin()));
  }
  return schedule;
}

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
      measure(request.at("passes"), request.value("callers", 1), request.value("warmup", 0), reply);
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
    schedule_ = make_schedule(request.value("weights", std::vector<int>()), sets_.size());
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

  // What one caller has measured.
  struct Times {
    std::vector<double> pass_ms;
    std::vector<std::vector<double>> set_ms;
    std::exception_ptr failure;
  };

  // Callers start at different places of the schedule: what they run at the same time is a mix, too.
  void run_passes(int passes, size_t offset, Times& times) {
    InferenceSession& loaded = session();
    times.set_ms.resize(sets_.size());
    for (int pass = 0; pass < passes; ++pass) {
      const int64_t start = monotonic_ns();
      for (size_t k = 0; k < schedule_.size(); ++k) {
        const size_t set = schedule_[(k + offset) % schedule_.size()];
        const int64_t run_start = monotonic_ns();
        loaded.run(sets_[set]);
        times.set_ms[set].push_back(milliseconds_since(run_start));
      }
      times.pass_ms.push_back(milliseconds_since(start));
    }
  }

  std::vector<Times> run_callers(int passes, int callers) {
    std::vector<Times> times(static_cast<size_t>(callers));
    const auto work = [&](size_t caller) {
      try {
        run_passes(passes, caller * schedule_.size() / times.size(), times[caller]);
      } catch (...) {
        times[caller].failure = std::current_exception();
      }
    };
    std::vector<std::thread> threads;
    for (size_t caller = 1; caller < times.size(); ++caller) threads.emplace_back(work, caller);
    work(0);
    for (std::thread& thread : threads) thread.join();
    for (const Times& caller : times) {
      if (caller.failure) std::rethrow_exception(caller.failure);
    }
    return times;
  }

  void measure(int passes, int callers, int warmup, json& reply) {
    if (passes < 0 || warmup < 0 || callers < 1 || callers > kMostCallers) {
      throw Error(ErrorCode::kInvalidArgument, "The worker cannot measure this many passes or callers.");
    }
    if (warmup > 0) run_callers(warmup, callers);
    const int64_t start = monotonic_ns();
    const int64_t cpu_start = process_cpu_ns();
    const std::vector<Times> times = run_callers(passes, callers);
    reply["wall_ms"] = milliseconds_since(start);
    reply["cpu_ms"] = static_cast<double>(process_cpu_ns() - cpu_start) * 1e-6;
    std::vector<double> pass_ms;
    std::vector<std::vector<double>> set_ms(sets_.size());
    for (const Times& caller : times) {
      pass_ms.insert(pass_ms.end(), caller.pass_ms.begin(), caller.pass_ms.end());
      for (size_t k = 0; k < caller.set_ms.size(); ++k) {
        set_ms[k].insert(set_ms[k].end(), caller.set_ms[k].begin(), caller.set_ms[k].end());
      }
    }
    reply["pass_ms"] = pass_ms;
    reply["set_ms"] = set_ms;
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
  std::vector<size_t> schedule_;  ///< The sets of a pass, in order.
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
