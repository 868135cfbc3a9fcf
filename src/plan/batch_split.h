// Where a run goes through some of its steps with one piece of the batch after another: what lives within those steps
// then needs memory for a piece only, and stays in the caches between them.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"

namespace attune {

/// Steps [first, end) of a segment, run for samples [0, piece), then for [piece, 2 * piece) and so on; the last piece
/// may be smaller.
struct BatchGroup {
  int first = 0;
  int end = 0;
  int64_t samples = 0;  ///< In the batch, at least 2.
  int64_t piece = 0;    ///< Less than `samples`.
};

/// Memory that a step reads or writes, named by any number that only the same memory has.
struct BatchUse {
  int memory = 0;
  bool whole = false;  ///< Read as it is, not sample by sample.
};

/// What splitting needs to know of a step.
struct BatchStep {
  int64_t samples = 0;  ///< 0 when the step must see the whole batch at once.
  float cost_ns = 0;    ///< On one thread, for the whole batch.
  size_t weight_bytes = 0;
  std::vector<BatchUse> uses;
};

/// Chooses the groups, in order, disjoint; none where splitting gains less than a tenth of the peak. A piece is large
/// enough that calling steps more often, reading their weights more often and keeping `threads` threads busy with less
/// work cost a few percent at most. Layers deep in a network, which have small images and large weights, want larger
/// pieces than the first ones: neighbouring groups may differ. `peak_bytes` tells what memory a choice needs. Where
/// that is more than `most_bytes`, pieces become smaller than pays: the largest that fit, or those that come nearest.
std::vector<BatchGroup> choose_batch_groups(std::span<const BatchStep> steps, int threads, size_t most_bytes,
                                            FunctionRef<size_t(std::span<const BatchGroup>)> peak_bytes);

}  // namespace attune
