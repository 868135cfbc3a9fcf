// Scores of decision trees: each row of a matrix walks from the root of every tree to a leaf, and what the leaves hold
// is added up.
//
// A walk is a chain of loads that depend on each other, about 15 cycles a step when it goes alone. Eight chains are
// walked side by side, eight rows through one tree or one row through eight trees, without a branch that depends on the
// data: a leaf leads to itself, so chains that are done stay where they are. (Gathering the eight nodes into vectors is
// slower on every machine whose gathers take a micro-operation or more an element.)
//
// Thread-safe. The bits of a row's scores depend on the row and the ensemble alone: trees are added in order, in chunks
// that the ensemble fixes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/function_ref.h"
#include "base/parallel.h"

namespace attune::kernels {

/// A place in a tree: goes to node `left` if the rule holds for the row's `feature` and `threshold`, else to left + 1.
/// A leaf has the threshold NaN, for which no rule holds, feature 0, and left + 1 is the leaf itself.
template <class T>
struct TreeNode {
  T threshold = 0;
  uint32_t feature = 0;
  uint32_t left = 0;
};

enum class TreeRule : uint8_t {
  kLessOrEqual,  ///< x <= threshold
  kLess,         ///< x < threshold
  kEqual,        ///< x == threshold
  kMember,       ///< x is one of members[threshold], `threshold` being an index
};

enum class TreeAggregate : uint8_t { kSum, kMin, kMax };

struct Tree {
  uint32_t root = 0;
  uint32_t depth = 0;  ///< the most steps to a leaf
};

struct TreeWeight {
  uint32_t target = 0;
  double value = 0.0;
};

/// Trees as they are walked. Nodes of a tree lie level by level, siblings side by side.
template <class T>
struct TreeEnsemble {
  std::vector<Tree> trees;
  std::vector<TreeNode<T>> nodes;
  std::vector<TreeRule> rules;        ///< of each node
  std::vector<uint8_t> missing_left;  ///< of each node: 1 where NaN goes left although no rule holds for it
  std::vector<std::vector<T>> members;

  /// What the leaves hold: leaf n the weights [first_weight[n], first_weight[n + 1]).
  std::vector<uint32_t> first_weight;
  std::vector<TreeWeight> weights;
  int64_t targets = 1;
  TreeAggregate aggregate = TreeAggregate::kSum;

  /// The rest follows from the above: see finish().
  bool same_rule = true;  ///< all nodes but leaves have the rule `rule`, which is no set
  TreeRule rule = TreeRule::kLessOrEqual;
  bool has_missing = false;
  std::vector<double> single;         ///< with one target and one weight a leaf: the weight, by node
  std::vector<uint32_t> chunk_begin;  ///< chunk c has trees [chunk_begin[c], chunk_begin[c + 1])
  int64_t steps = 0;                  ///< the depths of all trees together
  uint32_t features = 0;              ///< the least number of features a row must have

  /// Works out what follows. To be called once, when all else is set.
  void finish();
};

/// The bytes of workspace that score_trees() needs.
template <class T>
size_t tree_workspace_size(const TreeEnsemble<T>& ensemble, int64_t rows, int64_t features, int threads);

/// Scores `rows` dense rows of `features` elements, at least ensemble.features, converted to T. Calls finish(first,
/// count, scores) for pieces that together are all rows, on any thread: `scores` is count x targets, each the sum (in
/// double precision), minimum or maximum of the weights the row has met for the target; 0 where it has met none.
/// T is float or double, X one of float, double, int64_t and int32_t.
template <class T, class X>
void score_trees(const TreeEnsemble<T>& ensemble, const X* x, int64_t rows, int64_t features,
                 FunctionRef<void(int64_t first, int64_t count, const double* scores)> finish, std::byte* workspace,
                 Parallel& parallel);

}  // namespace attune::kernels
