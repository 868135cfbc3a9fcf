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

// Ranges that the indices of a job are cut into, one for each thread up to so many.
constexpr int kMostRanges = 16;

// Polls between two looks at the clock, which costs as much as a poll or more.
constexpr int kPollsPerClock = 16;

// A caller that may not spin polls for helpers in the midst of their last task this often before it sleeps.
constexpr int64_t kShortSpinNs = 3'000;

// What new and departing workers may cost: creating threads is not tried again for so long after a refusal.
constexpr int64_t kRetryNs = 1'000'000'000;

// Runs and tasks that the thread is in: a run made within one does not occupy another CPU.
thread_local int depth = 0;

std::atomic<void (*)()> task_probe{nullptr};

void run_task(const Task& task, int64_t index, int thread) {
  if (auto* const probe = task_probe.load(std::memory_order_relaxed); probe != nullptr) probe();
  task(index, thread);
}

// Takes up to `most` of what is left; how many there were.
int take_up_to(std::atomic<int>& left, int most) {
  int now = left.load(std::memory_order_relaxed);
  for (;;) {
    const int taken = std::min(now, most);
    if (taken <= 0) return 0;
    if (left.compare_exchange_weak(now, now - taken, std::memory_order_acq_rel)) return taken;
  }
}

// A job: a for_each, or the lanes of a run. Who has taken the slot writes the plain members before it gives the first
// seat away, and again only when the state word has neither seats nor helpers.
struct alignas(64) Slot {
  std::atomic<uint32_t> state{0};
  std::atomic<bool> busy{false};
  bool spin = false;      // the run allows polling for this job
  bool is_lanes = false;  // a seat is one call of the task, else a share of its indices
  uint32_t float_mode = 0;
  const Task* task = nullptr;
  int64_t count = 0;
  RunThreads* run = nullptr;
  std::atomic<int> seated{0};  // helpers so far
  int range_count = 1;
  alignas(64) std::atomic<bool> failed{false};
  std::exception_ptr error;

  // Each thread begins with a range of its own, the caller with the first, and then helps with the others'.
  // Neighbouring indices are neighbours in memory, and kernels count alike: what one node's task wrote is still in the
  // cache of the core whose task of the next node reads it.
  struct alignas(64) Range {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::array<Range, kMostRanges> ranges;

  void cut_ranges(int threads) {
    range_count = static_cast<int>(std::min<int64_t>(std::min(threads, kMostRanges), count));
    for (int i = 0; i < range_count; ++i) {
      ranges[static_cast<size_t>(i)].next.store(count * i / range_count, std::memory_order_relaxed);
      ranges[static_cast<size_t>(i)].end = count * (i + 1) / range_count;
    }
  }

  // `place` is the range that the thread is at; it moves on when that is empty, until `tried` counts all.
  bool take_index(int& place, int& tried, int64_t& index) {
    for (; tried < range_count; ++tried, place = place + 1 < range_count ? place + 1 : 0) {
      Range& range = ranges[static_cast<size_t>(place)];
      if (range.next.load(std::memory_order_relaxed) >= range.end) continue;
      if ((index = range.next.fetch_add(1, std::memory_order_relaxed)) < range.end) return true;
    }
    return false;
  }

  // Calls body(index) for the indices that this thread gets.
  template <class Body>
  void take_all(int thread, Body&& body) {
    int place = thread % range_count;
    int tried = 0;
    for (int64_t index = 0; take_index(place, tried, index);) body(index);
  }

  int64_t untaken() const {
    int64_t left = 0;
    for (int i = 0; i < range_count; ++i) {
      const Range& range = ranges[static_cast<size_t>(i)];
      left += std::max<int64_t>(range.end - range.next.load(std::memory_order_relaxed), 0);
    }
    return left;
  }

  void drop_untaken() {
    for (int i = 0; i < range_count; ++i) {
      Range& range = ranges[static_cast<size_t>(i)];
      range.next.store(range.end, std::memory_order_relaxed);
    }
  }

  // An exception ends the job early.
  template <class Body>
  void guard(Body&& body) {
    try {
      body();
    } catch (...) {
      if (!failed.exchange(true, std::memory_order_acq_rel)) error = std::current_exception();
      drop_untaken();
    }
  }

  void help() {
    guard([this] {
      if (is_lanes) {
        (*task)(0, 0);
        return;
      }
      const int thread = 1 + seated.fetch_add(1, std::memory_order_relaxed);
      take_all(thread, [&](int64_t index) { run_task(*task, index, thread); });
    });
  }

