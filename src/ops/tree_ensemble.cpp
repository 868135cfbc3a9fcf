// ai.onnx.ml.TreeEnsembleClassifier and TreeEnsembleRegressor, versions 1 to 5, TreeEnsemble, version 5:
// https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html and so on. Hit rates change nothing. Scores
// are added in double precision.
//
// Features and thresholds are compared in double where the model has double thresholds or features, else in float.
// Gaps: TreeEnsemble in float16; TreeEnsembleClassifier with one class.
#include "kernels/tree_ensemble.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "attune/error.h"
#include "ops/element_types.h"
#include "ops/ml_scores.h"
#include "ops/op_def.h"
#include "ops/tree_builder.h"

namespace attune::ops {
namespace {

constexpr TypeSet kFeatures{DataType::kFloat, DataType::kDouble, DataType::kInt64, DataType::kInt32};

/// The attribute `name`, floats, or since version 3 `name`_as_tensor, float or double.
std::vector<double> read_numbers(const Attributes& attributes, const std::string& name) {
  const Tensor tensor = attributes.get_tensor(name + "_as_tensor");
  std::vector<double> numbers;
  if (!tensor) {
    for (const float value : attributes.get_floats(name)) numbers.push_back(static_cast<double>(value));
    return numbers;
  }
  const Tensor aligned = tensor.aligned();
  visit_type<float, double>(aligned.type(), [&](auto tag) {
    for (const auto value : aligned.values<typename decltype(tag)::type>()) {
      numbers.push_back(static_cast<double>(value));
    }
  });
  return numbers;
}

void check_size(std::string_view name, size_t size, size_t wanted) {
  if (size == wanted) return;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("{} has {} values, not {}.", name, size, wanted));
}

BranchMode parse_mode(const std::string& name) {
  constexpr std::pair<std::string_view, BranchMode> kModes[] = {
      {"BRANCH_LEQ", BranchMode::kLessOrEqual},
      {"BRANCH_LT", BranchMode::kLess},
      {"BRANCH_GTE", BranchMode::kGreaterOrEqual},
      {"BRANCH_GT", BranchMode::kGreater},
      {"BRANCH_EQ", BranchMode::kEqual},
      {"BRANCH_NEQ", BranchMode::kNotEqual},
      {"LEAF", BranchMode::kLeaf},
  };
  for (const auto& [mode_name, mode] : kModes) {
    if (mode_name == name) return mode;
  }
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown mode '{}' of a tree's node.", name));
}

/// The trees of the operators before version 5: nodes are named by their tree's number and their own, and what a leaf
/// holds is listed apart, in the attributes `prefix`_ids, _treeids, _nodeids and _weights.
ModelTrees read_named_trees(const Attributes& attributes, const std::string& prefix, int64_t targets) {
  const auto tree_ids = attributes.get_ints("nodes_treeids");
  const auto node_ids = attributes.get_ints("nodes_nodeids");
  const auto features = attributes.get_ints("nodes_featureids");
  const auto modes = attributes.get_strings("nodes_modes");
  const auto on_true = attributes.get_ints("nodes_truenodeids");
  const auto on_false = attributes.get_ints("nodes_falsenodeids");
  const auto missing = attributes.get_ints("nodes_missing_value_tracks_true");
  const std::vector<double> values = read_numbers(attributes, "nodes_values");
  const size_t count = tree_ids.size();
  check_size("nodes_nodeids", node_ids.size(), count);
  check_size("nodes_featureids", features.size(), count);
  check_size("nodes_modes", modes.size(), count);
  check_size("nodes_truenodeids", on_true.size(), count);
  check_size("nodes_falsenodeids", on_false.size(), count);
  check_size("nodes_values", values.size(), count);
  if (!missing.empty()) check_size("nodes_missing_value_tracks_true", missing.size(), count);

  std::map<std::pair<int64_t, int64_t>, int64_t> places;
  for (size_t i = 0; i < count; ++i) {
    if (!places.try_emplace({tree_ids[i], node_ids[i]}, static_cast<int64_t>(i)).second) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Node {} in tree {} is already there.", node_ids[i], tree_ids[i]));
    }
  }
  const auto place_of = [&](int64_t tree, int64_t node) {
    const auto place = places.find({tree, node});
    if (place != places.end()) return place->second;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("There is no node {} in tree {}.", node, tree));
  };
  ModelTrees trees;
  trees.targets = targets;
  trees.nodes.resize(count);
  for (size_t i = 0; i < count; ++i) {
    ModelNode& node = trees.nodes[i];
    node.mode = parse_mode(modes[i]);
    if (i == 0 || tree_ids[i] != tree_ids[i - 1]) trees.roots.push_back(static_cast<int64_t>(i));
    if (node.mode == BranchMode::kLeaf) continue;
    node.feature = features[i];
    node.value = values[i];
    node.missing_on_true = !missing.empty() && missing[i] != 0;
    node.on_true = place_of(tree_ids[i], on_true[i]);
    node.on_false = place_of(tree_ids[i], on_false[i]);
  }
  const auto weight_trees = attributes.get_ints(prefix + "_treeids");
  const auto weight_nodes = attributes.get_ints(prefix + "_nodeids");
  const auto weight_targets = attributes.get_ints(prefix + "_ids");
  const std::vector<double> weights = read_numbers(attributes, prefix + "_weights");
  check_size(prefix + "_treeids", weight_trees.size(), weights.size());
  check_size(prefix + "_nodeids", weight_nodes.size(), weights.size());
  check_size(prefix + "_ids", weight_targets.size(), weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weight_targets[i] < 0 || weight_targets[i] >= targets) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("{}_ids has {}, not one of {} targets.", prefix, weight_targets[i], targets));
    }
    const int64_t place = place_of(weight_trees[i], weight_nodes[i]);
    trees.nodes[static_cast<size_t>(place)].weights.push_back({static_cast<uint32_t>(weight_targets[i]), weights[i]});
  }
  return trees;
}

