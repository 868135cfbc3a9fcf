#include "ops/tree_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "attune/error.h"

namespace attune::ops {
namespace {

constexpr size_t kMostNodes = size_t{1} << 31;
constexpr int64_t kMostFeatures = int64_t{1} << 31;

template <class T>
class Builder {
 public:
  explicit Builder(const ModelTrees& model) : model_(model), seen_(model.nodes.size(), false) {}

  kernels::TreeEnsemble<T> build() {
    if (model_.roots.empty()) throw Error(ErrorCode::kInvalidGraph, "There is no tree.");
    out_.targets = model_.targets;
    out_.aggregate = model_.aggregate;
    for (const int64_t root : model_.roots) add_tree(root);
    out_.first_weight.push_back(static_cast<uint32_t>(out_.weights.size()));
    out_.finish();
    return std::move(out_);
  }

 private:
  const ModelNode& node_at(int64_t place) const {
    if (place < 0 || place >= static_cast<int64_t>(model_.nodes.size())) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("A tree leads to node {} of {}.", place, model_.nodes.size()));
    }
    return model_.nodes[static_cast<size_t>(place)];
  }

  /// Level by level, so that the first steps of all rows share a few cache lines.
  void add_tree(int64_t root) {
    kernels::Tree tree{static_cast<uint32_t>(out_.nodes.size()), 0};
    std::vector<int64_t> level{root};
    while (true) {
      std::vector<int64_t> next;
      // Where the next level begins.
      const size_t children = out_.nodes.size() + level.size();
      for (const int64_t place : level) add_node(place, children, next);
      if (next.empty()) break;
      level = std::move(next);
      ++tree.depth;
    }
    out_.trees.push_back(tree);
  }

  void add_node(int64_t place, size_t children, std::vector<int64_t>& next) {
    const ModelNode& node = node_at(place);
    const size_t self = out_.nodes.size();
    if (self >= kMostNodes) throw Error(ErrorCode::kNotImplemented, "Trees of more than 2^31 nodes.");
    out_.first_weight.push_back(static_cast<uint32_t>(out_.weights.size()));
    if (node.mode == BranchMode::kLeaf) {
      out_.nodes.push_back({std::numeric_limits<T>::quiet_NaN(), 0, static_cast<uint32_t>(self) - 1});
      out_.rules.push_back(kernels::TreeRule::kLessOrEqual);
      out_.missing_left.push_back(0);
      add_weights(node);
      return;
    }
    if (seen_[static_cast<size_t>(place)]) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Node {} of a tree is reached twice.", place));
    }
    seen_[static_cast<size_t>(place)] = true;
    if (node.feature < 0 || node.feature >= kMostFeatures) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("A tree asks for feature {}.", node.feature));
    }
    // >=, > and != are the opposite rule with the branches swapped, NaN included: no rule holds for it.
    const bool swapped = node.mode == BranchMode::kGreaterOrEqual || node.mode == BranchMode::kGreater ||
                         node.mode == BranchMode::kNotEqual;
    const bool nan_holds = node.mode == BranchMode::kNotEqual || node.missing_on_true;
    T threshold = static_cast<T>(node.value);
    if (node.mode == BranchMode::kMember) {
      threshold = static_cast<T>(out_.members.size());
      if (out_.members.size() > size_t{1} << 24) {  // what a float counts
        throw Error(ErrorCode::kNotImplemented, "More than 2^24 nodes of mode BRANCH_MEMBER.");
      }
      out_.members.emplace_back(node.members.begin(), node.members.end());
    }
    out_.nodes.push_back(
        {threshold, static_cast<uint32_t>(node.feature), static_cast<uint32_t>(children + next.size())});
    out_.rules.push_back(rule_of(node.mode));
    out_.missing_left.push_back(nan_holds != swapped ? 1 : 0);
    next.push_back(swapped ? node.on_false : node.on_true);
    next.push_back(swapped ? node.on_true : node.on_false);
  }

  static kernels::TreeRule rule_of(BranchMode mode) {
    switch (mode) {
      case BranchMode::kLess:
      case BranchMode::kGreaterOrEqual:
        return kernels::TreeRule::kLess;
      case BranchMode::kEqual:
      case BranchMode::kNotEqual:
        return kernels::TreeRule::kEqual;
      case BranchMode::kMember:
        return kernels::TreeRule::kMember;
      default:
        return kernels::TreeRule::kLessOrEqual;
    }
  }

  void add_weights(const ModelNode& node) {
    for (const kernels::TreeWeight& weight : node.weights) {
      if (weight.target >= model_.targets) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("A leaf has a weight for target {} of {}.", weight.target, model_.targets));
      }
      out_.weights.push_back(weight);
    }
  }

  const ModelTrees& model_;
  std::vector<bool> seen_;
  kernels::TreeEnsemble<T> out_;
};

}  // namespace

template <class T>
kernels::TreeEnsemble<T> build_trees(const ModelTrees& trees) {
  return Builder<T>(trees).build();
}

template kernels::TreeEnsemble<float> build_trees<float>(const ModelTrees&);
template kernels::TreeEnsemble<double> build_trees<double>(const ModelTrees&);

}  // namespace attune::ops
