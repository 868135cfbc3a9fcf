#include "plan/plan_cache.h"

#include <algorithm>
#include <utility>

namespace attune {
namespace {

// Bound outside the lock: two threads may bind the same shapes at once, which is rare and harmless.
BoundSegment bind(const Program& program, BindState state, const BindOptions& options) {
  BoundSegment bound;
  bound.segment = bind_segment(program, state, options);
  if (!bound.segment->is_last) bound.state = std::make_shared<const BindState>(std::move(state));
  return bound;
}

}  // namespace

BoundSegment PlanCache::find_or_bind(const Program& program, std::span<const Shape> inputs,
                                     const BindOptions& options) {
  BoundSegment bound;
  if (find(first_, nullptr, inputs, bound)) return bound;
  bound = bind(program, start_binding(program, inputs), options);
  keep(first_, kCapacity, {nullptr, {inputs.begin(), inputs.end()}, bound});
  bound.is_new = true;
  return bound;
}

BoundSegment PlanCache::find_or_bind_next(const Program& program, const BoundSegment& before,
                                          std::span<const Shape> found, const BindOptions& options) {
  BoundSegment bound;
  if (find(later_, before.segment.get(), found, bound)) return bound;
  BindState state = *before.state;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i].is_concrete()) continue;
    const auto value = static_cast<size_t>(before.segment->unknown[i]);
    state.shapes[value] = found[i];
    state.known[value] = true;
  }
  bound = bind(program, std::move(state), options);
  keep(later_, kLaterCapacity, {before.segment, {found.begin(), found.end()}, bound});
  bound.is_new = true;
  return bound;
}

bool PlanCache::find(Entries& entries, const Segment* before, std::span<const Shape> shapes, BoundSegment& bound) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return entry.before.get() == before &&
           std::equal(entry.shapes.begin(), entry.shapes.end(), shapes.begin(), shapes.end());
  });
  if (found == entries.end()) return false;
  entries.splice(entries.begin(), entries, found);
  bound = entries.front().bound;
  return true;
}

void PlanCache::keep(Entries& entries, size_t capacity, Entry entry) {
  const std::lock_guard lock(mutex_);
  entries.push_front(std::move(entry));
  if (entries.size() > capacity) entries.pop_back();
}

}  // namespace attune
