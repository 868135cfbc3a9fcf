// The tuner's report as a page: one result, or those of several machines in one.
#pragma once

#include <string>
#include <vector>

#include "report/page.h"
#include "report/texts.h"
#include "tune/result.h"

namespace attune {

/// A result and the file it is saved in.
struct SavedResult {
  TuneResult result;
  std::string file;
};

/// The page's data: {"texts": by key, "results": [a result as in its file, and besides "words": {"sentence", "reasons",
/// "noise", "load", "machine", "limits"}, "report_title", "snippets": [{"title", "code", "notes"}], "figures": [one a
/// candidate, medians over its pairs: {"latency_ms", "p95_ms", "peak_bytes", "quantiles", ...}; null for one without
/// pairs], "is_superseded": a later one is of the same model, engine and machine type]}. The results come in the order
/// of their machine, the latest of a machine first.
Page make_tune_page(std::vector<SavedResult> results, const Texts& texts);

/// Machines that a setting holds for alike: "Intel(R) Xeon(R) ..., 2 of 4 CPUs, quota 1.5".
std::string machine_type(const TunedMachine& machine);

}  // namespace attune
