// Session options that a model file carries: onnxruntime's "ort_config" metadata.
#pragma once

#include "attune/options.h"
#include "base/function_ref.h"
#include "graph/graph.h"

namespace attune {

/// The options, validated. Where the configuration entry "attune.read_config_from_model" is "1", those that the model's
/// metadata states under "ort_config" take their place: {"session_options": {"intra_op_num_threads": 2, ...}}. Options
/// unknown to Attune are ignored there. Throws Error(kInvalidArgument) for JSON that cannot be read and for values of a
/// wrong type or out of range.
SessionOptions effective_options(const SessionOptions& options, FunctionRef<Graph()> load);

}  // namespace attune
