// Racing: candidates are measured side by side in one block after another, and those that are worse than the leader
// beyond doubt are dropped, so that the time goes to those that are hard to tell apart (Maron and Moore, Hoeffding
// Races, 1994; Birattari et al., A Racing Algorithm for Configuring Metaheuristics, 2002).
//
// This is the t-race of the latter: a block has one process of the default beside which all candidates are measured,
// and candidates are compared within blocks, which takes out that process's luck and the machine's drift. The noise is
// pooled over all candidates (two-way analysis of variance), which makes two blocks enough to drop what is far behind;
// Bonferroni's correction for the number of candidates keeps the best one in with the stated confidence. Dropping
// decides what else is measured and is no verdict: that is left to new processes.
//
// Thread safety: a value.
#pragma once

#include <cstddef>
#include <vector>

namespace attune {

class Race {
 public:
  /// Of this many candidates.
  explicit Race(size_t candidates) : values_(candidates), is_in_(candidates, true) {}

  /// A block: log ratios to the default, one for each candidate; NaN for those that are out or failed in it, which puts
  /// them out.
  void add_block(const std::vector<double>& log_ratios);

  /// Drops candidates that are worse by more than `least`; false when none was. Needs two blocks.
  bool drop(double confidence, double least = 0);

  size_t blocks() const { return blocks_; }
  bool is_in(size_t candidate) const { return is_in_[candidate]; }
  std::vector<size_t> list_in() const;
  void put_out(size_t candidate) { is_in_[candidate] = false; }

  /// Mean over blocks.
  double value(size_t candidate) const;
  /// The one of the smallest value among those that are in; candidates() when none is.
  size_t leader() const;
  size_t candidates() const { return values_.size(); }

  /// Standard error of the difference of two candidates' values; infinite for fewer than two blocks.
  double error() const;

  /// How far two candidates' values may differ by chance, with the confidence; infinite for fewer than two blocks.
  double margin(double confidence) const;

 private:
  /// Standard deviation and degrees of freedom of what blocks and candidates do not explain.
  double residual(double& degrees) const;

  size_t blocks_ = 0;
  std::vector<std::vector<double>> values_;  ///< [candidate][block]
  std::vector<bool> is_in_;
};

}  // namespace attune
