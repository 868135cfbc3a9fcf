// What the optimizer does to a model, pass by pass.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "attune/options.h"

namespace attune {

/// Optimizes the model at the options' level: {"level", "nodes_before", "nodes_after", "passes": [{"pass", "level",
/// "purpose", "runs", "changes", "milliseconds", "changed": [text], "refused": [{"node", "reason"}]}]}, passes of
/// higher levels with 0 runs. Throws Error as loading does.
nlohmann::json make_passes_report(const std::string& model, const SessionOptions& options);

/// The report as text, with at most `top` changes and refusals a pass.
std::string format_passes_report(const nlohmann::json& report, size_t top);

}  // namespace attune