  // What went wrong, leaving the slot clean.
  std::exception_ptr take_error() {
    if (!failed.load(std::memory_order_relaxed)) return nullptr;
    failed.store(false, std::memory_order_relaxed);
    return std::exchange(error, nullptr);
  }
};

[[noreturn]] void throw_forked() {
  throw Error(ErrorCode::kFail, "The process was forked inside a parallel task; the child cannot finish this run");
}

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
  std::atomic<int> helping{0};                   // workers that are at work

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
    helping = 0;
    retry_at_ns = 0;
    for (Slot& slot : slots) {
      slot.state = 0;
      slot.busy = false;
      slot.failed = false;
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
      if (const uint64_t jobs = open.load(std::memory_order_acquire); jobs != 0 && help_any(jobs, turn, linger, 1))
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
    // Alone, a run finds all that poll; otherwise they may be on their way to jobs of other runs.
    if (runs.load(std::memory_order_relaxed) <= 1) {
      seats -= std::max(awake.load() - helping.load(std::memory_order_relaxed), 0);
    }
    if (seats <= 0) return;
    if (const int woken = wake_up(seats); woken > 0) {
      permits.fetch_add(static_cast<uint32_t>(woken));
      futex_wake(permits, woken);
    }
  }

  // `counted` is 1 for a worker, which `awake` counts, 0 for the caller of a run.
  bool help_any(uint64_t jobs, uint32_t& turn, bool& linger, int counted) {
    jobs = std::rotr(jobs, static_cast<int>(turn % kSlots));
    for (; jobs != 0; jobs &= jobs - 1) {
      const uint32_t index = (turn + static_cast<uint32_t>(std::countr_zero(jobs))) % kSlots;
      if (help(index, linger, counted)) {
        turn = index + 1;
        return true;
      }
    }
    return false;
  }

  bool help(uint32_t index, bool& linger, int counted) {
    Slot& slot = slots[index];
    uint32_t state = slot.state.load(std::memory_order_relaxed);
    do {
      if ((state & kSeats) == 0) {
        close_bit(index);
        return false;
      }
    } while (!slot.state.compare_exchange_weak(state, state - 1 + kHelper, std::memory_order_acquire,
                                               std::memory_order_relaxed));
    // From here to the end of this function the owner of the slot waits, so the slot is this job's.
    helping.fetch_add(counted, std::memory_order_relaxed);
    if ((state & kSeats) == 1) close_bit(index);
    linger = slot.spin;
    if (float_mode() != slot.float_mode) set_float_mode(slot.float_mode);
    slot.help();
    if (!slot.is_lanes) close_bit(index);
    if (slot.is_lanes) slot.run->free_lanes_.fetch_add(1, std::memory_order_relaxed);
    slot.run->free_.fetch_add(1, std::memory_order_acq_rel);
    helping.fetch_sub(counted, std::memory_order_relaxed);
    state = slot.state.fetch_sub(kHelper, std::memory_order_acq_rel);
    // The slot may serve another job already; a wake-up too many does no harm there.
    if (state / kHelper == 1 && (state & kCallerSleeps) != 0) futex_wake(slot.state, 1);
    return true;
  }

