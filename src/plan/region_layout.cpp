#include "plan/region_layout.h"

#include <algorithm>

namespace attune {

Units::Units(int steps, std::span<const BatchGroup> groups) {
  unit_of_.resize(static_cast<size_t>(steps));
  int group = 0;
  for (int first = 0; first < steps;) {
    Unit unit{first, first + 1, -1};
    if (static_cast<size_t>(group) < groups.size() && groups[static_cast<size_t>(group)].first == first) {
      unit.end = groups[static_cast<size_t>(group)].end;
      unit.group = group++;
    }
    for (int i = first; i < unit.end; ++i) unit_of_[static_cast<size_t>(i)] = static_cast<int>(units_.size());
    units_.push_back(unit);
    first = unit.end;
  }
}

RegionLayout lay_out_region(std::span<const RegionBlock> blocks, const Units& units,
                            const std::vector<StepBits>* followers) {
  RegionLayout region;
  region.offsets.assign(blocks.size(), 0);
  region.lower_bound = largest_live_bytes(blocks, units);
  std::vector<Lifetime> outer;
  std::vector<size_t> outer_blocks;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const RegionBlock& block = blocks[i];
    if (block.group >= 0) continue;
    outer.push_back({units.unit_of(block.first), units.unit_of(block.last), block.bytes, block.after});
    outer_blocks.push_back(i);
  }
  std::vector<Lifetime> inner;
  std::vector<size_t> inner_blocks;
  std::vector<size_t> inner_units;  // behind outer_blocks: the units of groups
  for (size_t u = 0; u < units.all().size(); ++u) {
    const int group = units.all()[u].group;
    if (group < 0) continue;
    inner.clear();
    inner_blocks.clear();
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].group != group) continue;
      inner.push_back({blocks[i].first, blocks[i].last, blocks[i].bytes});
      inner_blocks.push_back(i);
    }
    const MemoryLayout layout = lay_out_memory(inner);
    for (size_t k = 0; k < inner_blocks.size(); ++k) region.offsets[inner_blocks[k]] = layout.offsets[k];
    outer.push_back(
        {static_cast<int>(u), static_cast<int>(u), layout.bytes, followers != nullptr ? &(*followers)[u] : nullptr});
    inner_units.push_back(u);
  }
  const MemoryLayout layout = lay_out_memory(outer);
  region.bytes = layout.bytes;
  for (size_t k = 0; k < outer_blocks.size(); ++k) region.offsets[outer_blocks[k]] = layout.offsets[k];
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].group < 0) continue;
    const auto unit = std::find_if(inner_units.begin(), inner_units.end(),
                                   [&](size_t u) { return units.all()[u].group == blocks[i].group; });
    const auto k = static_cast<size_t>(unit - inner_units.begin());
    region.offsets[i] += layout.offsets[outer_blocks.size() + k];
  }
  return region;
}

size_t largest_live_bytes(std::span<const RegionBlock> blocks, const Units& units) {
  if (units.all().empty()) return 0;
  std::vector<Lifetime> lifetimes;
  lifetimes.reserve(blocks.size());
  for (const RegionBlock& block : blocks) {
    const bool is_own = block.group >= 0;
    const Unit& begin = units.all()[static_cast<size_t>(units.unit_of(block.first))];
    const Unit& end = units.all()[static_cast<size_t>(units.unit_of(block.last))];
    lifetimes.push_back({is_own ? block.first : begin.first, is_own ? block.last : end.end - 1, block.bytes});
  }
  return largest_live_set(lifetimes);
}

}  // namespace attune
