#include "plan/batch_split.h"

#include <algorithm>
#include <unordered_map>

namespace attune {
namespace {

/// A step's time besides its work: calling it, waking threads and waiting for the last of them.
constexpr double kStepNs = 3'000;
/// Work that is not worth sharing out.
constexpr double kSerialNs = 20'000;
/// Weights that come from the third level of the cache or from memory.
constexpr double kWeightBytesPerNs = 10;

/// What splitting may cost: this part of a step's own time, or, where the step itself is nearly free, of its range's.
constexpr double kStepLoss = 0.03;
constexpr double kRangeLoss = 0.0005;

/// Less is not worth another way of running a model.
constexpr double kLeastGain = 0.1;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

double piece_ns(const BatchStep& step, int64_t piece, int threads) {
  if (piece == 0) return 0;
  const double work =
      static_cast<double>(step.cost_ns) * static_cast<double>(piece) / static_cast<double>(step.samples);
  return kStepNs + std::max(work / threads, std::min(work, kSerialNs)) +
         static_cast<double>(step.weight_bytes) / kWeightBytesPerNs;
}

/// About as many pieces as `piece` gives, the same size all but the last.
int64_t even_piece(int64_t samples, int64_t piece) { return divide_up(samples, divide_up(samples, piece)); }

double batch_ns(const BatchStep& step, int64_t piece, int threads) {
  const int64_t even = even_piece(step.samples, piece);
  const int64_t whole_pieces = step.samples / even;
  return static_cast<double>(whole_pieces) * piece_ns(step, even, threads) +
         piece_ns(step, step.samples % even, threads);
}

/// The smallest power of two, or the whole batch, that loses little.
int64_t least_piece(const BatchStep& step, double range_ns, int threads) {
  const double whole = batch_ns(step, step.samples, threads);
  const double allowed = std::max(kStepLoss * whole, kRangeLoss * range_ns);
  for (int64_t piece = 1; piece < step.samples; piece *= 2) {
    if (batch_ns(step, piece, threads) - whole <= allowed) return piece;
  }
  return step.samples;
}

/// As long as possible: the same samples, and no memory that is read both as a whole and sample by sample. A later
/// piece would find it overwritten by an earlier one, or made by it only in part.
std::vector<BatchGroup> find_ranges(std::span<const BatchStep> steps) {
  std::vector<BatchGroup> ranges;
  std::unordered_map<int, bool> is_whole;
  const auto fits = [&](const BatchStep& step) {
    for (const BatchUse& use : step.uses) {
      const auto [entry, is_new] = is_whole.try_emplace(use.memory, use.whole);
      if (!is_new && entry->second != use.whole) return false;
    }
    return true;
  };
  bool open = false;
  for (int i = 0; i < static_cast<int>(steps.size()); ++i) {
    const BatchStep& step = steps[static_cast<size_t>(i)];
    if (step.samples < 2) {
      open = false;
      continue;
    }
    if (open && ranges.back().samples == step.samples && fits(step)) {
      ranges.back().end = i + 1;
      continue;
    }
    is_whole.clear();
    open = fits(step);
    if (open) ranges.push_back({i, i + 1, step.samples, step.samples});
  }
  return ranges;
}

/// Groups of one range, no step in a piece smaller than `piece` or than it wants.
void split_range(const BatchGroup& range, std::span<const int64_t> least, int64_t piece,
                 std::vector<BatchGroup>& groups) {
  for (int first = range.first; first < range.end;) {
    const auto wanted = [&](int i) { return std::max(piece, least[static_cast<size_t>(i)]); };
    int end = first + 1;
    while (end < range.end && wanted(end) == wanted(first)) ++end;
    if (wanted(first) < range.samples && end - first > 1) {
      groups.push_back({first, end, range.samples, even_piece(range.samples, wanted(first))});
    }
    first = end;
  }
}

}  // namespace

std::vector<BatchGroup> choose_batch_groups(std::span<const BatchStep> steps, int threads, size_t most_bytes,
                                            FunctionRef<size_t(std::span<const BatchGroup>)> peak_bytes) {
  const std::vector<BatchGroup> ranges = find_ranges(steps);
  std::vector<int64_t> least(steps.size(), 0);
  int64_t most_samples = 0;
  for (const BatchGroup& range : ranges) {
    most_samples = std::max(most_samples, range.samples);
    double range_ns = 0;
    for (int i = range.first; i < range.end; ++i) {
      range_ns += batch_ns(steps[static_cast<size_t>(i)], range.samples, threads);
    }
    for (int i = range.first; i < range.end; ++i) {
      least[static_cast<size_t>(i)] = least_piece(steps[static_cast<size_t>(i)], range_ns, threads);
    }
  }
  int64_t largest_piece = 1;
  while (largest_piece * 2 < most_samples) largest_piece *= 2;
  std::vector<BatchGroup> best;
  auto best_bytes = static_cast<double>(peak_bytes(best));
  const auto attempt = [&](int64_t piece, double gain) {
    std::vector<BatchGroup> groups;
    for (const BatchGroup& range : ranges) split_range(range, least, piece, groups);
    const auto bytes = static_cast<double>(peak_bytes(groups));
    if (bytes >= best_bytes * (1 - gain)) return;
    best_bytes = bytes;
    best = std::move(groups);
  };
  if (most_samples < 2) return best;
  for (int64_t piece = largest_piece; piece >= 1; piece /= 2) attempt(piece, kLeastGain);
  const auto is_too_large = [&] { return best_bytes > static_cast<double>(most_bytes); };
  if (is_too_large()) std::fill(least.begin(), least.end(), 1);
  for (int64_t piece = largest_piece; piece >= 1 && is_too_large(); piece /= 2) attempt(piece, 0);
  return best;
}

}  // namespace attune
