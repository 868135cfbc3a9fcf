#include "runtime/step_queue.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace attune {
namespace {

// A chain that is ready elsewhere goes first when its way to the end is longer by this part of the longest of all. Less
// would alternate between branches that are equally long, and lose what the caches hold.
constexpr float kSlack = 0.5F;

}  // namespace

StepQueue::StepQueue(const Schedule& schedule, RunThreads& threads)
    : schedule_(schedule),
      threads_(threads),
      slack_ns_(schedule.critical_ns * kSlack),
      pending_(schedule.pending.size()),
      ready_((schedule.pending.size() + 63) / 64),
      left_(static_cast<int>(schedule.pending.size())) {
  for (size_t c = 0; c < pending_.size(); ++c) {
    pending_[c].store(schedule.pending[c], std::memory_order_relaxed);
    if (schedule.pending[c] == 0) add(static_cast<int>(c));
  }
}

void StepQueue::add(int chain) {
  const auto c = static_cast<size_t>(chain);
  const auto rank = static_cast<size_t>(schedule_.rank[c]);
  waiting_ns_.fetch_add(static_cast<int64_t>(schedule_.branch_ns[c]), std::memory_order_relaxed);
  ready_[rank / 64].fetch_or(uint64_t{1} << (rank % 64), std::memory_order_release);
  ready_count_.fetch_add(1, std::memory_order_relaxed);
}

int StepQueue::most_urgent() const {
  for (size_t word = 0; word < ready_.size(); ++word) {
    const uint64_t bits = ready_[word].load(std::memory_order_relaxed);
    if (bits != 0) return schedule_.by_rank[word * 64 + static_cast<size_t>(std::countr_zero(bits))];
  }
  return -1;
}

int StepQueue::take() {
  for (size_t word = 0; word < ready_.size(); ++word) {
    for (uint64_t bits = ready_[word].load(std::memory_order_relaxed); bits != 0;) {
      const uint64_t first = bits & -bits;
      bits = ready_[word].fetch_and(~first, std::memory_order_acq_rel);
      if ((bits & first) == 0) continue;  // another lane was faster
      const int chain = schedule_.by_rank[word * 64 + static_cast<size_t>(std::countr_zero(first))];
      ready_count_.fetch_sub(1, std::memory_order_relaxed);
      waiting_ns_.fetch_sub(static_cast<int64_t>(schedule_.branch_ns[static_cast<size_t>(chain)]),
                            std::memory_order_relaxed);
      return chain;
    }
  }
  return -1;
}

void StepQueue::invite() {
  const int64_t worth = waiting_ns_.load(std::memory_order_relaxed) / kWorthCallingNs;
  const int64_t lanes = std::min<int64_t>(worth, ready_count_.load(std::memory_order_relaxed));
  if (lanes > 0) threads_.invite(static_cast<int>(std::min<int64_t>(lanes, schedule_.pending.size())));
}

std::span<const int> StepQueue::Lane::next() {
  const Schedule& schedule = queue_.schedule_;
  int best = -1;
  if (queue_.stopped_.load(std::memory_order_relaxed)) return {};
  if (current_ >= 0) {
    ++finished_;
    bool added = false;
    const auto c = static_cast<size_t>(current_);
    for (size_t k = schedule.next_begin[c]; k < schedule.next_begin[c + 1]; ++k) {
      const int next = schedule.next[k];
      const auto n = static_cast<size_t>(next);
      // What waits for this chain alone needs no count.
      if (schedule.pending[n] != 1 && queue_.pending_[n].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
      const bool is_better = best < 0 || schedule.rank[n] < schedule.rank[static_cast<size_t>(best)];
      const int worse = is_better ? best : next;
      if (is_better) best = next;
      if (worse < 0) continue;
      queue_.add(worse);
      added = true;
    }
    if (best >= 0 && queue_.ready_count_.load(std::memory_order_relaxed) > 0) {
      const int other = queue_.most_urgent();
      if (other >= 0 && schedule.path_ns[static_cast<size_t>(other)] >
                            schedule.path_ns[static_cast<size_t>(best)] + queue_.slack_ns_) {
        queue_.add(best);
        best = -1;
      }
    }
    if (best < 0) best = queue_.take();
    if (added) queue_.invite();
  } else {
    best = queue_.take();
    queue_.invite();
  }
  current_ = best;
  if (best >= 0) return schedule.steps_of(best);
  queue_.left_.fetch_sub(std::exchange(finished_, 0), std::memory_order_acq_rel);
  return {};
}

void run_schedule(const Schedule& schedule, RunThreads& threads, FunctionRef<void(StepQueue::Lane& lane)> body) {
  StepQueue queue(schedule, threads);
  threads.run_lanes(
      [&] {
        StepQueue::Lane lane(queue);
        try {
          body(lane);
        } catch (...) {
          queue.stop();
          throw;
        }
      },
      [&] { return queue.finished(); });
}

}  // namespace attune