/// The places of version 5: branch nodes come first, leaves behind them.
ModelTrees read_placed_trees(const Attributes& attributes) {
  const auto features = attributes.get_ints("nodes_featureids");
  const auto on_true = attributes.require_ints("nodes_truenodeids");
  const auto on_false = attributes.require_ints("nodes_falsenodeids");
  const auto true_is_leaf = attributes.require_ints("nodes_trueleafs");
  const auto false_is_leaf = attributes.require_ints("nodes_falseleafs");
  const auto missing = attributes.get_ints("nodes_missing_value_tracks_true");
  const auto leaf_targets = attributes.require_ints("leaf_targetids");
  const auto read_tensor = [&](const std::string& name) {
    const Tensor tensor = attributes.get_tensor(name);
    std::vector<double> numbers;
    if (!tensor) return numbers;
    const Tensor aligned = tensor.aligned();
    visit_type<float, double, uint8_t>(aligned.type(), [&](auto tag) {
      for (const auto value : aligned.values<typename decltype(tag)::type>()) {
        numbers.push_back(static_cast<double>(value));
      }
    });
    return numbers;
  };
  const std::vector<double> splits = read_tensor("nodes_splits");
  const std::vector<double> modes = read_tensor("nodes_modes");
  const std::vector<double> weights = read_tensor("leaf_weights");
  const std::vector<double> members = read_tensor("membership_values");
  const size_t count = features.size();
  check_size("nodes_truenodeids", on_true.size(), count);
  check_size("nodes_falsenodeids", on_false.size(), count);
  check_size("nodes_trueleafs", true_is_leaf.size(), count);
  check_size("nodes_falseleafs", false_is_leaf.size(), count);
  check_size("nodes_splits", splits.size(), count);
  check_size("nodes_modes", modes.size(), count);
  check_size("leaf_targetids", leaf_targets.size(), weights.size());
  if (!missing.empty()) check_size("nodes_missing_value_tracks_true", missing.size(), count);

  ModelTrees trees;
  trees.targets = attributes.get_int("n_targets", 1);
  trees.nodes.resize(count + weights.size());
  const auto branches = static_cast<int64_t>(count);
  const auto leaves = static_cast<int64_t>(weights.size());
  const auto place_of = [&](int64_t id, bool is_leaf) {
    if (id >= 0 && id < (is_leaf ? leaves : branches)) return is_leaf ? branches + id : id;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("A tree leads to {} {} of {}.", is_leaf ? "leaf" : "node", id,
                                                      is_leaf ? leaves : branches));
  };
  auto member = members.begin();
  for (size_t i = 0; i < count; ++i) {
    ModelNode& node = trees.nodes[i];
    if (!(modes[i] >= 0.0 && modes[i] <= 6.0)) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown mode {} of a tree's node.", modes[i]));
    }
    node.mode = static_cast<BranchMode>(static_cast<int>(modes[i]));
    node.feature = features[i];
    node.value = splits[i];
    node.missing_on_true = !missing.empty() && missing[i] != 0;
    node.on_true = place_of(on_true[i], true_is_leaf[i] != 0);
    node.on_false = place_of(on_false[i], false_is_leaf[i] != 0);
    if (node.mode != BranchMode::kMember) continue;
    // One set a node, each ended by NaN.
    while (member != members.end() && *member == *member) node.members.push_back(*member++);
    if (member != members.end()) ++member;
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    if (leaf_targets[i] < 0 || leaf_targets[i] >= trees.targets) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("leaf_targetids has {}, not one of {} targets.", leaf_targets[i], trees.targets));
    }
    trees.nodes[count + i].weights.push_back({static_cast<uint32_t>(leaf_targets[i]), weights[i]});
  }
  for (const int64_t root : attributes.require_ints("tree_roots")) trees.roots.push_back(place_of(root, false));
  return trees;
}

