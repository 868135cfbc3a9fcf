#include "runtime/thread_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <exception>
#include <limits>
#include <mutex>
#include <utility>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/cpu_relax.h"
#include "base/float_mode.h"
#include "base/fork.h"
#include "base/futex.h"
#include "base/thread.h"

namespace attune {
namespace {

using Task = FunctionRef<void(int64_t, int)>;

// Job slots: for_each calls beyond so many at once run in their caller alone. One bit each in a word.
constexpr uint32_t kSlots = 64;

// A slot's state: seats that helpers may still take, a mark that the caller sleeps, and the helpers at work. One word,
// so that taking a seat and closing the job exclude each other.
constexpr uint32_t kSeats = 0xffff;
constexpr uint32_t kCallerSleeps = 1U << 16;
constexpr uint32_t kHelper = 1U << 17;
constexpr int kMostThreads = 1 << 14;

// Polls between two looks at the clock, which costs as much as a poll or more.
constexpr int kPollsPerClock = 16;

// A caller that may not spin polls for helpers in the midst of their last task this often before it sleeps.
constexpr int64_t kShortSpinNs = 3'000;

// What new and departing workers may cost: creating threads is not tried again for so long after a refusal.
constexpr int64_t kRetryNs = 1'000'000'000;

// Runs and tasks that the thread is in: a run made within one does not occupy another CPU.
thread_local int depth = 0;

struct alignas(64) Slot {
  std::atomic<uint32_t> state{0};
  std::atomic<bool> busy{false};
  bool spin = false;  // the run allows spinning
  int helpers = 0;    // seats at the start
  uint32_t float_mode = 0;
  const Task* task = nullptr;
  int64_t count = 0;
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<bool> failed{false};
  std::exception_ptr error;

  // Takes indices until none is left. An exception ends the job early.
  void run_tasks(const Task& run, int64_t end, int thread) {
    try {
      for (int64_t index; (index = next.fetch_add(1, std::memory_order_relaxed)) < end;) run(index, thread);
    } catch (...) {
      if (!failed.exchange(true, std::memory_order_acq_rel)) error = std::current_exception();
      next.store(end, std::memory_order_relaxed);
    }
  }
};

}  // namespace

struct ThreadPool::State {
  // What workers poll is in one cache line, which a caller that publishes a job needs as well.
  alignas(64) std::atomic<uint64_t> open{0};  // bit s: slot s has seats
  std::atomic<int> runs{0};                   // active runs, nested ones not counted
  std::atomic<int> spinning_runs{0};          // active runs that allow spinning and use helpers
  std::atomic<int> awake{0};                  // workers that do not sleep, or have a permit to wake
  std::atomic<int> workers{0};
  std::atomic<int> requested{1};  // the most threads that a run has asked for
  std::atomic<int> wanted{0};     // helpers that all active runs would like
  std::atomic<bool> stop{false};

  alignas(64) std::atomic<uint32_t> permits{0};  // a semaphore: sleepers that may wake
  std::atomic<uint32_t> live{0};                 // workers whose thread has not ended

  std::array<Slot, kSlots> slots;

  ForkSafeMutex grow_mutex;  // protects what follows, and the making of workers
  std::atomic<uint32_t> generation{fork_generation()};
  int64_t retry_at_ns = 0;
  const int cpus = usable_cpus();
  const std::vector<std::vector<int>> affinities;

  explicit State(std::vector<std::vector<int>> cpu_sets) : affinities(std::move(cpu_sets)) {}

  // Workers that may be awake: the CPUs (more, if a run asks for more) that callers leave.
  int budget() const {
    const int capacity = std::max(requested.load(std::memory_order_relaxed), cpus);
    return std::min(workers.load(std::memory_order_relaxed), capacity - runs.load(std::memory_order_relaxed));
  }

