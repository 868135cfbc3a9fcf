// The threads of the process: one pool that all sessions share, and the handle through which a run uses it.
//
// Thread safety: a ThreadPool may be used from any thread. A RunThreads is made and destroyed in the thread that runs
// the model; `for_each` may be called from several threads at once and also from inside a task.
//
// How many threads work: a run uses its caller and at most max_threads - 1 helpers. The pool has as many workers as the
// largest request needs; runs that overlap in time may together use more, up to the CPUs the process may use. Each run
// that is active takes one CPU for its caller, so workers stand back when callers alone fill the machine: eight threads
// that call `run` on eight CPUs get no helpers, and no oversubscription.
//
// How they wait: a worker that finds nothing polls for kSpinNs while a run that allows spinning is active, then sleeps.
// After the last run it polls for kLingerNs more, so that a loop over short runs does not pay a wake-up for each, and
// then all workers sleep. Waking one that sleeps costs 10-50 us; one that polls, well under 1 us.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/parallel.h"

namespace attune {

class ThreadPool {
 public:
  /// The pool of the process. It is never destroyed: its workers sleep through the process's exit, which therefore
  /// waits for nothing. After a fork the child's pool starts its own workers when first used.
  static ThreadPool& shared();

  /// A pool of its own. Worker i (from 0; the caller is not one) is confined to the CPUs affinities[i] if there is such
  /// an entry and it is not empty: `session.intra_op_thread_affinities`. Where the operating system refuses, it stays
  /// free to run anywhere.
  explicit ThreadPool(std::vector<std::vector<int>> affinities = {});

  /// Waits for the workers to stop. No RunThreads of this pool may be alive.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Makes sure that a run can have `threads` threads, its caller included. A refusal by the operating system is no
  /// error: runs go on with fewer threads, and creation is tried again a second later.
  void reserve(int threads);

  /// Workers started so far.
  int workers() const;

  static constexpr int64_t kSpinNs = 100'000;
  static constexpr int64_t kLingerNs = 50'000;
  /// What lingering may cost all workers together.
  static constexpr int64_t kLingerSumNs = 500'000;

 private:
  friend class RunThreads;
  struct State;
  std::shared_ptr<State> state_;
};

/// One run's share of a pool. Costs about 0.1 us when the workers exist.
class RunThreads final : public Parallel {
 public:
  /// Announces a run. `max_threads` is at least 1 and includes the caller. With `allow_spinning` false nothing polls on
  /// behalf of this run: `session.intra_op.allow_spinning`.
  RunThreads(ThreadPool& pool, int max_threads, bool allow_spinning = true);
  ~RunThreads() override;
  RunThreads(const RunThreads&) = delete;
  RunThreads& operator=(const RunThreads&) = delete;

  int threads() const override { return max_threads_; }

  /// See Parallel. Tasks run under the caller's float mode (base/float_mode.h). A call from inside a task is safe,
  /// whichever run it belongs to; `thread` then counts within the inner call. While the caller waits for the last
  /// helpers it does not take up tasks of other runs: its own run would pay for their length.
  void for_each(int64_t count, FunctionRef<void(int64_t index, int thread)> task) override;

  /// Wakes the workers ahead of the first `for_each`: for a run that is known to be long. Costs 2-5 us if they sleep.
  void wake();

 private:
  ThreadPool::State& state_;
  int max_threads_;
  bool allow_spinning_;
  bool nested_;          // made inside a task or another run of this thread: its caller's CPU is counted already
  uint32_t generation_;  // of fork
  std::atomic<uint32_t> slot_hint_;  // the slot used last, warm in this core's cache
};

}  // namespace attune
