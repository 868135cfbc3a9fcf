// How a kernel uses threads, without knowing where they come from.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/function_ref.h"

namespace attune {

/// The threads that one run may use. A kernel cuts its work into tasks that write disjoint memory and whose results do
/// not depend on which thread runs them or how many there are: that is what keeps outputs the same bits for any thread
/// count. Cut by the problem's size alone, never by `threads()`, wherever the cut can change a rounding.
class Parallel {
 public:
  virtual ~Parallel() = default;

  /// The most threads that run tasks at once, the caller included; at least 1.
  virtual int threads() const = 0;

  /// Calls task(index, thread) once for each index in [0, count), in any order, and returns when all are done. `thread`
  /// is in [0, threads()) and differs between calls that overlap in time: it selects scratch memory. The first
  /// exception a task throws is thrown again here once no task is running. Must not be called from inside a task.
  virtual void for_each(int64_t count, FunctionRef<void(int64_t index, int thread)> task) = 0;
};

/// Everything in the calling thread: tests, constant folding, models too small to share out.
class SerialParallel final : public Parallel {
 public:
  int threads() const override { return 1; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t index = 0; index < count; ++index) task(index, 0);
  }
};

/// Cuts [0, size) into ranges of `grain` items (the last may be shorter) and calls body(begin, end, thread) for each;
/// small work runs in the caller at once. Choose `grain` so that a range costs about 10 us or more: waking a worker
/// that spins costs under 1 us, one that sleeps 10-50 us.
template <class Body>
void for_ranges(Parallel& parallel, int64_t size, int64_t grain, Body&& body) {
  grain = std::max<int64_t>(grain, 1);
  if (size <= grain || parallel.threads() == 1) {
    if (size > 0) body(int64_t{0}, size, 0);
    return;
  }
  parallel.for_each((size + grain - 1) / grain, [&](int64_t index, int thread) {
    body(index * grain, std::min(size, (index + 1) * grain), thread);
  });
}

}  // namespace attune