  // In a child of fork no worker exists, and threads that do not exist either have left their runs and jobs behind.
  void restart_after_fork() {
    if (generation.load(std::memory_order_acquire) == fork_generation()) return;
    const std::lock_guard lock(grow_mutex);
    if (generation.load(std::memory_order_relaxed) == fork_generation()) return;
    open = 0;
    runs = 0;
    spinning_runs = 0;
    awake = 0;
    workers = 0;
    wanted = 0;
    permits = 0;
    live = 0;
    retry_at_ns = 0;
    for (Slot& slot : slots) {
      slot.state = 0;
      slot.busy = false;
      slot.error = nullptr;
    }
    generation.store(fork_generation(), std::memory_order_release);
  }

  void grow(const std::shared_ptr<State>& self, int target) {
    if (workers.load(std::memory_order_relaxed) >= target) return;
    const std::lock_guard lock(grow_mutex);
    if (workers.load(std::memory_order_relaxed) >= target || monotonic_ns() < retry_at_ns) return;
    while (workers.load(std::memory_order_relaxed) < target) {
      const int id = workers.load(std::memory_order_relaxed);
      live.fetch_add(1);
      awake.fetch_add(1);
      if (!start_thread(fmt::format("attune-{}", id + 1), [self, id] { self->work(id); })) {
        live.fetch_sub(1);
        awake.fetch_sub(1);
        retry_at_ns = monotonic_ns() + kRetryNs;
        return;
      }
      workers.fetch_add(1);
    }
  }

  // A worker's life.
  void work(int id) {
    depth = 1;
    if (static_cast<size_t>(id) < affinities.size() && !affinities[id].empty()) set_thread_affinity(affinities[id]);
    auto turn =
        static_cast<uint32_t>(id);  // where to look for a job first: workers spread over the jobs of several runs
    bool linger = false;            // the last job's run allowed spinning
    while (!stop.load(std::memory_order_relaxed)) {
      if (awake.load(std::memory_order_relaxed) > std::max(budget(), 0) || !poll(turn, linger)) sleep();
    }
    live.fetch_sub(1);
    futex_wake(live, std::numeric_limits<int>::max());
  }

  // Looks for a job and helps with it; false when it is time to sleep.
  bool poll(uint32_t& turn, bool& linger) {
    int64_t deadline = 0;
    bool ended = false;  // no run spins any more; polling goes on for the sake of the next one
    for (int polls = 0;; ++polls) {
      if (const uint64_t jobs = open.load(std::memory_order_acquire); jobs != 0 && help_any(jobs, turn, linger))
        return true;
      const bool spinning = spinning_runs.load(std::memory_order_relaxed) > 0;
      if ((!spinning && !linger) || stop.load(std::memory_order_relaxed)) return false;
      if (polls % kPollsPerClock == 0) {
        if (awake.load(std::memory_order_relaxed) > std::max(budget(), 0)) return false;
        const int64_t now = monotonic_ns();
        if (deadline == 0) deadline = now + kSpinNs;
        if (!spinning && !ended) {
          ended = true;
          deadline = std::min({deadline, now + kLingerNs, now + kLingerSumNs / std::max(workers.load(), 1)});
        }
        if (now >= deadline) return false;
      }
      cpu_relax();
    }
  }

  // Returns when this worker may be awake.
  void sleep() {
    awake.fetch_sub(1);
    // A caller that published a job before it could see this has woken nobody.
    if (open.load() != 0 && wake_up(1) == 1) return;
    for (;;) {
      uint32_t free = permits.load(std::memory_order_relaxed);
      while (free > 0) {
        if (permits.compare_exchange_weak(free, free - 1, std::memory_order_acquire)) return;
      }
      if (stop.load()) return;
      futex_wait(permits, 0);
    }
  }

  // Counts up to `most` more workers as awake; how many the budget admits.
  int wake_up(int most) {
    int now = awake.load();
    for (;;) {
      const int more = std::min(most, budget() - now);
      if (more <= 0) return 0;
      if (awake.compare_exchange_weak(now, now + more)) return more;
    }
  }

