// The tuner's trials in worker processes (tune/worker_trial.h).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/machine_load.h"
#include "tune/trial.h"
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
  MemoryTimeline record_memory(const nlohmann::json& settings, int runs, double seconds) override;
  MachineUse machine_use() override { return use_; }
  double now() override;

 private:
  friend class TrialOfSettings;

  /// Adds what happened since `before`, of which `own_seconds` of CPU time were the trial's.
  void note_use(const MachineTimes& before, double seconds, double own_seconds);

  WorkerSetup setup_;
  std::filesystem::path folder_;
  CompareOutputs compare_;
  std::vector<int> cpus_;
  MachineUse use_;
};

}  // namespace attune
