// What a session says of itself in the log while it is made. Info: the model, what the optimizer did, the program.
// Warning: what costs the user time or memory. Verbose: each pass, with what it refused from detail 1 on. Thread
// safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "attune/options.h"
#include "base/function_ref.h"
#include "base/log.h"
#include "graph/graph.h"
#include "optimize/optimize.h"
#include "plan/program.h"

namespace attune {

/// Bytes of a graph's initializers, each counted once.
int64_t count_constant_bytes(const Graph& graph);

/// `source` is the model's file, or says that it came from memory.
void log_model(const Logger& logger, std::string_view source, const Graph& graph, int64_t parameters);

/// `bytes_before` is count_constant_bytes() before optimization: a model whose constants were folded into much larger
/// ones is worth a warning.
void log_optimization(const Logger& logger, const SessionOptions& options, const OptimizeReport& report,
                      const Graph& graph, int64_t bytes_before);

void log_program(const Logger& logger, const Program& program, int threads, double milliseconds);

/// Options that cost time on this machine: threads above the CPUs that the process may use.
void warn_of_options(const Logger& logger, const SessionOptions& options);

/// The configuration entry that holds the hash (base/content_hash.h) of the model that the options were tuned for.
constexpr const char* kTunedModel = "attune.tuned_model";

/// A warning when the options were tuned for another model. `hash` is called only if they were tuned.
void warn_of_other_model(const Logger& logger, const SessionOptions& options, FunctionRef<std::string()> hash);

}  // namespace attune
