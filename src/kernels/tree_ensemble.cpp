#include "kernels/tree_ensemble.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace attune::kernels {
namespace {

/// Chains that are walked side by side: enough to hide the latency of a step, and their places still fit in registers.
constexpr int kLanes = 8;
/// Steps between two looks at whether all chains have arrived: trees are rarely balanced.
constexpr uint32_t kStepsPerLook = 4;
/// Trees are added up in chunks of about so many steps, 4 us of walking: what threads share when there are few rows.
constexpr int64_t kStepsPerChunk = 2048;
/// Chunks of a row that a thread takes at a time.
constexpr int64_t kChunksPerTask = 3;
/// A range of rows for a thread is at least so many steps of all chains, 20 us.
constexpr int64_t kLeastStepsPerBlock = 16384;
/// Rows are walked through one tree after the other in blocks that leave half of the first cache to the trees.
constexpr int64_t kBlockElements = 4096;
constexpr int64_t kMostGroups = 16;

using Places = std::array<uint32_t, kLanes>;

/// One step of a chain. kSameRule: all nodes have kRule, else each has its own. kMissing: NaN may go left.
template <class T, TreeRule kRule, bool kSameRule, bool kMissing>
struct Stepper {
  const TreeEnsemble<T>& ensemble;
  const TreeNode<T>* nodes = ensemble.nodes.data();

  /// `stride`: from one feature of the row to the next.
  uint32_t next(uint32_t place, const T* x, size_t stride) const {
    const TreeNode<T>& node = nodes[place];
    const T value = x[node.feature * stride];
    bool left = false;
    if constexpr (!kSameRule) {
      left = holds(place, value, node.threshold);
    } else if constexpr (kRule == TreeRule::kLess) {
      left = value < node.threshold;
    } else if constexpr (kRule == TreeRule::kEqual) {
      left = value == node.threshold;
    } else {
      left = value <= node.threshold;
    }
    // Sums of flags, not conditions: a branch here would be mispredicted every other time.
    if constexpr (kMissing) {
      const uint32_t missing = static_cast<uint32_t>(std::isnan(value)) & ensemble.missing_left[place];
      return node.left + (1U - (static_cast<uint32_t>(left) | missing));
    }
    return node.left + static_cast<uint32_t>(!left);
  }

  bool holds(uint32_t place, T value, T threshold) const {
    switch (ensemble.rules[place]) {
      case TreeRule::kLessOrEqual:
        return value <= threshold;
      case TreeRule::kLess:
        return value < threshold;
      case TreeRule::kEqual:
        return value == threshold;
      case TreeRule::kMember:
        break;
    }
    if (std::isnan(threshold)) return false;  // a leaf
    const std::vector<T>& set = ensemble.members[static_cast<size_t>(threshold)];
    return std::find(set.begin(), set.end(), value) != set.end();
  }
};

template <size_t... kLane, class Function>
void for_lanes(std::index_sequence<kLane...>, Function&& function) {
  (function(kLane), ...);
}

/// Walks eight chains to their leaves. kStride is kLanes where x holds eight rows, feature by feature, and 1 where all
/// chains read the same row.
template <int kStride, class T, class Step>
void walk(const Step& step, Places& places, uint32_t depth, const T* x) {
  constexpr auto kAll = std::make_index_sequence<kLanes>();
  Places now = places;
  const auto next = [&](size_t k) { return step.next(now[k], x + (kStride == 1 ? 0 : k), kStride); };
  for (uint32_t done = 0; done < depth; done += kStepsPerLook) {
    for (uint32_t i = 0; i + 1 < kStepsPerLook; ++i) {
      for_lanes(kAll, [&](size_t k) { now[k] = next(k); });
    }
    uint32_t moved = 0;
    for_lanes(kAll, [&](size_t k) {
      const uint32_t after = next(k);
      moved |= now[k] ^ after;
      now[k] = after;
    });
    if (moved == 0) break;
  }
  places = now;
}

double neutral(TreeAggregate aggregate) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (aggregate == TreeAggregate::kSum) return 0.0;
  return aggregate == TreeAggregate::kMin ? kInfinity : -kInfinity;
}

