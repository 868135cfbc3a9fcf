// The steps of a segment on several threads: no barriers, the longest way to the end first.
//
// A chain of steps (plan/schedule.h) is ready when all that it waits for have finished; ready chains are bits in a set
// ordered by rank, so that taking the most urgent one is a search for the first bit. A thread that finishes a chain
// goes on with the most urgent of those that it made ready, whose inputs are warm in its cache, unless one that is
// ready elsewhere has a way to the end that is longer by a good part of the whole. Where nothing branches nothing is
// ever shared: such a run costs what a sequential one does.
//
// Invariants: a chain's number of unfinished predecessors is counted down once by each; whoever counts it to zero, and
// nobody else, takes the chain or puts its bit in the set; a bit is cleared by the one thread that takes the chain.
// Both are acquire-release operations, so a step sees all that its predecessors wrote. Who adds a bit looks at the set
// again before it leaves, so no chain is forgotten, whether or not a thread follows the invitation.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "plan/schedule.h"
#include "runtime/thread_pool.h"

namespace attune {

/// One run of a schedule. Thread safety: made and destroyed by one thread; lanes are used by one thread each.
class StepQueue {
 public:
  StepQueue(const Schedule& schedule, RunThreads& threads);

  /// What one thread does in the run.
  class Lane {
   public:
    explicit Lane(StepQueue& queue) : queue_(queue) {}
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    /// Reports that the steps it gave last have finished; those to run now, one after another, none when there is
    /// nothing for this lane.
    std::span<const int> next();

   private:
    StepQueue& queue_;
    int current_ = -1;
    int finished_ = 0;  // not yet counted in the queue
  };

  /// All have finished.
  bool finished() const { return left_.load(std::memory_order_acquire) == 0; }

  /// No lane is given anything more.
  void stop() { stopped_.store(true, std::memory_order_relaxed); }

 private:
  void add(int chain);
  int take();
  int most_urgent() const;
  void invite();

  // What waits must be worth this much before another thread is called: that costs the caller up to 5 us.
  static constexpr int64_t kWorthCallingNs = 5'000;

  const Schedule& schedule_;
  RunThreads& threads_;
  const float slack_ns_;
  std::vector<std::atomic<int>> pending_;
  std::vector<std::atomic<uint64_t>> ready_;  // bit r: the chain of rank r
  std::atomic<int> ready_count_{0};           // may lag behind the bits
  std::atomic<int64_t> waiting_ns_{0};        // what the ready chains and their branches take, estimated
  std::atomic<int> left_;
  std::atomic<bool> stopped_{false};
};

/// Calls `body` in the caller and in up to `lanes` - 1 other threads of `threads`, as steps to run at the same time
/// turn up. `body` runs what the lane gives it until that is nothing. Returns when every
/// step has finished; the first exception ends the run and comes out once no thread is in `body`.
void run_schedule(const Schedule& schedule, RunThreads& threads, FunctionRef<void(StepQueue::Lane& lane)> body);

}  // namespace attune
