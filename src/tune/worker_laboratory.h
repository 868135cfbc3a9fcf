// The tuner's trials in worker processes (tune/worker_trial.h).
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "tune/worker_trial.h"

namespace attune {

/// Nothing when two files of outputs agree, otherwise what differs.
using CompareOutputs =
    std::function<std::string(const std::filesystem::path& outputs, const std::filesystem::path& reference)>;

class WorkerLaboratory : public Laboratory {
 public:
  /// Outputs go to `folder`, which must exist and is not removed; `compare` reads them.
  WorkerLaboratory(WorkerSetup setup, std::filesystem::path folder, CompareOutputs compare);

  std::unique_ptr<Trial> start(const nlohmann::json& settings, double seconds) override;
  double now() override;

 private:
  WorkerSetup setup_;
  std::filesystem::path folder_;
  CompareOutputs compare_;
};

}  // namespace attune