double combine(TreeAggregate aggregate, double a, double b) {
  if (aggregate == TreeAggregate::kSum) return a + b;
  return aggregate == TreeAggregate::kMin ? std::min(a, b) : std::max(a, b);
}

template <class T>
void add_leaf(const TreeEnsemble<T>& ensemble, uint32_t leaf, double* scores) {
  const uint32_t end = ensemble.first_weight[leaf + 1];
  for (uint32_t i = ensemble.first_weight[leaf]; i < end; ++i) {
    const TreeWeight& weight = ensemble.weights[i];
    scores[weight.target] = combine(ensemble.aggregate, scores[weight.target], weight.value);
  }
}

/// `count` rows of a group of eight, feature by feature, through tree t. `scores`: count x targets.
template <class T, class Step>
void add_tree(const TreeEnsemble<T>& ensemble, const Step& step, uint32_t t, const T* x, int64_t count,
              double* scores) {
  Places places;
  places.fill(ensemble.trees[t].root);
  walk<kLanes>(step, places, ensemble.trees[t].depth, x);
  if (!ensemble.single.empty()) {
    for (int64_t k = 0; k < count; ++k) scores[k] += ensemble.single[places[static_cast<size_t>(k)]];
    return;
  }
  for (int64_t k = 0; k < count; ++k) {
    add_leaf(ensemble, places[static_cast<size_t>(k)], scores + k * ensemble.targets);
  }
}

/// One row through the trees of a chunk, eight at a time.
template <class T, class Step>
void add_row(const TreeEnsemble<T>& ensemble, const Step& step, size_t chunk, const T* x, double* scores) {
  const uint32_t end = ensemble.chunk_begin[chunk + 1];
  for (uint32_t first = ensemble.chunk_begin[chunk]; first < end; first += kLanes) {
    const uint32_t count = std::min<uint32_t>(kLanes, end - first);
    Places places;
    uint32_t depth = 0;
    for (uint32_t k = 0; k < kLanes; ++k) {
      const Tree& tree = ensemble.trees[first + std::min(k, count - 1)];
      places[k] = tree.root;
      depth = std::max(depth, tree.depth);
    }
    walk<1>(step, places, depth, x);
    for (uint32_t k = 0; k < count; ++k) add_leaf(ensemble, places[k], scores);
  }
}

/// Calls use(step) with the step that the ensemble needs; one that knows of missing values only if there are any.
template <class T, class Use>
void with_step(const TreeEnsemble<T>& ensemble, bool missing, Use&& use) {
  const auto choose = [&](auto has_missing) {
    constexpr bool kMissing = decltype(has_missing)::value;
    if (!ensemble.same_rule) {
      use(Stepper<T, TreeRule::kLessOrEqual, false, kMissing>{ensemble});
    } else if (ensemble.rule == TreeRule::kLess) {
      use(Stepper<T, TreeRule::kLess, true, kMissing>{ensemble});
    } else if (ensemble.rule == TreeRule::kEqual) {
      use(Stepper<T, TreeRule::kEqual, true, kMissing>{ensemble});
    } else {
      use(Stepper<T, TreeRule::kLessOrEqual, true, kMissing>{ensemble});
    }
  };
  if (missing && ensemble.has_missing) {
    choose(std::true_type());
  } else {
    choose(std::false_type());
  }
}

/// Rows in groups of kGroup, each feature by feature; what a last group lacks repeats the last row. True if there is a
/// NaN among them.
template <int kGroup, class T, class X>
bool load_rows(const X* x, int64_t rows, int64_t features, T* out) {
  bool missing = false;
  for (int64_t row = 0; row < rows; row += kGroup) {
    for (int64_t k = 0; k < kGroup; ++k) {
      const X* in = x + std::min(row + k, rows - 1) * features;
      T* column = out + row * features + k;
      for (int64_t f = 0; f < features; ++f) {
        const T value = static_cast<T>(in[f]);
        missing |= std::isnan(value);
        column[f * kGroup] = value;
      }
    }
  }
  return missing;
}

/// How a number of rows is cut. Cuts never change a bit.
struct Cut {
  bool by_trees;       ///< few rows: each goes alone through eight trees at a time
  int64_t block_rows;  ///< rows that go through a tree one after the other; whole groups
};