  // Makes sure that workers look for a job with so many seats.
  void call_helpers(int seats) {
    // Alone, a run finds all that are awake at leisure; otherwise they may be busy for other runs.
    if (runs.load(std::memory_order_relaxed) <= 1) seats -= awake.load();
    if (seats <= 0) return;
    if (const int woken = wake_up(seats); woken > 0) {
      permits.fetch_add(static_cast<uint32_t>(woken));
      futex_wake(permits, woken);
    }
  }

  bool help_any(uint64_t jobs, uint32_t& turn, bool& linger) {
    jobs = std::rotr(jobs, static_cast<int>(turn % kSlots));
    for (; jobs != 0; jobs &= jobs - 1) {
      const uint32_t index = (turn + static_cast<uint32_t>(std::countr_zero(jobs))) % kSlots;
      if (help(index, linger)) {
        turn = index + 1;
        return true;
      }
    }
    return false;
  }

  bool help(uint32_t index, bool& linger) {
    Slot& slot = slots[index];
    uint32_t state = slot.state.load(std::memory_order_relaxed);
    do {
      if ((state & kSeats) == 0) return false;
    } while (!slot.state.compare_exchange_weak(state, state - 1 + kHelper, std::memory_order_acquire,
                                               std::memory_order_relaxed));
    // From here to the end of this function the caller waits, so the slot is this job's.
    const auto seats = static_cast<int>(state & kSeats);
    if (seats == 1) close_bit(index);
    linger = slot.spin;
    if (float_mode() != slot.float_mode) set_float_mode(slot.float_mode);
    slot.run_tasks(*slot.task, slot.count, slot.helpers - seats + 1);
    close_bit(index);
    state = slot.state.fetch_sub(kHelper, std::memory_order_acq_rel);
    // The slot may serve another job already; a wake-up too many does no harm there.
    if (state / kHelper == 1 && (state & kCallerSleeps) != 0) futex_wake(slot.state, 1);
    return true;
  }

  // Workers need not look at this job any more. The look first keeps the line shared where nothing changes.
  void close_bit(uint32_t index) {
    const uint64_t bit = uint64_t{1} << index;
    if ((open.load(std::memory_order_relaxed) & bit) != 0) open.fetch_and(~bit, std::memory_order_relaxed);
  }

  // A free slot, from `hint` on; kSlots if there is none.
  uint32_t take_slot(uint32_t hint) {
    for (uint32_t i = 0; i < kSlots; ++i) {
      const uint32_t index = (hint + i) % kSlots;
      Slot& slot = slots[index];
      if (!slot.busy.load(std::memory_order_relaxed) && !slot.busy.exchange(true, std::memory_order_acquire))
        return index;
    }
    return kSlots;
  }

