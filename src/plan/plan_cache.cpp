#include "plan/plan_cache.h"

#include <algorithm>

namespace attune {

BoundStart PlanCache::find_or_bind(const Program& program, std::span<const Shape> inputs, const BindOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return std::equal(entry.inputs.begin(), entry.inputs.end(), inputs.begin(), inputs.end());
    });
    if (found != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, found);
      return entries_.front().start;
    }
  }
  // Bound outside the lock: two threads may bind the same shapes at once, which is rare and harmless.
  BindState state = start_binding(program, inputs);
  BoundStart start;
  start.segment = bind_segment(program, state, options);
  if (!start.segment->is_last) start.state = std::make_shared<const BindState>(std::move(state));
  const std::lock_guard lock(mutex_);
  entries_.push_front({std::vector<Shape>(inputs.begin(), inputs.end()), start});
  if (entries_.size() > kCapacity) entries_.pop_back();
  start.is_new = true;
  return start;
}

}  // namespace attune
