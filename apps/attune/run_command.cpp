// `attune run`: run a model once or more and show, or save, what comes out.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>

#include "attune/session.h"
#include "base/cpu.h"
#include "command.h"
#include "feeds.h"
#include "npy.h"
#include "settings.h"
#include "table.h"
#include "tensor_summary.h"

namespace attune {
namespace {

constexpr const char* kExamples = R"(Examples:
  attune run model.onnx
  attune run model.onnx --shape images=8x3x224x224 --output out.npz
  attune run model.onnx --input images=cat.npy --intra-op-num-threads 2
  attune run model.onnx --input feeds.npz --output results/
  attune run bert.onnx --dim batch=1 --dim sequence=128 --int-range 0:30000

Without --input the model gets random tensors, always the same: floats from
[-1, 1), integers from --int-range, ones for inputs whose name contains "mask".
--output takes a .npz file or a folder, which gets a .npy file for each output.)";

struct RunFlags {
  std::string model;
  FeedFlags feeds;
  SessionOptions options;
  std::string output;
  int runs = 1;
};

// A name that is a path of folders in the model becomes one file name.
std::string file_name_of(std::string name) {
  std::replace(name.begin(), name.end(), '/', '_');
  return name + ".npy";
}

void save_outputs(const std::string& target, std::span<const NamedTensor> outputs) {
  if (target.ends_with(".npz")) {
    save_npz(target, outputs);
    return;
  }
  std::error_code failed;
  std::filesystem::create_directories(target, failed);  // save_npy reports what comes of it
  for (const NamedTensor& output : outputs) {
    save_npy(std::filesystem::path(target) / file_name_of(output.name), output.tensor);
  }
}

void run(const RunFlags& flags) {
  InferenceSession session(flags.model, flags.options);
  const Feeds feeds = make_feeds(flags.feeds, session.inputs());
  std::vector<Tensor> results;
  std::vector<double> times_ms;
  for (int k = 0; k < flags.runs; ++k) {
    results.clear();
    const int64_t start = monotonic_ns();
    results = session.run(feeds);
    times_ms.push_back(static_cast<double>(monotonic_ns() - start) * 1e-6);
  }
  fmt::print("Inputs: {}\n\n", describe_feeds(feeds));
  Table table({{"output", Align::kLeft, true},
               {"type"},
               {"shape"},
               {"min", Align::kRight},
               {"mean", Align::kRight},
               {"max", Align::kRight},
               {"note"}});
  std::vector<NamedTensor> outputs;
  for (size_t k = 0; k < results.size(); ++k) {
    const TensorSummary summary = summarize(results[k]);
    table.add_row({session.outputs()[k].name, std::string(data_type_name(results[k].type())),
                   format_shape(results[k].shape()), summary.least, summary.mean, summary.most, summary.note});
    outputs.push_back({session.outputs()[k].name, results[k]});
  }
  fmt::print("{}\n", table.text());
  fmt::print("{} run{} with {} thread{}, first {} ms", flags.runs, flags.runs == 1 ? "" : "s", session.threads(),
             session.threads() == 1 ? "" : "s", format_ms(times_ms[0]));
  if (flags.runs > 1) {
    fmt::print(", fastest {} ms", format_ms(*std::min_element(times_ms.begin(), times_ms.end())));
  }
  fmt::print("\n");
  if (flags.output.empty()) return;
  save_outputs(flags.output, outputs);
  fmt::print("Saved in {}\n", flags.output);
}

}  // namespace

void add_run_command(CLI::App& app) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "Run a model and show its outputs");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--output", flags->output, "Save the outputs: a .npz file or a folder")->type_name("PATH");
  command->add_option("--runs", flags->runs, "How often to run")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000000))
      ->capture_default_str();
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { run(*flags); });
}

}  // namespace attune