template <class T>
Cut cut_rows(const TreeEnsemble<T>& ensemble, int64_t rows, int64_t features) {
  const int64_t groups = (rows + kLanes - 1) / kLanes;
  const int64_t group_steps = std::max<int64_t>(ensemble.steps, 1) * kLanes;
  const int64_t least = (kLeastStepsPerBlock + group_steps - 1) / group_steps;
  const int64_t most = std::clamp<int64_t>(kBlockElements / std::max<int64_t>(features * kLanes, 1), 1, kMostGroups);
  // About 16 blocks, so that threads end together.
  const int64_t block_groups = std::min(std::max(least, std::min(most, groups / 16)), groups);
  return {rows < kLanes, block_groups * kLanes};
}

constexpr size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

template <class T>
size_t row_bytes(int64_t rows, int64_t features) {
  return round_up(static_cast<size_t>(rows * features) * sizeof(T));
}

template <class T>
size_t score_bytes(const TreeEnsemble<T>& ensemble, int64_t rows) {
  return round_up(static_cast<size_t>(rows * ensemble.targets) * sizeof(double));
}

/// sums = combine(sums, more)
template <class T>
void combine_scores(const TreeEnsemble<T>& ensemble, int64_t n, const double* more, double* sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] = combine(ensemble.aggregate, sums[i], more[i]);
}

/// A minimum or maximum of nothing is 0.
template <class T>
void settle(const TreeEnsemble<T>& ensemble, int64_t n, double* scores) {
  if (ensemble.aggregate == TreeAggregate::kSum) return;
  const double start = neutral(ensemble.aggregate);
  for (int64_t i = 0; i < n; ++i) scores[i] = scores[i] == start ? 0.0 : scores[i];
}

using Finish = FunctionRef<void(int64_t first, int64_t count, const double* scores)>;

/// Each row by itself. The threads share the chunks; their scores lie in the workspace one chunk after the other.
template <class T, class X>
void score_by_trees(const TreeEnsemble<T>& ensemble, const X* x, int64_t rows, int64_t features, Finish finish,
                    std::byte* workspace, Parallel& parallel) {
  auto* values = reinterpret_cast<T*>(workspace);
  auto* scores = reinterpret_cast<double*>(workspace + row_bytes<T>(rows, features));
  const int64_t n = rows * ensemble.targets;
  const auto chunks = static_cast<int64_t>(ensemble.chunk_begin.size() - 1);
  std::fill_n(scores, chunks * n, neutral(ensemble.aggregate));
  const bool missing = load_rows<1>(x, rows, features, values);
  with_step(ensemble, missing, [&](const auto& step) {
    for_ranges(parallel, chunks * rows, kChunksPerTask, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        add_row(ensemble, step, static_cast<size_t>(i / rows), values + i % rows * features,
                scores + i * ensemble.targets);
      }
    });
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk) combine_scores(ensemble, n, scores + chunk * n, scores);
  settle(ensemble, n, scores);
  finish(0, rows, scores);
}

/// `rows` rows through one tree after the other, eight side by side.
template <class T, class X>
void score_block(const TreeEnsemble<T>& ensemble, const X* x, int64_t rows, int64_t features, T* values, double* scores,
                 double* partial) {
  const double start = neutral(ensemble.aggregate);
  const int64_t n = rows * ensemble.targets;
  const bool missing = load_rows<kLanes>(x, rows, features, values);
  with_step(ensemble, missing, [&](const auto& step) {
    for (size_t chunk = 0; chunk + 1 < ensemble.chunk_begin.size(); ++chunk) {
      double* sums = chunk == 0 ? scores : partial;
      std::fill_n(sums, n, start);
      for (uint32_t t = ensemble.chunk_begin[chunk]; t < ensemble.chunk_begin[chunk + 1]; ++t) {
        for (int64_t row = 0; row < rows; row += kLanes) {
          add_tree(ensemble, step, t, values + row * features, std::min<int64_t>(kLanes, rows - row),
                   sums + row * ensemble.targets);
        }
      }
      if (chunk > 0) combine_scores(ensemble, n, partial, scores);
    }
  });
  settle(ensemble, n, scores);
}

}  // namespace

