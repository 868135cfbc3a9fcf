// What may run at the same time, and what should run first: the order of a segment's steps as a graph.
//
// Steps are named by their position in the segment, whose order is one in which they may run one after another.
//
// Thread safety: immutable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace attune {

/// What must be finished before a step, as steps are added in order.
class Dependencies {
 public:
  /// Adds the next step; `before` are positions of earlier steps, each at most once.
  void add_step(std::span<const int> before);

  int steps() const { return static_cast<int>(begin_.size()) - 1; }
  std::span<const int> before(int step) const {
    return {before_.data() + begin_[static_cast<size_t>(step)], before_.data() + begin_[static_cast<size_t>(step) + 1]};
  }

 private:
  std::vector<int> before_;
  std::vector<size_t> begin_{0};
};

/// A set of steps, one bit each.
using StepBits = std::vector<uint64_t>;

inline bool contains(const StepBits& bits, int step) {
  const auto s = static_cast<size_t>(step);
  return (bits[s / 64] >> (s % 64) & 1U) != 0;
}

/// Whether there are two steps that could run at the same time.
bool has_branches(const Dependencies& dependencies);

/// For each step, all that run only when it has finished: what depends on it, directly or not. That takes n * n / 8
/// bytes for n steps, 125 KB for a thousand.
std::vector<StepBits> find_followers(const Dependencies& dependencies);

/// How an executor with several threads goes through a segment: by chains. Short steps of which each is all that the
/// next one waits for, and the other way round, are one chain, up to about kChainNs: scheduling each of them would cost
/// more than it could gain. Chains are numbered so that each comes after those that it waits for.
struct Schedule {
  std::vector<size_t> step_begin;  ///< Chain c runs steps[step_begin[c]] to steps[step_begin[c + 1] - 1].
  std::vector<int> steps;
  std::vector<int> pending;        ///< How many chains must finish before a chain.
  std::vector<size_t> next_begin;  ///< Likewise: the chains in `next` that wait for a chain.
  std::vector<int> next;
  std::vector<int> rank;         ///< 0 for the chain with the longest way to the end, then ascending.
  std::vector<int> by_rank;      ///< The chain of each rank.
  std::vector<float> path_ns;    ///< The longest way from a chain's start to the end of the segment, estimated.
  std::vector<float> branch_ns;  ///< What only this chain makes possible, itself included, estimated.
  float critical_ns = 0;         ///< The longest way of all.

  bool empty() const { return pending.empty(); }
  std::span<const int> steps_of(int chain) const {
    return {steps.data() + step_begin[static_cast<size_t>(chain)],
            steps.data() + step_begin[static_cast<size_t>(chain) + 1]};
  }

  static constexpr float kChainNs = 2'000;
};

/// `cost_ns` estimates each step's time on one thread. Only ratios between steps, and their order of magnitude against
/// the microseconds that calling a thread costs, matter.
Schedule make_schedule(const Dependencies& dependencies, std::span<const float> cost_ns);

}  // namespace attune
