// From the trees of a model to trees as kernels/tree_ensemble.h walks them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/tree_ensemble.h"

namespace attune::ops {

/// How a node of a model branches: to `on_true` if the comparison of the feature with the value holds.
enum class BranchMode : uint8_t {
  kLessOrEqual,
  kLess,
  kGreaterOrEqual,
  kGreater,
  kEqual,
  kNotEqual,
  kMember,
  kLeaf,
};

struct ModelNode {
  BranchMode mode = BranchMode::kLeaf;
  int64_t feature = 0;
  double value = 0.0;
  std::vector<double> members;   ///< for kMember
  bool missing_on_true = false;  ///< where NaN goes
  int64_t on_true = -1;          ///< places in ModelTrees::nodes
  int64_t on_false = -1;
  std::vector<kernels::TreeWeight> weights;  ///< of a leaf
};

struct ModelTrees {
  std::vector<ModelNode> nodes;
  std::vector<int64_t> roots;
  int64_t targets = 1;
  kernels::TreeAggregate aggregate = kernels::TreeAggregate::kSum;
};

/// Lays the trees out. Throws Error(kInvalidGraph) when a place, a feature or a target is out of range or a branch node
/// is reached twice, kNotImplemented when there are more than 2^31 nodes.
template <class T>
kernels::TreeEnsemble<T> build_trees(const ModelTrees& trees);

}  // namespace attune::ops
