// A node's subgraph, ready to run.
// Thread safety: as its parts; runs of many threads share it.
#pragma once

#include "plan/plan_cache.h"
#include "plan/program.h"

namespace attune {

struct Subprogram {
  Program program;
  /// A Loop binds its body once, as long as the shapes that it goes round with stay.
  PlanCache plans;
};

}  // namespace attune
