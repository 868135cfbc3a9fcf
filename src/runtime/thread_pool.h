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
// A run counts its threads itself: it has max_threads - 1 helpers to give away, each seat in a job takes one, and a
// helper that leaves gives it back. A for_each that found too few goes on looking while its tasks last, so threads that
// become free in one branch of a graph join the operators of another (run_lanes).
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

/// How many threads a run may use, and how they wait.
struct RunLimits {
  int threads = 1;             ///< In one for_each, the caller included: `intra_op_num_threads`.
  bool may_spin = true;        ///< Threads poll for tasks before they sleep: `session.intra_op.allow_spinning`.
  int lanes = 1;               ///< In run_lanes at the same time: `inter_op_num_threads`.
  bool lanes_may_spin = true;  ///< `session.inter_op.allow_spinning`

  /// Of the run, however its lanes share them.
  int most_threads() const { return threads > lanes ? threads : lanes; }
};

/// One run's share of a pool. Costs about 0.1 us when the workers exist.
class RunThreads final : public Parallel {
 public:
  /// Announces a run. The numbers are at least 1.
  RunThreads(ThreadPool& pool, const RunLimits& limits);
  RunThreads(ThreadPool& pool, int threads, bool may_spin = true)
      : RunThreads(pool, RunLimits{.threads = threads, .may_spin = may_spin}) {}
  ~RunThreads() override;
  RunThreads(const RunThreads&) = delete;
  RunThreads& operator=(const RunThreads&) = delete;

  int threads() const override { return limits_.threads; }

  /// See Parallel. Tasks run under the caller's float mode (base/float_mode.h). A call from inside a task is safe,
  /// whichever run it belongs to; `thread` then counts within the inner call. While the caller waits for the last
  /// helpers it does not take up tasks of other runs: its own run would pay for their length.
  void for_each(int64_t count, FunctionRef<void(int64_t index, int thread)> task) override;

  /// Calls `lane` in the caller, and once more in another thread for each invitation that finds one free, at most
  /// RunLimits::lanes at once. A lane that finds nothing to do returns. The caller, once its own has, helps with what
  /// other lanes of this run do, until `finished` says that nothing is left to do; then waits for all lanes to return.
  /// The first exception ends that wait, too, and comes out once no lane runs: `lane` must see to it that the others
  /// return soon. Whatever happens, one lane alone must be able to finish everything. Not from inside a lane.
  void run_lanes(FunctionRef<void()> lane, FunctionRef<bool()> finished);

  /// From inside a lane: there is work for so many more. Fewer come when fewer are free.
  void invite(int lanes);

  /// Wakes the workers ahead of the first `for_each`: for a run that is known to be long. Costs 2-5 us if they sleep.
  void wake();

 private:
  friend class ThreadPool;

  bool spins() const {
    return (limits_.threads > 1 && limits_.may_spin) || (limits_.lanes > 1 && limits_.lanes_may_spin);
  }
  int offer_seats(uint32_t slot, int most);
  void serve_own_jobs(uint32_t slot, FunctionRef<bool()> finished);
  void wake_leader();

  ThreadPool::State& state_;
  const RunLimits limits_;
  const bool nested_;          // made inside a task or another run of this thread: its caller's CPU is counted already
  const uint32_t generation_;  // of fork
  std::atomic<uint32_t> slot_hint_;          // the slot used last, warm in this core's cache
  std::atomic<int> free_;                    // helpers that the run may still have
  std::atomic<int> free_lanes_{0};           // lanes that may still be invited
  std::atomic<int> lanes_slot_{-1};          // the slot of run_lanes
  std::atomic<uint64_t> own_slots_{0};       // those of its lanes' jobs, which the caller may help with
  std::atomic<bool> leader_is_idle_{false};  // the caller of run_lanes looks for a job
};

/// For tests: called before each task, in its thread, to delay tasks or to see which threads take part; null for none.
void set_task_probe(void (*probe)());

}  // namespace attune
