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

/// A segment, and where binding goes on behind it.
struct BoundSegment {
  std::shared_ptr<const Segment> segment;
  /// Null when the segment is the last: nothing is bound after it.
  std::shared_ptr<const BindState> state;
  /// Bound by this call, not kept from an earlier one.
  bool is_new = false;
};

/// Keeps the segments of the shapes used last: the first ones by the shapes of inputs, later ones by the segment before
/// and the shapes that it came to.
class PlanCache {
 public:
  /// Sixteen plans cost about a megabyte for a model of a thousand nodes; a service that sees more shapes than that
  /// binds again, which is cheap.
  static constexpr size_t kCapacity = 16;
  /// Of later segments, which are parts of programs.
  static constexpr size_t kLaterCapacity = 64;

  /// The plan for these shapes; bound now when it is not kept. Throws what binding throws.
  BoundSegment find_or_bind(const Program& program, std::span<const Shape> inputs, const BindOptions& options);

  /// The segment behind `before`, which is not the last one, where its `unknown` values have turned out to have the
  /// shapes `found`. A shape that is not concrete says that the value is not there.
  BoundSegment find_or_bind_next(const Program& program, const BoundSegment& before, std::span<const Shape> found,
                                 const BindOptions& options);

 private:
  struct Entry {
    std::shared_ptr<const Segment> before;  // null for first segments
    std::vector<Shape> shapes;
    BoundSegment bound;
  };
  using Entries = std::list<Entry>;  // most recently used first

  bool find(Entries& entries, const Segment* before, std::span<const Shape> shapes, BoundSegment& bound);
  void keep(Entries& entries, size_t capacity, Entry entry);

  ForkSafeMutex mutex_;
  Entries first_;
  Entries later_;
};

}  // namespace attune
