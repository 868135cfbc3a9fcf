// Trials in worker processes. Requests beside those that tune/worker_process.h frames:
//
//   prepare  as given to the constructor; makes the inputs    load  settings -> load_ms, threads
//   measure  passes -> pass_ms, cpu_ms                        outputs  file: writes what the model gives
//
// Every answer has "memory": {"resident", "peak"}, the peak since the answer before.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tune/trial.h"

namespace attune {

/// Nothing when two files of outputs agree, otherwise what differs.
using CompareOutputs =
    std::function<std::string(const std::filesystem::path& outputs, const std::filesystem::path& reference)>;

class WorkerLaboratory : public Laboratory {
 public:
  /// `command` starts a worker and `prepare` is its first request. Outputs go to `folder`, which must exist and is not
  /// removed; `compare` reads them.
  WorkerLaboratory(std::vector<std::string> command, nlohmann::json prepare, std::filesystem::path folder,
                   CompareOutputs compare);

  std::unique_ptr<Trial> start(const nlohmann::json& settings, double seconds) override;
  double now() override;

 private:
  std::vector<std::string> command_;
  nlohmann::json prepare_;
  std::filesystem::path folder_;
  CompareOutputs compare_;
};

}  // namespace attune