  // Waits until no helper is at work; false if a fork has taken them away.
  bool wait_for_helpers(Slot& slot, uint32_t state, bool spin, uint32_t run_generation) {
    int64_t deadline = 0;
    for (int polls = 0; state >= kHelper; ++polls) {
      if (polls % kPollsPerClock == kPollsPerClock - 1) {
        if (run_generation != fork_generation()) return false;
        const int64_t now = monotonic_ns();
        if (deadline == 0) deadline = now + (spin ? kSpinNs : kShortSpinNs);
        if (now >= deadline) {
          state = slot.state.fetch_or(kCallerSleeps, std::memory_order_acquire) | kCallerSleeps;
          if (state >= kHelper) futex_wait(slot.state, state);
        }
      }
      cpu_relax();
      state = slot.state.load(std::memory_order_acquire) & ~kCallerSleeps;
    }
    return true;
  }
};

ThreadPool& ThreadPool::shared() {
  static ThreadPool& pool = *new ThreadPool;
  return pool;
}

ThreadPool::ThreadPool(std::vector<std::vector<int>> affinities)
    : state_(std::make_shared<State>(std::move(affinities))) {}

ThreadPool::~ThreadPool() {
  State& state = *state_;
  if (state.generation.load() != fork_generation()) return;  // the workers are the parent's
  state.stop = true;
  state.permits.fetch_add(static_cast<uint32_t>(state.workers.load()));
  futex_wake(state.permits, std::numeric_limits<int>::max());
  for (uint32_t live = state.live.load(); live != 0; live = state.live.load()) futex_wait(state.live, live);
}

void ThreadPool::reserve(int threads) {
  State& state = *state_;
  threads = std::clamp(threads, 1, kMostThreads);
  state.restart_after_fork();
  int largest = state.requested.load(std::memory_order_relaxed);
  while (largest < threads && !state.requested.compare_exchange_weak(largest, threads)) {
  }
  state.grow(state_, threads - 1);
}

int ThreadPool::workers() const { return state_->workers.load(std::memory_order_relaxed); }

RunThreads::RunThreads(ThreadPool& pool, int max_threads, bool allow_spinning)
    : state_(*pool.state_),
      max_threads_(std::clamp(max_threads, 1, kMostThreads)),
      allow_spinning_(allow_spinning),
      nested_(depth > 0),
      generation_(fork_generation()),
      slot_hint_(static_cast<uint32_t>(current_thread_id()) % kSlots) {
  pool.reserve(max_threads_);
  const int helpers = max_threads_ - 1;
  const int wanted = state_.wanted.fetch_add(helpers, std::memory_order_relaxed) + helpers;
  state_.grow(pool.state_, std::min(wanted, state_.cpus - 1));
  if (!nested_) state_.runs.fetch_add(1, std::memory_order_relaxed);
  if (allow_spinning_ && helpers > 0) state_.spinning_runs.fetch_add(1, std::memory_order_relaxed);
  ++depth;
}

RunThreads::~RunThreads() {
  --depth;
  if (generation_ != fork_generation()) return;
  state_.wanted.fetch_sub(max_threads_ - 1, std::memory_order_relaxed);
  if (!nested_) state_.runs.fetch_sub(1, std::memory_order_relaxed);
  if (allow_spinning_ && max_threads_ > 1) state_.spinning_runs.fetch_sub(1, std::memory_order_relaxed);
}

void RunThreads::wake() {
  if (allow_spinning_ && max_threads_ > 1 && generation_ == fork_generation()) state_.call_helpers(max_threads_ - 1);
}

void RunThreads::for_each(int64_t count, Task task) {
  ThreadPool::State& state = state_;
  const auto helpers = static_cast<int>(std::min<int64_t>(std::min(max_threads_ - 1, state.budget()), count - 1));
  const uint32_t index = helpers > 0 && generation_ == fork_generation()
                             ? state.take_slot(slot_hint_.load(std::memory_order_relaxed))
                             : kSlots;
  if (index == kSlots) {
    for (int64_t i = 0; i < count; ++i) task(i, 0);
    return;
  }
  slot_hint_.store(index, std::memory_order_relaxed);
  Slot& slot = state.slots[index];
  slot.spin = allow_spinning_;
  slot.helpers = helpers;
  slot.float_mode = float_mode();
  slot.task = &task;
  slot.count = count;
  slot.next.store(0, std::memory_order_relaxed);
  slot.state.store(static_cast<uint32_t>(helpers), std::memory_order_release);
  // Sequentially consistent, against the count in `sleep`: either that worker sees the job or it is seen asleep.
  state.open.fetch_or(uint64_t{1} << index);
  state.call_helpers(helpers);

  slot.run_tasks(task, count, 0);

  state.close_bit(index);
  const uint32_t left = slot.state.fetch_and(~kSeats, std::memory_order_acq_rel) & ~kSeats;
  if (!state.wait_for_helpers(slot, left, allow_spinning_, generation_) || generation_ != fork_generation()) {
    throw Error(ErrorCode::kFail, "The process was forked inside a parallel task; the child cannot finish this run");
  }
  std::exception_ptr error;
  if (slot.failed.load(std::memory_order_relaxed)) {
    slot.failed.store(false, std::memory_order_relaxed);
    error = std::exchange(slot.error, nullptr);
  }
  slot.busy.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(std::move(error));
}

}  // namespace attune
