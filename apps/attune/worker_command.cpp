// The hidden `attune worker`: loads and runs a model on request and tells times and memory, for `memory` and `tune`.
// The framing is described in tune/worker_process.h. Requests:
//
//   prepare  model, inputs, shapes, dims, int_range, seed, merge   reads or makes the inputs, before memory is measured
//   load     settings                                              makes the session:  load_ms, threads
//   run                                                            one pass over the input sets:  ms
//   measure  passes                                                pass_ms: one number a pass;  cpu_ms: of all passes
//   outputs  file                                                  writes what each set gives, as "<set>/<output>"
//   close                                                          destroys the session
//
// Each answer has "memory": resident and peak bytes of the process, the peak since the answer before.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/log.h"
#include "base/memory.h"
#include "command.h"
#include "feeds.h"
#include "npy.h"
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
    } else if (command == "run") {
      reply["ms"] = run_pass();
    } else if (command == "measure") {
      measure(request.at("passes"), reply);
    } else if (command == "outputs") {
      save_outputs(request.at("file"));
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
    FeedFlags flags;
    flags.inputs = request.at("inputs");
    flags.shapes = request.at("shapes");
    flags.dims = request.at("dims");
    flags.int_range = request.at("int_range");
    flags.seed = request.at("seed");
    const std::vector<ValueDescription> inputs = read_model_inputs(model_);
    if (request.at("merge")) {
      sets_ = {make_feeds(flags, inputs)};
    } else {
      sets_ = make_feed_sets(flags, inputs);
    }
    reply["sets"] = sets_.size();
    reply["feeds"] = describe_feeds(sets_[0]);
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
