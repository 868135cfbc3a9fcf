// The memory of a segment whose steps run in units, some of which go through the batch in pieces.
//
// Thread safety: pure functions and immutable values.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "plan/batch_split.h"
#include "plan/memory_layout.h"
#include "plan/schedule.h"

namespace attune {

/// Steps [first, end) that run one after another as one: a single step, or a group of them, one piece of the batch
/// after another.
struct Unit {
  int first = 0;
  int end = 0;
  int group = -1;  ///< Which, or -1.
};

/// Every step of a segment in its unit.
class Units {
 public:
  Units() = default;
  Units(int steps, std::span<const BatchGroup> groups);

  std::span<const Unit> all() const { return units_; }
  int unit_of(int step) const { return unit_of_[static_cast<size_t>(step)]; }
  int group_of(int step) const { return units_[static_cast<size_t>(unit_of(step))].group; }

 private:
  std::vector<Unit> units_;
  std::vector<int> unit_of_;
};

/// Memory needed from the start of step `first` to the end of step `last`. In a group with a part of the batch, all
/// that is not the group's own is needed by every piece: from the group's first step to its last.
struct RegionBlock {
  int first = 0;
  int last = 0;
  size_t bytes = 0;
  int group = -1;                   ///< The group that it is needed in, for one piece; or -1.
  const StepBits* after = nullptr;  ///< As Lifetime::after, but units; for what is no group's own.
};

struct RegionLayout {
  std::vector<size_t> offsets;  ///< One for each block.
  size_t bytes = 0;
  size_t lower_bound = 0;  ///< The largest set of blocks alive at once when steps run one after another.
};

/// Blocks of a group lie within one block of the region, which the group's pieces share. `followers`, where units may
/// run at the same time: for each unit those that run only when it has finished.
RegionLayout lay_out_region(std::span<const RegionBlock> blocks, const Units& units,
                            const std::vector<StepBits>* followers);

/// RegionLayout::lower_bound alone, which is much quicker to find.
size_t largest_live_bytes(std::span<const RegionBlock> blocks, const Units& units);

}  // namespace attune
