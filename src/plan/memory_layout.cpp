#include "plan/memory_layout.h"

#include <algorithm>
#include <numeric>

namespace attune {
namespace {

size_t aligned_up(size_t bytes) { return (bytes + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment; }

/// Whether `a` is over before `b` begins, in any order that the steps may run in.
bool ends_before(const Lifetime& a, const Lifetime& b) {
  return a.last < b.first && (a.after == nullptr || contains(*a.after, b.first));
}

/// Places the blocks in the given order.
MemoryLayout place(std::span<const Lifetime> lifetimes, const std::vector<size_t>& order) {
  MemoryLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> placed;  // indices, by offset
  placed.reserve(order.size());
  for (const size_t index : order) {
    const Lifetime& life = lifetimes[index];
    const size_t bytes = aligned_up(life.bytes);
    if (bytes == 0) continue;
    size_t offset = 0;
    for (const size_t other : placed) {
      const Lifetime& theirs = lifetimes[other];
      if (ends_before(theirs, life) || ends_before(life, theirs)) continue;
      if (offset + bytes <= layout.offsets[other]) break;
      offset = std::max(offset, layout.offsets[other] + aligned_up(theirs.bytes));
    }
    layout.offsets[index] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    const auto after = std::upper_bound(placed.begin(), placed.end(), offset,
                                        [&](size_t value, size_t p) { return value < layout.offsets[p]; });
    placed.insert(after, index);
  }
  return layout;
}

/// What ends at the top of the layout is placed earlier, before whatever lies below it: again and again, as long as
/// that may help. A layout of a hundred blocks takes about 20 us: plans with little memory, which a decoder makes anew
/// for each token, go without.
void improve(std::span<const Lifetime> lifetimes, size_t bound, std::vector<size_t> order, MemoryLayout& best) {
  constexpr int kRounds = 64;
  constexpr size_t kLeastBytes = size_t{1} << 20;
  constexpr size_t kMostBlocks = 1000;  // placing them takes quadratic time
  if (bound < kLeastBytes || lifetimes.size() > kMostBlocks) return;
  MemoryLayout layout = best;
  for (int round = 0; round < kRounds && best.bytes > bound; ++round) {
    const auto top = std::find_if(order.begin(), order.end(), [&](size_t i) {
      return layout.offsets[i] + aligned_up(lifetimes[i].bytes) == layout.bytes;
    });
    // Straight to the front at first; later half-way, which keeps more of an order that is nearly right.
    const auto to = round % 2 == 0 ? order.begin() : order.begin() + (top - order.begin()) / 2;
    std::rotate(to, top, top + 1);
    layout = place(lifetimes, order);
    if (layout.bytes < best.bytes) best = layout;
  }
}

}  // namespace

size_t largest_live_set(std::span<const Lifetime> lifetimes) {
  int steps = 0;
  for (const Lifetime& life : lifetimes) steps = std::max(steps, life.last + 1);
  std::vector<int64_t> change(static_cast<size_t>(steps) + 1, 0);
  for (const Lifetime& life : lifetimes) {
    change[static_cast<size_t>(life.first)] += static_cast<int64_t>(aligned_up(life.bytes));
    change[static_cast<size_t>(life.last) + 1] -= static_cast<int64_t>(aligned_up(life.bytes));
  }
  int64_t live = 0;
  int64_t most = 0;
  for (const int64_t step : change) most = std::max(most, live += step);
  return static_cast<size_t>(most);
}

MemoryLayout lay_out_memory(std::span<const Lifetime> lifetimes) {
  const size_t bound = largest_live_set(lifetimes);
  std::vector<size_t> order(lifetimes.size());
  const auto length = [&](size_t i) { return static_cast<size_t>(lifetimes[i].last - lifetimes[i].first + 1); };
  MemoryLayout best;
  std::vector<size_t> best_order;
  const auto attempt = [&](auto&& before) {
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    MemoryLayout layout = place(lifetimes, order);
    if (best.offsets.empty() || layout.bytes < best.bytes) {
      best = std::move(layout);
      best_order = order;
    }
    return best.bytes == bound;
  };
  const bool optimal =
      attempt([&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; }) ||
      attempt([&](size_t a, size_t b) { return lifetimes[a].bytes * length(a) > lifetimes[b].bytes * length(b); }) ||
      attempt([&](size_t a, size_t b) { return lifetimes[a].first < lifetimes[b].first; }) ||
      attempt([&](size_t a, size_t b) { return length(a) > length(b); });
  if (!optimal) improve(lifetimes, bound, best_order, best);
  best.lower_bound = bound;
  return best;
}

}  // namespace attune
