// The page of `attune inspect --memory`: where each tensor of a run lies, and how long.
#pragma once

#include <string>

#include "attune/session.h"
#include "report/page.h"

namespace attune {

/// The page's data: {"model", "description", "region_bytes", "lower_bound_bytes", "output_bytes",
/// "packed_weight_bytes", "nodes": [{"name", "op", "live_bytes", "batch_piece"}],
/// "blocks": [{"name", "first", "last", "offset", "bytes"}]}; blocks name the first and the last node they are kept for
/// by place, and scratch memory has no name.
Page make_memory_page(const std::string& model, const std::string& description, const PlanReport& plan);

}  // namespace attune
