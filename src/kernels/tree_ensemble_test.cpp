#include "kernels/tree_ensemble.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace attune::kernels {
namespace {

/// Two threads that take the tasks from the last to the first.
class ReversedParallel final : public Parallel {
 public:
  int threads() const override { return 2; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t i = count - 1; i >= 0; --i) task(i, static_cast<int>(i % 2));
  }
};

struct Options {
  int trees = 3;
  int depth = 4;
  int64_t features = 5;
  int64_t targets = 1;
  TreeAggregate aggregate = TreeAggregate::kSum;
  std::vector<TreeRule> rules = {TreeRule::kLessOrEqual};
  bool missing = false;
};

/// Random trees, unbalanced: a branch ends early now and then. Thresholds are whole numbers, so that rows meet them.
template <class T>
TreeEnsemble<T> random_trees(const Options& options, uint32_t seed) {
  std::mt19937 generator(seed);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(generator() % n); };
  TreeEnsemble<T> out;
  out.targets = options.targets;
  out.aggregate = options.aggregate;
  for (int t = 0; t < options.trees; ++t) {
    Tree tree{static_cast<uint32_t>(out.nodes.size()), 0};
    uint32_t level = 1;
    while (level > 0) {
      const auto children = static_cast<uint32_t>(out.nodes.size()) + level;
      uint32_t next = 0;
      for (uint32_t i = 0; i < level; ++i) {
        out.first_weight.push_back(static_cast<uint32_t>(out.weights.size()));
        const bool is_leaf = static_cast<int>(tree.depth) == options.depth || (tree.depth > 0 && below(5) == 0);
        if (is_leaf) {
          const auto self = static_cast<uint32_t>(out.nodes.size());
          out.nodes.push_back({std::numeric_limits<T>::quiet_NaN(), 0, self - 1});
          out.rules.push_back(TreeRule::kLessOrEqual);
          out.missing_left.push_back(0);
          const uint32_t count = options.targets == 1 ? 1 : below(3);
          for (uint32_t w = 0; w < count; ++w) {
            out.weights.push_back(
                {below(static_cast<uint32_t>(options.targets)), static_cast<double>(below(100)) - 40});
          }
          continue;
        }
        const TreeRule rule = options.rules[below(static_cast<uint32_t>(options.rules.size()))];
        T threshold = static_cast<T>(static_cast<int>(below(7)) - 3);
        if (rule == TreeRule::kMember) {
          out.members.push_back({threshold, threshold + 2});
          threshold = static_cast<T>(out.members.size() - 1);
        }
        out.nodes.push_back({threshold, below(static_cast<uint32_t>(options.features)), children + next});
        out.rules.push_back(rule);
        out.missing_left.push_back(options.missing ? static_cast<uint8_t>(below(2)) : 0);
        next += 2;
      }
      level = next;
      if (next > 0) ++tree.depth;
    }
    out.trees.push_back(tree);
  }
  out.first_weight.push_back(static_cast<uint32_t>(out.weights.size()));
  out.finish();
  return out;
}

template <class T, class X>
std::vector<X> random_rows(int64_t rows, int64_t features, bool missing, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<X> x(static_cast<size_t>(rows * features));
  for (X& value : x) {
    value = static_cast<X>(static_cast<int>(generator() % 9) - 4);
    if constexpr (std::is_floating_point_v<X>) {
      if (missing && generator() % 6 == 0) value = std::numeric_limits<X>::quiet_NaN();
    }
  }
  return x;
}

template <class T>
bool goes_left(const TreeEnsemble<T>& trees, uint32_t place, T x) {
  if (std::isnan(x)) return trees.missing_left[place] != 0;
  const T threshold = trees.nodes[place].threshold;
  switch (trees.rules[place]) {
    case TreeRule::kLessOrEqual:
      return x <= threshold;
    case TreeRule::kLess:
      return x < threshold;
    case TreeRule::kEqual:
      return x == threshold;
    case TreeRule::kMember:
      break;
  }
  for (const T member : trees.members[static_cast<size_t>(threshold)]) {
    if (member == x) return true;
  }
  return false;
}

/// One row through one tree after the other.
template <class T, class X>
std::vector<double> naive_scores(const TreeEnsemble<T>& trees, const X* row) {
  const bool sums = trees.aggregate == TreeAggregate::kSum;
  std::vector<double> scores(static_cast<size_t>(trees.targets), 0.0);
  std::vector<bool> met(scores.size(), false);
  for (const Tree& tree : trees.trees) {
    uint32_t place = tree.root;
    while (trees.nodes[place].left + 1 != place) {
      const bool left = goes_left(trees, place, static_cast<T>(row[trees.nodes[place].feature]));
      place = trees.nodes[place].left + (left ? 0 : 1);
    }
    for (uint32_t i = trees.first_weight[place]; i < trees.first_weight[place + 1]; ++i) {
      const auto [target, value] = trees.weights[i];
      double& score = scores[target];
      if (sums) {
        score += value;
      } else if (!met[target]) {
        score = value;
      } else {
        score = trees.aggregate == TreeAggregate::kMin ? std::min(score, value) : std::max(score, value);
      }
      met[target] = true;
    }
  }
  return scores;
}

