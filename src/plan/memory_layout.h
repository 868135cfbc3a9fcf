// Where in one block of memory each tensor of a run lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/schedule.h"

namespace attune {

/// A block that is needed from the start of step `first` to the end of step `last`.
struct Lifetime {
  int first = 0;
  int last = 0;
  size_t bytes = 0;
  /// Where steps may run at the same time: those that run only when this block is not needed any more, all of them
  /// behind `last`. Null: every step behind `last`.
  const StepBits* after = nullptr;
};

struct MemoryLayout {
  std::vector<size_t> offsets;  ///< One for each lifetime, multiples of kPlanAlignment.
  size_t bytes = 0;             ///< The size of the region.
  /// The largest sum of blocks alive at once when steps run one after another: no layout needs less.
  size_t lower_bound = 0;
};

constexpr size_t kPlanAlignment = 64;

/// MemoryLayout::lower_bound alone.
size_t largest_live_set(std::span<const Lifetime> lifetimes);

/// Gives blocks that may be needed at the same time disjoint ranges. Tries several orders of greedy placement (each
/// block at the lowest offset that is free during its life) and keeps the best; stops at one that reaches the lower
/// bound.
MemoryLayout lay_out_memory(std::span<const Lifetime> lifetimes);

}  // namespace attune
