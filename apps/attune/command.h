// The subcommands of `attune`. Each function adds one to the command line; its callback does the work, throws
// attune::Error for a failure (exit code 1) or CLI::ParseError for a mistake in its use (exit code 2).
#pragma once

#include <CLI/CLI.hpp>

namespace attune {

void add_run_command(CLI::App& app);
void add_inspect_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_memory_command(CLI::App& app);
void add_profile_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_tune_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_pack_command(CLI::App& app);
void add_operators_command(CLI::App& app);
/// Hidden: the process that `compare`, `memory` and `tune` start to measure in.
void add_worker_command(CLI::App& app);

}  // namespace attune