  // Workers need not look at this job any more, unless it has got another seat meanwhile. The look first keeps the line
  // shared where nothing changes.
  void close_bit(uint32_t index) {
    const uint64_t bit = uint64_t{1} << index;
    if ((open.load(std::memory_order_relaxed) & bit) == 0) return;
    open.fetch_and(~bit);
    if ((slots[index].state.load() & kSeats) != 0) open.fetch_or(bit);
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

  // Takes the seats back that nobody has taken, and waits until no helper is at work; the number of those seats, or -1
  // if a fork has taken the helpers away.
  int close_job(uint32_t index, uint32_t run_generation) {
    int untaken = 0;
    for (;;) {
      const uint32_t state = slots[index].state.fetch_and(~kSeats, std::memory_order_acq_rel);
      untaken += static_cast<int>(state & kSeats);
      close_bit(index);
      if (state < kHelper) return untaken;
      if (!wait_for_helpers(slots[index], state & ~kSeats, run_generation)) return -1;
      // A lane may have invited another before it returned.
      if (!slots[index].is_lanes) return untaken;
    }
  }

  // Waits until no helper is at work; false if a fork has taken them away.
  bool wait_for_helpers(Slot& slot, uint32_t state, uint32_t run_generation) {
    int64_t deadline = 0;
    for (int polls = 0; state >= kHelper; ++polls) {
      if (polls % kPollsPerClock == kPollsPerClock - 1) {
        if (run_generation != fork_generation()) return false;
        const int64_t now = monotonic_ns();
        if (deadline == 0) deadline = now + (slot.spin ? kSpinNs : kShortSpinNs);
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

RunThreads::RunThreads(ThreadPool& pool, const RunLimits& limits)
    : state_(*pool.state_),
      limits_{.threads = std::clamp(limits.threads, 1, kMostThreads),
              .may_spin = limits.may_spin,
              .lanes = std::clamp(limits.lanes, 1, kMostThreads),
              .lanes_may_spin = limits.lanes_may_spin},
      nested_(depth > 0),
      generation_(fork_generation()),
      slot_hint_(static_cast<uint32_t>(current_thread_id()) % kSlots),
      free_(limits_.most_threads() - 1) {
  pool.reserve(limits_.most_threads());
  const int helpers = limits_.most_threads() - 1;
  const int wanted = state_.wanted.fetch_add(helpers, std::memory_order_relaxed) + helpers;
  state_.grow(pool.state_, std::min(wanted, state_.cpus - 1));
  if (!nested_) state_.runs.fetch_add(1, std::memory_order_relaxed);
  if (spins()) state_.spinning_runs.fetch_add(1, std::memory_order_relaxed);
  ++depth;
}

RunThreads::~RunThreads() {
  --depth;
  if (generation_ != fork_generation()) return;
  state_.wanted.fetch_sub(limits_.most_threads() - 1, std::memory_order_relaxed);
  if (!nested_) state_.runs.fetch_sub(1, std::memory_order_relaxed);
  if (spins()) state_.spinning_runs.fetch_sub(1, std::memory_order_relaxed);
}

void RunThreads::wake() {
  if (spins() && generation_ == fork_generation()) state_.call_helpers(limits_.most_threads() - 1);
}

// Gives away as many seats of the caller's job as the run still has helpers for.
int RunThreads::offer_seats(uint32_t slot, int most) {
  const int seats = take_up_to(free_, most);
  if (seats == 0) return 0;
  state_.slots[slot].state.fetch_add(static_cast<uint32_t>(seats), std::memory_order_release);
  // Sequentially consistent, against the count in `sleep`: either that worker sees the job or it is seen asleep. The
  // same holds for the caller of run_lanes and its mark.
  state_.open.fetch_or(uint64_t{1} << slot);
  wake_leader();
  state_.call_helpers(seats - (leader_is_idle_.load(std::memory_order_relaxed) ? 1 : 0));
  return seats;
}

void RunThreads::wake_leader() {
  const int lanes = lanes_slot_.load(std::memory_order_relaxed);
  if (lanes < 0) return;
  Slot& slot = state_.slots[static_cast<size_t>(lanes)];
  if ((slot.state.load() & kCallerSleeps) == 0) return;
  // The word must change, for a caller that is only about to sleep.
  slot.state.fetch_and(~kCallerSleeps);
  futex_wake(slot.state, 1);
}

void RunThreads::for_each(int64_t count, Task task) {
  ThreadPool::State& state = state_;
  const auto most = static_cast<int>(std::min<int64_t>(std::min(limits_.threads - 1, state.budget()), count - 1));
  const uint32_t index = most > 0 && generation_ == fork_generation()
                             ? state.take_slot(slot_hint_.load(std::memory_order_relaxed))
                             : kSlots;
  if (index == kSlots) {
    for (int64_t i = 0; i < count; ++i) run_task(task, i, 0);
    return;
  }
  slot_hint_.store(index, std::memory_order_relaxed);
  Slot& slot = state.slots[index];
  slot.spin = limits_.may_spin;
  slot.is_lanes = false;
  slot.float_mode = float_mode();
  slot.task = &task;
  slot.count = count;
  slot.run = this;
  slot.seated.store(0, std::memory_order_relaxed);
  slot.cut_ranges(most + 1);
  slot.state.store(0, std::memory_order_relaxed);
  const bool in_lane = lanes_slot_.load(std::memory_order_relaxed) >= 0;
  const uint64_t bit = uint64_t{1} << index;
  if (in_lane) own_slots_.fetch_or(bit);
  int seats = offer_seats(index, most);

  slot.guard([&] {
    slot.take_all(0, [&](int64_t i) {
      run_task(task, i, 0);
      // Threads that have become free since, for the tasks that are left.
      if (seats < most && free_.load(std::memory_order_relaxed) > 0) {
        seats += offer_seats(index, static_cast<int>(std::min<int64_t>(most - seats, slot.untaken())));
      }
    });
  });

  const int untaken = state.close_job(index, generation_);
  if (untaken < 0 || generation_ != fork_generation()) throw_forked();
  if (untaken > 0) free_.fetch_add(untaken, std::memory_order_acq_rel);
  if (in_lane) own_slots_.fetch_and(~bit);
  std::exception_ptr error = slot.take_error();
  slot.busy.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(std::move(error));
}

void RunThreads::run_lanes(FunctionRef<void()> lane, FunctionRef<bool()> finished) {
  ThreadPool::State& state = state_;
  const uint32_t index = limits_.lanes > 1 && generation_ == fork_generation()
                             ? state.take_slot(slot_hint_.load(std::memory_order_relaxed))
                             : kSlots;
  if (index == kSlots) {
    lane();
    return;
  }
  Slot& slot = state.slots[index];
  const auto call_lane = [&](int64_t, int) { lane(); };
  const Task task(call_lane);
  slot.spin = limits_.lanes_may_spin;
  slot.is_lanes = true;
  slot.float_mode = float_mode();
  slot.task = &task;
  slot.count = 0;
  slot.run = this;
  slot.state.store(0, std::memory_order_relaxed);
  free_lanes_.store(limits_.lanes - 1, std::memory_order_relaxed);
  own_slots_.store(uint64_t{1} << index);
  lanes_slot_.store(static_cast<int>(index), std::memory_order_release);

  slot.guard([&] { lane(); });

  // The caller is now a helper like any other, but for this run alone.
  free_lanes_.fetch_add(1, std::memory_order_relaxed);
  free_.fetch_add(1, std::memory_order_acq_rel);
  serve_own_jobs(index, finished);
  free_.fetch_sub(1, std::memory_order_acq_rel);

  const int untaken = state.close_job(index, generation_);
  if (untaken < 0 || generation_ != fork_generation()) throw_forked();
  free_.fetch_add(untaken, std::memory_order_acq_rel);
  lanes_slot_.store(-1, std::memory_order_relaxed);
  std::exception_ptr error = slot.take_error();
  slot.busy.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(std::move(error));
}

// Helps with the run's jobs until it is over or has failed.
void RunThreads::serve_own_jobs(uint32_t index, FunctionRef<bool()> finished) {
  ThreadPool::State& state = state_;
  Slot& slot = state.slots[index];
  const uint32_t mode = float_mode();
  const auto over = [&] {
    return finished() || slot.failed.load(std::memory_order_acquire) || generation_ != fork_generation();
  };
  int64_t deadline = 0;
  bool linger = false;
  uint32_t turn = index;  // another lane first, then operators of lanes
  leader_is_idle_.store(true, std::memory_order_relaxed);
  for (int polls = 0; !over(); ++polls) {
    if (const uint64_t jobs = state.open.load(std::memory_order_acquire) & own_slots_.load(); jobs != 0) {
      leader_is_idle_.store(false, std::memory_order_relaxed);
      const bool helped = state.help_any(jobs, turn, linger, 0);
      leader_is_idle_.store(true, std::memory_order_relaxed);
      if (helped) {
        turn = index;
        deadline = 0;
        polls = 0;
        continue;
      }
    }
    if (polls % kPollsPerClock == kPollsPerClock - 1) {
      const int64_t now = monotonic_ns();
      if (deadline == 0) deadline = now + (slot.spin ? ThreadPool::kSpinNs : kShortSpinNs);
      if (now >= deadline) {
        const uint32_t asleep = slot.state.fetch_or(kCallerSleeps) | kCallerSleeps;
        if (!over() && (state.open.load() & own_slots_.load()) == 0 && asleep >= kHelper) {
          futex_wait(slot.state, asleep);
        }
        slot.state.fetch_and(~kCallerSleeps);
      }
    }
    cpu_relax();
  }
  leader_is_idle_.store(false, std::memory_order_relaxed);
  if (float_mode() != mode) set_float_mode(mode);
}

void RunThreads::invite(int lanes) {
  const int slot = lanes_slot_.load(std::memory_order_relaxed);
  if (slot < 0) return;
  const int wanted = take_up_to(free_lanes_, lanes);
  const int offered = wanted > 0 ? offer_seats(static_cast<uint32_t>(slot), wanted) : 0;
  if (offered < wanted) free_lanes_.fetch_add(wanted - offered, std::memory_order_relaxed);
}

void set_task_probe(void (*probe)()) { task_probe.store(probe, std::memory_order_relaxed); }

}  // namespace attune