template <class T>
void TreeEnsemble<T>::finish() {
  bool first = true;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (std::isnan(nodes[i].threshold) && nodes[i].left + 1 == i) continue;  // a leaf
    features = std::max(features, nodes[i].feature + 1);
    has_missing = has_missing || missing_left[i] != 0;
    if (first) rule = rules[i];
    first = false;
    same_rule = same_rule && rules[i] == rule && rule != TreeRule::kMember;
  }
  bool is_single = targets == 1 && aggregate == TreeAggregate::kSum;
  for (size_t i = 0; i < nodes.size() && is_single; ++i) {
    const bool is_leaf = nodes[i].left + 1 == i;
    is_single = first_weight[i + 1] - first_weight[i] == (is_leaf ? 1U : 0U);
  }
  if (is_single) {
    single.assign(nodes.size(), 0.0);
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (first_weight[i + 1] > first_weight[i]) single[i] = weights[first_weight[i]].value;
    }
  }
  chunk_begin.assign(1, 0);
  int64_t chunk = 0;
  for (size_t t = 0; t < trees.size(); ++t) {
    steps += trees[t].depth;
    chunk += trees[t].depth;
    if (chunk < kStepsPerChunk && t + 1 < trees.size()) continue;
    chunk_begin.push_back(static_cast<uint32_t>(t + 1));
    chunk = 0;
  }
}

template <class T>
size_t tree_workspace_size(const TreeEnsemble<T>& ensemble, int64_t rows, int64_t features, int threads) {
  if (rows <= 0) return 0;
  const Cut cut = cut_rows(ensemble, rows, features);
  if (cut.by_trees) {
    const auto chunks = static_cast<int64_t>(ensemble.chunk_begin.size() - 1);
    return row_bytes<T>(rows, features) + score_bytes(ensemble, rows * chunks);
  }
  return static_cast<size_t>(threads) *
         (row_bytes<T>(cut.block_rows, features) + 2 * score_bytes(ensemble, cut.block_rows));
}

template <class T, class X>
void score_trees(const TreeEnsemble<T>& ensemble, const X* x, int64_t rows, int64_t features, Finish finish,
                 std::byte* workspace, Parallel& parallel) {
  if (rows <= 0) return;
  const Cut cut = cut_rows(ensemble, rows, features);
  if (cut.by_trees) return score_by_trees(ensemble, x, rows, features, finish, workspace, parallel);
  const size_t value_bytes = row_bytes<T>(cut.block_rows, features);
  const size_t sum_bytes = score_bytes(ensemble, cut.block_rows);
  const auto run_block = [&](int64_t index, int thread) {
    std::byte* scratch = workspace + static_cast<size_t>(thread) * (value_bytes + 2 * sum_bytes);
    auto* scores = reinterpret_cast<double*>(scratch + value_bytes);
    auto* partial = reinterpret_cast<double*>(scratch + value_bytes + sum_bytes);
    const int64_t first = index * cut.block_rows;
    const int64_t count = std::min(cut.block_rows, rows - first);
    score_block(ensemble, x + first * features, count, features, reinterpret_cast<T*>(scratch), scores, partial);
    finish(first, count, scores);
  };
  const int64_t blocks = (rows + cut.block_rows - 1) / cut.block_rows;
  if (blocks == 1) return run_block(0, 0);
  parallel.for_each(blocks, run_block);
}

#define ATTUNE_INSTANTIATE(T, X)                                                      \
  template void score_trees<T, X>(const TreeEnsemble<T>&, const X*, int64_t, int64_t, \
                                  FunctionRef<void(int64_t, int64_t, const double*)>, std::byte*, Parallel&);
#define ATTUNE_INSTANTIATE_ALL(T)                                                        \
  template struct TreeEnsemble<T>;                                                       \
  template size_t tree_workspace_size<T>(const TreeEnsemble<T>&, int64_t, int64_t, int); \
  ATTUNE_INSTANTIATE(T, float)                                                           \
  ATTUNE_INSTANTIATE(T, double)                                                          \
  ATTUNE_INSTANTIATE(T, int64_t)                                                         \
  ATTUNE_INSTANTIATE(T, int32_t)
ATTUNE_INSTANTIATE_ALL(float)
ATTUNE_INSTANTIATE_ALL(double)
#undef ATTUNE_INSTANTIATE_ALL
#undef ATTUNE_INSTANTIATE

}  // namespace attune::kernels
