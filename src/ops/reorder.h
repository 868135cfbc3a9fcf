// Reorder: the operator that the planner puts where a value is read in another layout than it was written in.
#pragma once

#include <memory>

#include "ops/operator.h"

namespace attune {

/// Copies a rank-4 tensor between Layout::kPlain and Layout::kBlocked.
std::unique_ptr<Operator> make_reorder(Layout from, Layout to);

}  // namespace attune