/// Whether thresholds are double, or the features are or may be.
bool compares_doubles(const Node& node, std::string_view thresholds) {
  const Tensor tensor = node.attributes.get_tensor(thresholds);
  if (tensor && tensor.type() == DataType::kDouble) return true;
  const Value* x = node.input_count() > 0 ? node.input(0) : nullptr;
  return x == nullptr || x->type == DataType::kDouble || x->type == DataType::kUndefined;
}

/// Trees of either precision.
class Trees {
 public:
  Trees(const ModelTrees& model, bool doubles) : targets_(model.targets), count_(model.roots.size()) {
    if (doubles) {
      trees_ = build_trees<double>(model);
    } else {
      trees_ = build_trees<float>(model);
    }
  }

  int64_t targets() const { return targets_; }
  size_t count() const { return count_; }

  /// Throws Error(kInvalidGraph) when X is no matrix or has too few features.
  void check(const Shape& x) const {
    sample_count(x);
    const int64_t features = sample_size(x);
    const int64_t wanted = std::visit([](const auto& trees) { return int64_t{trees.features}; }, trees_);
    if (!is_known(features) || features >= wanted) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("The trees ask for {} features, X has {}.", wanted, features));
  }

  size_t workspace_bytes(const Shape& x, int threads) const {
    return std::visit(
        [&](const auto& trees) {
          return kernels::tree_workspace_size(trees, sample_count(x), sample_size(x), threads);
        },
        trees_);
  }

  void score(RunContext& context, FunctionRef<void(int64_t, int64_t, const double*)> finish) const {
    const TensorView& x = context.input(0);
    check(x.shape());
    std::visit(
        [&](const auto& trees) {
          visit_type<float, double, int64_t, int32_t>(x.type, [&](auto tag) {
            kernels::score_trees(trees, x.as<typename decltype(tag)::type>(), sample_count(x.shape()),
                                 sample_size(x.shape()), finish, context.workspace().data(), context.parallel());
          });
        },
        trees_);
  }

 private:
  int64_t targets_;
  size_t count_;
  std::variant<kernels::TreeEnsemble<float>, kernels::TreeEnsemble<double>> trees_;
};

/// What is done to the leaves' weights of a target.
enum class Aggregate : uint8_t { kAverage, kSum, kMin, kMax };

kernels::TreeAggregate kernel_aggregate(Aggregate aggregate) {
  if (aggregate == Aggregate::kMin) return kernels::TreeAggregate::kMin;
  return aggregate == Aggregate::kMax ? kernels::TreeAggregate::kMax : kernels::TreeAggregate::kSum;
}

/// TreeEnsembleRegressor and TreeEnsemble.
class TreeRegressor final : public Operator {
 public:
  explicit TreeRegressor(const Node& node)
      : is_placed_(node.op_type == "TreeEnsemble"),
        aggregate_(read_aggregate(node.attributes)),
        transform_(read_transform(node.attributes)),
        base_(is_placed_ ? std::vector<double>() : read_numbers(node.attributes, "base_values")),
        trees_(read_trees(node), compares_doubles(node, is_placed_ ? "nodes_splits" : "nodes_values_as_tensor")) {
    const auto targets = static_cast<size_t>(trees_.targets());
    if (!base_.empty()) check_size("base_values", base_.size(), targets);
  }

