// What the optimizer does at the levels that users name.
#pragma once

#include "attune/options.h"
#include "optimize/optimize.h"

namespace attune {

/// Layouts are chosen at every level: kEnableLayout is kEnableExtended.
inline OptimizationLevel optimization_level(GraphOptimizationLevel level) {
  switch (level) {
    case GraphOptimizationLevel::kDisableAll:
      return OptimizationLevel::kNone;
    case GraphOptimizationLevel::kEnableBasic:
      return OptimizationLevel::kBasic;
    case GraphOptimizationLevel::kEnableExtended:
    case GraphOptimizationLevel::kEnableLayout:
      return OptimizationLevel::kExtended;
    case GraphOptimizationLevel::kEnableAll:
      break;
  }
  return OptimizationLevel::kAll;
}

}  // namespace attune
