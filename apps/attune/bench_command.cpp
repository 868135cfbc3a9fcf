// `attune bench`: latency, throughput, CPU time and memory of a model under given options.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/memory.h"
#include "command.h"
#include "feeds.h"
#include "settings.h"
#include "table.h"
#include "tune/statistics.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune bench model.onnx
  attune bench model.onnx --shape images=8x3x224x224 --seconds 10
  attune bench model.onnx --concurrency 4 --intra-op-num-threads 1
  attune bench model.onnx --input sentences/ --json

--concurrency calls one session from several threads at once. When --input gives
several .npz files or a folder of them, runs take them in turn.)";

struct BenchFlags {
  std::string model;
  FeedFlags feeds;
  SessionOptions options;
  double seconds = 5;
  int warmup = 3;
  int concurrency = 1;
  bool as_json = false;
};

struct Measurement {
  std::vector<double> times_ms;
  double elapsed_seconds = 0;
  double cpu_ms = 0;
};

// Runs from `callers` threads until the time is over; each runs at least once.
Measurement measure(InferenceSession& session, const std::vector<Feeds>& sets, int callers, double seconds) {
  Measurement measurement;
  std::mutex mutex;
  std::exception_ptr failure;
  std::atomic<size_t> next = 0;
  const int64_t start = monotonic_ns();
  const int64_t cpu_start = process_cpu_ns();
  const auto deadline = start + static_cast<int64_t>(seconds * 1e9);
  const auto call = [&] {
    std::vector<double> times_ms;
    try {
      int64_t now = monotonic_ns();
      do {
        const Feeds& feeds = sets[next.fetch_add(1, std::memory_order_relaxed) % sets.size()];
        const int64_t begin = monotonic_ns();
        session.run(feeds);
        now = monotonic_ns();
        times_ms.push_back(static_cast<double>(now - begin) * 1e-6);
      } while (now < deadline);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex);
    measurement.times_ms.insert(measurement.times_ms.end(), times_ms.begin(), times_ms.end());
  };
  std::vector<std::thread> threads;
  for (int k = 1; k < callers; ++k) threads.emplace_back(call);
  call();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  measurement.elapsed_seconds = static_cast<double>(monotonic_ns() - start) * 1e-9;
  measurement.cpu_ms = static_cast<double>(process_cpu_ns() - cpu_start) * 1e-6;
  return measurement;
}

void print(const json& report, const std::string& feeds) {
  const json& latency = report.at("latency_ms");
  const json& memory = report.at("memory");
  const auto ms = [](const json& value) { return format_ms(value.get<double>()); };
  const auto bytes = [](const json& value) { return format_bytes(value.get<double>()); };
  fmt::print("Inputs:     {}\n", feeds);
  fmt::print("Options:    {}, {} threads a run, {} at once\n", describe_settings(report.at("settings")),
             report.at("threads").get<int>(), report.at("concurrency").get<int>());
  fmt::print("Load:       {} ms\n\n", ms(report.at("load_ms")));
  Table table({{"Latency (ms)"},
               {"min", Align::kRight},
               {"mean", Align::kRight},
               {"p50", Align::kRight},
               {"p90", Align::kRight},
               {"p95", Align::kRight},
               {"p99", Align::kRight},
               {"max", Align::kRight}});
  table.add_row({fmt::format("{} runs", report.at("runs").get<size_t>()), ms(latency.at("min")), ms(latency.at("mean")),
                 ms(latency.at("p50")), ms(latency.at("p90")), ms(latency.at("p95")), ms(latency.at("p99")),
                 ms(latency.at("max"))});
  fmt::print("{}\n", table.text());
  fmt::print("Throughput: {:.1f} runs/s\n", report.at("runs_per_second").get<double>());
  fmt::print("CPU time:   {} ms a run\n", ms(report.at("cpu_ms_per_run")));
  fmt::print("Memory:     {} by loading, {} held, {} at peak (inputs and the program apart)\n",
             bytes(memory.at("load_bytes")), bytes(memory.at("held_bytes")), bytes(memory.at("peak_bytes")));
}

void bench(const BenchFlags& flags) {
  const std::vector<Feeds> sets = make_feed_sets(flags.feeds, read_model_inputs(flags.model));
  const ProcessMemory before = process_memory();
  reset_peak_memory();
  const auto added = [&](uint64_t bytes) { return bytes > before.resident ? bytes - before.resident : 0; };

  const int64_t start = monotonic_ns();
  std::optional<InferenceSession> session(std::in_place, flags.model, flags.options);
  const double load_ms = static_cast<double>(monotonic_ns() - start) * 1e-6;
  const uint64_t loaded = process_memory().resident;
  for (int k = 0; k < flags.warmup; ++k) session->run(sets[static_cast<size_t>(k) % sets.size()]);
  const Measurement measured = measure(*session, sets, flags.concurrency, flags.seconds);
  const ProcessMemory after = process_memory();

  const std::vector<double>& times = measured.times_ms;
  const auto runs = static_cast<double>(times.size());
  double sum = 0;
  for (const double time : times) sum += time;
  const json report = {
      {"model", flags.model},
      {"settings", settings_of(flags.options)},
      {"threads", session->threads()},
      {"concurrency", flags.concurrency},
      {"load_ms", load_ms},
      {"runs", times.size()},
      {"latency_ms",
       {{"min", quantile(times, 0)},
        {"mean", sum / runs},
        {"p50", quantile(times, 0.5)},
        {"p90", quantile(times, 0.9)},
        {"p95", quantile(times, 0.95)},
        {"p99", quantile(times, 0.99)},
        {"max", quantile(times, 1)}}},
      {"runs_per_second", runs / measured.elapsed_seconds},
      {"cpu_ms_per_run", measured.cpu_ms / runs},
      {"memory",
       {{"load_bytes", added(loaded)}, {"held_bytes", added(after.resident)}, {"peak_bytes", added(after.peak)}}}};
  if (flags.as_json) {
    fmt::print("{}\n", report.dump(2));
    return;
  }
  print(report, describe_feed_sets(sets));
}

}  // namespace

void add_bench_command(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "Measure latency, throughput, CPU time and memory");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--seconds", flags->seconds, "How long to measure")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  command->add_option("--warmup", flags->warmup, "Runs before measuring")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_option("--concurrency", flags->concurrency, "Threads that call the session at once")
      ->type_name("N")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--json", flags->as_json, "Print JSON");
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { bench(*flags); });
}

}  // namespace attune