  void infer(InferContext& context) const override {
    const DataType type = is_placed_ ? context.type(0) : DataType::kFloat;
    if (!context.has_shape(0)) return context.set_output_type(0, type);
    trees_.check(context.shape(0));
    context.set_output(0, type, Shape{sample_count(context.shape(0)), trees_.targets()});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    return trees_.workspace_bytes(inputs[0].shape(), threads);
  }

  void run(RunContext& context) const override {
    const TensorView& y = context.output(0);
    visit_type<float, double>(y.type, [&](auto tag) {
      using Y = typename decltype(tag)::type;
      trees_.score(context, [&](int64_t first, int64_t count, const double* scores) {
        finish(scores, count, y.as<Y>() + first * trees_.targets());
      });
    });
  }

 private:
  Aggregate read_aggregate(const Attributes& attributes) const {
    if (is_placed_) {
      const int64_t number = attributes.get_int("aggregate_function", 1);
      if (number >= 0 && number <= 3) return static_cast<Aggregate>(number);
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown aggregate_function {}.", number));
    }
    const std::string name = attributes.get_string("aggregate_function", "SUM");
    if (name == "SUM") return Aggregate::kSum;
    if (name == "AVERAGE") return Aggregate::kAverage;
    if (name == "MIN") return Aggregate::kMin;
    if (name == "MAX") return Aggregate::kMax;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown aggregate_function '{}'.", name));
  }

  PostTransform read_transform(const Attributes& attributes) const {
    if (!is_placed_) return parse_post_transform(attributes);
    const int64_t number = attributes.get_int("post_transform", 0);
    if (number >= 0 && number <= 4) return static_cast<PostTransform>(number);
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown post_transform {}.", number));
  }

  ModelTrees read_trees(const Node& node) const {
    const int64_t targets = node.attributes.get_int("n_targets", 1);
    if (targets < 1 || targets >= int64_t{1} << 31) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("n_targets is {}.", targets));
    }
    ModelTrees trees =
        is_placed_ ? read_placed_trees(node.attributes) : read_named_trees(node.attributes, "target", targets);
    trees.aggregate = kernel_aggregate(aggregate_);
    return trees;
  }

  template <class Y>
  void finish(const double* scores, int64_t rows, Y* y) const {
    const int64_t targets = trees_.targets();
    const double scale = aggregate_ == Aggregate::kAverage ? static_cast<double>(trees_.count()) : 1.0;
    for (int64_t i = 0; i < rows * targets; ++i) {
      y[i] = static_cast<Y>(scores[i] / scale + (base_.empty() ? 0.0 : base_[static_cast<size_t>(i % targets)]));
    }
    // One target alone is transformed by PROBIT only, as onnxruntime does.
    if (transform_ == PostTransform::kNone || (targets == 1 && transform_ != PostTransform::kProbit)) return;
    std::vector<float> row(static_cast<size_t>(targets));
    for (int64_t i = 0; i < rows; ++i) {
      std::transform(y + i * targets, y + (i + 1) * targets, row.begin(), [](Y v) { return static_cast<float>(v); });
      apply_post_transform(transform_, row.data(), targets);
      std::transform(row.begin(), row.end(), y + i * targets, [](float v) { return static_cast<Y>(v); });
    }
  }

  bool is_placed_;
  Aggregate aggregate_;
  PostTransform transform_;
  std::vector<double> base_;
  Trees trees_;
};

