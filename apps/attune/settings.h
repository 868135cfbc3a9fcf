// Session options as the command sees them: flags made from the table of options. As name-value pairs that go to other
// processes and into files they are in session/settings.h. Thread safety: values and pure functions.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "attune/options.h"
#include "session/settings.h"

namespace attune {

/// Adds a flag for each row of session_option_table() and --config KEY=VALUE, all writing to `options`, which must
/// outlive the parsing. enable_cpu_mem_arena becomes --enable-cpu-mem-arena and --no-enable-cpu-mem-arena; choices go
/// by name, whatever their case, or number. A value out of range is a CLI::ValidationError.
void add_session_flags(CLI::App& command, SessionOptions& options);

/// "intra_op_num_threads" to "--intra-op-num-threads".
std::string flag_name(std::string_view option);

/// "intra_op_num_threads=2, enable_cpu_mem_arena=false"; "default" when empty.
std::string describe_settings(const nlohmann::json& settings);

}  // namespace attune
