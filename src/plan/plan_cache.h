// Plans by input shapes.
// Thread safety: all functions may be called from any thread.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/fork.h"
#include "plan/plan.h"

namespace attune {

/// A first segment, and where binding goes on behind it.
struct BoundStart {
  std::shared_ptr<const Segment> segment;
  /// Null when the segment is the last: nothing is bound after it.
  std::shared_ptr<const BindState> state;
  /// Bound by this call, not kept from an earlier one.
  bool is_new = false;
};

/// Keeps the first segments of the shapes used last. Later segments depend on data and are bound anew each run.
class PlanCache {
 public:
  /// Sixteen plans cost about a megabyte for a model of a thousand nodes; a service that sees more shapes than that
  /// binds again, which is cheap.
  static constexpr size_t kCapacity = 16;

  /// The plan for these shapes; bound now when it is not kept. Throws what binding throws.
  BoundStart find_or_bind(const Program& program, std::span<const Shape> inputs, const BindOptions& options);

 private:
  struct Entry {
    std::vector<Shape> inputs;
    BoundStart start;
  };
  ForkSafeMutex mutex_;
  std::list<Entry> entries_;  // most recently used first
};

}  // namespace attune