/// The label is the class with the largest score. Of two classes models often score one alone, against 0.5, or against
/// 0 if weights are negative; the other score is filled in as onnxruntime does.
class TreeClassifier final : public Operator {
 public:
  explicit TreeClassifier(const Node& node)
      : labels_(node.attributes, "classlabels_int64s", "classlabels_strings"),
        transform_(parse_post_transform(node.attributes)),
        base_(read_numbers(node.attributes, "base_values")),
        trees_(read_named_trees(node.attributes, "class", labels_.count()),
               compares_doubles(node, "nodes_values_as_tensor")) {
    const int64_t classes = labels_.count();
    if (classes < 2) throw Error(ErrorCode::kNotImplemented, "A classifier with one class.");
    if (base_.size() > 1 || classes > 2) {
      if (!base_.empty()) check_size("base_values", base_.size(), static_cast<size_t>(classes));
    }
    is_scored_.assign(static_cast<size_t>(classes), false);
    for (const int64_t id : node.attributes.get_ints("class_ids")) is_scored_[static_cast<size_t>(id)] = true;
    const std::vector<double> weights = read_numbers(node.attributes, "class_weights");
    all_positive_ = std::all_of(weights.begin(), weights.end(), [](double weight) { return weight >= 0.0; });
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, labels_.type());
    if (context.output_count() > 1) context.set_output_type(1, DataType::kFloat);
    if (!context.has_shape(0)) return;
    trees_.check(context.shape(0));
    const int64_t rows = sample_count(context.shape(0));
    context.set_output(0, labels_.type(), Shape{rows});
    if (context.output_count() > 1) context.set_output(1, DataType::kFloat, Shape{rows, labels_.count()});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    return trees_.workspace_bytes(inputs[0].shape(), threads);
  }

  void run(RunContext& context) const override {
    const int64_t classes = labels_.count();
    trees_.score(context, [&](int64_t first, int64_t count, const double* scores) {
      std::vector<float> row(static_cast<size_t>(classes));
      for (int64_t i = 0; i < count; ++i) {
        const double* own = scores + i * classes;
        const int64_t label = classes == 2 ? finish_binary(own, row.data()) : finish_row(own, row.data());
        if (context.has_output(0)) labels_.write(context.output(0), first + i, label);
        if (context.has_output(1)) {
          std::copy(row.begin(), row.end(), context.output(1).as<float>() + (first + i) * classes);
        }
      }
    });
  }

 private:
  int64_t finish_row(const double* scores, float* out) const {
    int64_t best = -1;
    for (int64_t k = 0; k < labels_.count(); ++k) {
      const auto place = static_cast<size_t>(k);
      out[k] = static_cast<float>(scores[k] + (base_.empty() ? 0.0 : base_[place]));
      const bool counts = is_scored_[place] || !base_.empty();
      if (counts && (best < 0 || out[k] > out[best])) best = k;
    }
    apply_post_transform(transform_, out, labels_.count());
    return std::max<int64_t>(best, 0);
  }

  int64_t finish_binary(const double* scores, float* out) const {
    const bool scores_first = is_scored_[0];
    const bool scores_second = is_scored_[1];
    const auto base = [&](size_t k) {
      return base_.size() == 2 ? base_[k] : k == 0 && !base_.empty() ? base_[0] : 0.0;
    };
    out[0] = scores_first ? static_cast<float>(scores[0] + base(0)) : 0.0F;
    out[1] = scores_second ? static_cast<float>(scores[1] + base(1)) : 0.0F;
    if (scores_first && scores_second) {
      const int64_t label = out[1] > out[0] ? 1 : 0;
      apply_post_transform(transform_, out, 2);
      return label;
    }
    // The one score there is speaks for class 1, whichever class it is listed for.
    const float score = out[scores_second ? 1 : 0];
    const bool positive = score > (all_positive_ ? 0.5F : 0.0F);
    if (scores_second || base_.size() == 2) {
      apply_post_transform(transform_, out, 2);
    } else {
      const bool is_share = all_positive_ && transform_ != PostTransform::kLogistic;
      write_binary_scores(transform_, is_share ? SecondScore::kComplement : SecondScore::kNegated, score, out);
    }
    return positive ? 1 : 0;
  }

  LabelColumn labels_;
  PostTransform transform_;
  std::vector<double> base_;
  Trees trees_;
  std::vector<bool> is_scored_;  ///< classes that a leaf has a weight for
  bool all_positive_ = false;    ///< no weight is negative
};

}  // namespace

[[gnu::cold]] const OpDef& tree_ensemble() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "TreeEnsemble",
      .since = 5,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", {DataType::kFloat, DataType::kDouble}}},
      .make = make_operator<TreeRegressor>,
  };
  return def;
}

[[gnu::cold]] const OpDef& tree_ensemble_classifier() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "TreeEnsembleClassifier",
      .inputs = {{"X", "T1"}},
      .outputs = {{"Y", "T2"}, {"Z", "tensor(float)"}},
      .types = {{"T1", kFeatures}, {"T2", {DataType::kInt64, DataType::kString}}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<TreeClassifier>,
  };
  return def;
}

[[gnu::cold]] const OpDef& tree_ensemble_regressor() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "TreeEnsembleRegressor",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "tensor(float)"}},
      .types = {{"T", kFeatures}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<TreeRegressor>,
  };
  return def;
}

}  // namespace attune::ops
