// The engines that `compare`, `tune` and `memory` measure, as programs that answer requests (tune/worker_trial.h).
// Thread safety: none; the flags belong to the command line that fills them.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "feeds.h"
#include "tune/worker_trial.h"

namespace attune {

constexpr const char* kAttune = "attune";
constexpr const char* kOnnxruntime = "onnxruntime";

struct EngineFlags {
  std::string engine = kAttune;
  std::string python;  ///< The interpreter for onnxruntime; empty to look for one.
};

/// Adds --engine and --python, or --python alone.
void add_engine_flags(CLI::App& command, EngineFlags& flags);
void add_python_flag(CLI::App& command, EngineFlags& flags);

/// Writes the sets to `folder` for workers to read, and says how to start the engine's workers with them. For
/// onnxruntime without --python, the first of these that has it: ATTUNE_PYTHON (which the wheel's command sets to its
/// own), python3 beside this command, that of an active virtual environment, that of .venv in the current folder,
/// python3 and python on PATH. Throws Error(kInvalidArgument), naming them, when none has.
WorkerSetup make_setup(const EngineFlags& flags, const std::string& model, const std::vector<Feeds>& sets,
                       const std::filesystem::path& folder);
WorkerSetup make_setup(const EngineFlags& flags, const std::string& model, const std::vector<FeedSet>& load,
                       const std::filesystem::path& folder);

}  // namespace attune