template <class T, class X>
std::vector<double> scores_of(const TreeEnsemble<T>& trees, const std::vector<X>& x, int64_t rows, int64_t features,
                              Parallel& parallel) {
  std::vector<std::byte> workspace(tree_workspace_size(trees, rows, features, parallel.threads()));
  std::vector<double> scores(static_cast<size_t>(rows * trees.targets), -1e9);
  score_trees(
      trees, x.data(), rows, features,
      [&](int64_t first, int64_t count, const double* piece) {
        std::copy_n(piece, count * trees.targets, scores.begin() + first * trees.targets);
      },
      workspace.data(), parallel);
  return scores;
}

template <class T, class X>
void check(const Options& options, int64_t rows, uint32_t seed) {
  SCOPED_TRACE(testing::Message() << options.trees << " trees, " << rows << " rows, seed " << seed);
  const TreeEnsemble<T> trees = random_trees<T>(options, seed);
  const std::vector<X> x = random_rows<T, X>(rows, options.features, options.missing, seed + 1);
  SerialParallel serial;
  const std::vector<double> actual = scores_of(trees, x, rows, options.features, serial);
  for (int64_t row = 0; row < rows; ++row) {
    // Weights are whole numbers: sums are exact in any order.
    const std::vector<double> expected = naive_scores(trees, x.data() + row * options.features);
    for (int64_t k = 0; k < options.targets; ++k) {
      ASSERT_EQ(actual[static_cast<size_t>(row * options.targets + k)], expected[static_cast<size_t>(k)])
          << "row " << row << " target " << k;
    }
  }
  ReversedParallel reversed;
  EXPECT_EQ(actual, scores_of(trees, x, rows, options.features, reversed));
}

TEST(TreeEnsemble, EveryNumberOfRowsAndTrees) {
  for (const int64_t rows : {1, 2, 7, 8, 9, 16, 31, 200}) {
    for (const int trees : {1, 7, 8, 9, 30}) check<float, float>({.trees = trees}, rows, 11);
  }
}

TEST(TreeEnsemble, LargeEnsemblesAreAddedInChunks) {
  for (const int64_t rows : {1, 3, 40, 700}) {
    check<float, float>({.trees = 900, .depth = 7}, rows, 5);
    check<double, double>({.trees = 900, .depth = 7, .targets = 3}, rows, 6);
  }
}

TEST(TreeEnsemble, RulesAndMissingValues) {
  const std::vector<TreeRule> every = {TreeRule::kLessOrEqual, TreeRule::kLess, TreeRule::kEqual, TreeRule::kMember};
  for (const bool missing : {false, true}) {
    for (const TreeRule rule : every) {
      check<float, float>({.depth = 6, .rules = {rule}, .missing = missing}, 50, 7);
      check<double, float>({.depth = 6, .rules = {rule}, .missing = missing}, 3, 8);
    }
    check<float, float>({.trees = 20, .depth = 6, .rules = every, .missing = missing}, 50, 9);
    check<double, double>({.trees = 20, .depth = 6, .rules = every, .missing = missing}, 5, 10);
  }
}

TEST(TreeEnsemble, TargetsAndAggregates) {
  for (const TreeAggregate aggregate : {TreeAggregate::kSum, TreeAggregate::kMin, TreeAggregate::kMax}) {
    for (const int64_t targets : {1, 2, 10}) {
      check<float, float>({.trees = 12, .targets = targets, .aggregate = aggregate}, 33, 21);
      check<float, int64_t>({.trees = 12, .targets = targets, .aggregate = aggregate}, 4, 22);
      check<float, int32_t>({.trees = 12, .targets = targets, .aggregate = aggregate}, 9, 23);
    }
  }
}

TEST(TreeEnsemble, ARowGivesTheSameBitsInAnyBatch) {
  Options options{.trees = 700, .depth = 6};
  TreeEnsemble<float> trees = random_trees<float>(options, 3);
  for (double& weight : trees.single) weight += 0.1;  // sums that round
  const int64_t rows = 100;
  const std::vector<float> x = random_rows<float, float>(rows, options.features, false, 4);
  SerialParallel serial;
  for (TreeWeight& weight : trees.weights) weight.value += 0.1;
  const std::vector<double> together = scores_of(trees, x, rows, options.features, serial);
  for (int64_t row = 0; row < rows; ++row) {
    const std::vector<float> one(x.begin() + row * options.features, x.begin() + (row + 1) * options.features);
    ASSERT_EQ(scores_of(trees, one, 1, options.features, serial)[0], together[static_cast<size_t>(row)]);
  }
}

TEST(TreeEnsemble, NoRows) {
  const TreeEnsemble<float> trees = random_trees<float>({}, 1);
  SerialParallel serial;
  EXPECT_TRUE(scores_of(trees, std::vector<float>(), 0, 5, serial).empty());
}

}  // namespace
}  // namespace attune::kernels
