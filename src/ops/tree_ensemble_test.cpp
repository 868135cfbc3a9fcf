#include "ops/op_test.h"

namespace attune {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();

/// One tree: x[0] against 0.5, then on the false side x[1] against 2; leaves 1, 3 and 4.
OpTest tree(std::string_view name, const std::string& mode, int version = 1) {
  OpTest test(name, version, "ai.onnx.ml");
  test.attribute("nodes_treeids", std::vector<int64_t>{0, 0, 0, 0, 0})
      .attribute("nodes_nodeids", std::vector<int64_t>{0, 1, 2, 3, 4})
      .attribute("nodes_featureids", std::vector<int64_t>{0, 0, 1, 0, 0})
      .attribute("nodes_modes", std::vector<std::string>{mode, "LEAF", mode, "LEAF", "LEAF"})
      .attribute("nodes_values", std::vector<float>{0.5F, 0, 2, 0, 0})
      .attribute("nodes_truenodeids", std::vector<int64_t>{1, 0, 3, 0, 0})
      .attribute("nodes_falsenodeids", std::vector<int64_t>{2, 0, 4, 0, 0});
  return test;
}

OpTest regressor(const std::string& mode, int version = 1) {
  OpTest test = tree("TreeEnsembleRegressor", mode, version);
  test.attribute("target_treeids", std::vector<int64_t>{0, 0, 0})
      .attribute("target_nodeids", std::vector<int64_t>{1, 3, 4})
      .attribute("target_ids", std::vector<int64_t>{0, 0, 0})
      .attribute("target_weights", std::vector<float>{10, 20, 30})
      .attribute("n_targets", int64_t{1});
  return test;
}

OpTest classifier(std::vector<int64_t> ids, std::vector<float> weights, std::vector<int64_t> labels = {5, 6}) {
  OpTest test = tree("TreeEnsembleClassifier", "BRANCH_LEQ");
  std::vector<int64_t> nodes;
  for (size_t i = 0; i < ids.size(); ++i) nodes.push_back(std::vector<int64_t>{1, 3, 4}[i * 3 / ids.size()]);
  test.attribute("class_treeids", std::vector<int64_t>(ids.size(), 0))
      .attribute("class_nodeids", nodes)
      .attribute("class_ids", std::move(ids))
      .attribute("class_weights", std::move(weights))
      .attribute("classlabels_int64s", std::move(labels));
  return test;
}

TEST(TreeEnsembleRegressor, EveryMode) {
  const auto expect = [](const std::string& mode, std::vector<float> y) {
    regressor(mode)
        .input<float>({5, 2}, {0.5F, 0, 0.4F, 0, 1, 2, 1, 3, kNan, kNan})
        .output<float>({5, 1}, std::move(y))
        .run();
  };
  expect("BRANCH_LEQ", {10, 10, 20, 30, 30});
  expect("BRANCH_LT", {20, 10, 30, 30, 30});
  expect("BRANCH_GTE", {10, 30, 10, 10, 30});
  expect("BRANCH_GT", {30, 30, 10, 10, 30});
  expect("BRANCH_EQ", {10, 30, 20, 30, 30});
  expect("BRANCH_NEQ", {20, 10, 10, 10, 10});
}

TEST(TreeEnsembleRegressor, TypesAndVersions) {
  regressor("BRANCH_LEQ").input<int64_t>({2, 2}, {0, 0, 1, 3}).output<float>({2, 1}, {10, 30}).run();
  regressor("BRANCH_LEQ").input<int32_t>({2, 2}, {0, 0, 1, 2}).output<float>({2, 1}, {10, 20}).run();
  // Between 0.5 and the next float: only double tells them apart.
  regressor("BRANCH_LEQ", 3).input<double>({1, 2}, {0.5 + 1e-12, 3}).output<float>({1, 1}, {30}).run();
  regressor("BRANCH_LEQ").input<float>({2}, {1, 2}).output<float>({1, 1}, {20}).run();
  regressor("BRANCH_LEQ").input<float>({0, 2}, {}).output<float>({0, 1}, {}).run();
  OpTest tensors = regressor("BRANCH_LEQ", 3);
  tensors.attribute("nodes_values_as_tensor", Tensor::from_values<double>(Shape{5}, std::vector<double>{1, 0, 2, 0, 0}))
      .attribute("target_weights_as_tensor", Tensor::from_values<double>(Shape{3}, std::vector<double>{1, 2, 3}))
      .attribute("base_values_as_tensor", Tensor::from_values<double>(Shape{1}, std::vector<double>{0.5}))
      .input<double>({2, 2}, {1, 0, 2, 2})
      .output<float>({2, 1}, {1.5F, 2.5F})
      .run();
}

TEST(TreeEnsembleRegressor, MissingValues) {
  regressor("BRANCH_LEQ")
      .attribute("nodes_missing_value_tracks_true", std::vector<int64_t>{0, 0, 1, 0, 0})
      .input<float>({2, 2}, {kNan, kNan, kNan, 5})
      .output<float>({2, 1}, {20, 30})
      .run();
  regressor("BRANCH_GT")
      .attribute("nodes_missing_value_tracks_true", std::vector<int64_t>{1, 0, 0, 0, 0})
      .input<float>({1, 2}, {kNan, 0})
      .output<float>({1, 1}, {10})
      .run();
}

TEST(TreeEnsembleRegressor, AggregatesAndTransforms) {
  // Two trees of one leaf each, with weights for two targets.
  const auto forest = [](const std::string& aggregate) {
    OpTest test("TreeEnsembleRegressor", 1, "ai.onnx.ml");
    test.attribute("nodes_treeids", std::vector<int64_t>{0, 1})
        .attribute("nodes_nodeids", std::vector<int64_t>{0, 0})
        .attribute("nodes_featureids", std::vector<int64_t>{0, 0})
        .attribute("nodes_modes", std::vector<std::string>{"LEAF", "LEAF"})
        .attribute("nodes_values", std::vector<float>{0, 0})
        .attribute("nodes_truenodeids", std::vector<int64_t>{0, 0})
        .attribute("nodes_falsenodeids", std::vector<int64_t>{0, 0})
        .attribute("target_treeids", std::vector<int64_t>{0, 0, 1, 1})
        .attribute("target_nodeids", std::vector<int64_t>{0, 0, 0, 0})
        .attribute("target_ids", std::vector<int64_t>{0, 1, 0, 1})
        .attribute("target_weights", std::vector<float>{1, 2, 3, -4})
        .attribute("n_targets", int64_t{2})
        .attribute("aggregate_function", aggregate)
        .input<float>({1, 1}, {0});
    return test;
  };
  forest("SUM").output<float>({1, 2}, {4, -2}).run();
  forest("AVERAGE").output<float>({1, 2}, {2, -1}).run();
  forest("MIN").output<float>({1, 2}, {1, -4}).run();
  forest("MAX").output<float>({1, 2}, {3, 2}).run();
  const std::vector<float> base{1, 2};
  forest("AVERAGE").attribute("base_values", base).output<float>({1, 2}, {3, 1}).run();
  const std::string softmax = "SOFTMAX";
  forest("AVERAGE").attribute("post_transform", softmax).output<float>({1, 2}, {0.952574F, 0.0474259F}).run();
  forest("MEDIAN").fails("aggregate_function 'MEDIAN'");
  forest("SUM").attribute("post_transform", std::string("ABS")).fails("post_transform 'ABS'");
  forest("SUM").attribute("base_values", std::vector<float>{1}).fails("base_values has 1 values, not 2");
}

TEST(TreeEnsembleRegressor, RejectsBrokenTrees) {
  const auto broken = [](std::string_view name, AttributeValue value) {
    OpTest test = regressor("BRANCH_LEQ");
    test.attribute(name, std::move(value)).input<float>({1, 2}, {0, 0});
    return test;
  };
  broken("nodes_truenodeids", std::vector<int64_t>{9, 0, 3, 0, 0}).fails("no node 9 in tree 0");
  broken("nodes_falsenodeids", std::vector<int64_t>{0, 0, 4, 0, 0}).fails("reached twice");
  broken("nodes_falsenodeids", std::vector<int64_t>{2, 0, 4, 0}).fails("nodes_falsenodeids has 4 values, not 5");
  broken("nodes_nodeids", std::vector<int64_t>{0, 1, 2, 3, 3}).fails("already there");
  broken("nodes_featureids", std::vector<int64_t>{-1, 0, 0, 0, 0}).fails("feature -1");
  broken("nodes_featureids", std::vector<int64_t>{2, 0, 0, 0, 0}).fails("ask for 3 features, X has 2");
  broken("nodes_modes", std::vector<std::string>{"LEAF", "LEAF", "LEAF", "LEAF", "BRANCH"}).fails("mode 'BRANCH'");
  broken("target_ids", std::vector<int64_t>{0, 0, 1}).fails("not one of 1 targets");
  broken("target_nodeids", std::vector<int64_t>{0, 0, 7}).fails("no node 7");
  broken("n_targets", int64_t{0}).fails("n_targets is 0");
  OpTest("TreeEnsembleRegressor", 1, "ai.onnx.ml").input<float>({1, 1}, {0}).fails("no tree");
  regressor("BRANCH_LEQ").input<float>({1, 1, 2}, {0, 0}).fails("Samples are a matrix");
}

TEST(TreeEnsembleClassifier, ManyClasses) {
  OpTest test = classifier({0, 1, 2}, {1, 2, 3}, {7, 8, 9});
  test.input<float>({3, 2}, {0, 0, 1, 2, 1, 3})
      .output<int64_t>({3}, {7, 8, 9})
      .output<float>({3, 3}, {1, 0, 0, 0, 2, 0, 0, 0, 3})
      .run();
  OpTest strings = tree("TreeEnsembleClassifier", "BRANCH_LEQ");
  strings.attribute("class_treeids", std::vector<int64_t>{0, 0, 0})
      .attribute("class_nodeids", std::vector<int64_t>{1, 3, 4})
      .attribute("class_ids", std::vector<int64_t>{2, 1, 0})
      .attribute("class_weights", std::vector<float>{1, 1, 1})
      .attribute("classlabels_strings", std::vector<std::string>{"a", "b", "c"})
      .attribute("post_transform", std::string("SOFTMAX_ZERO"))
      .input<double>({1, 2}, {0, 0})
      .output<std::string>({1}, {"c"})
      .output<float>({1, 3}, {0, 0, 1})
      .run();
}

// What onnxruntime 1.32 gives.
TEST(TreeEnsembleClassifier, OneScoreForTwoClasses) {
  const auto expect = [](std::vector<float> weights, const std::string& transform, std::vector<float> base,
                         std::vector<int64_t> labels, std::vector<float> scores) {
    OpTest test = classifier({0, 0, 0}, std::move(weights));
    test.attribute("post_transform", transform);
    if (!base.empty()) test.attribute("base_values", std::move(base));
    test.input<float>({2, 2}, {0, 0, 1, 2})
        .output<int64_t>({2}, std::move(labels))
        .output<float>({2, 2}, std::move(scores))
        .run();
  };
  expect({.2F, .8F, 0}, "NONE", {}, {5, 6}, {.8F, .2F, .2F, .8F});
  expect({-.2F, .8F, 0}, "NONE", {}, {5, 6}, {.2F, -.2F, -.8F, .8F});
  expect({.2F, .8F, 0}, "LOGISTIC", {}, {5, 6}, {.450166F, .549834F, .310026F, .689974F});
  expect({0, 0, 0}, "LOGISTIC", {-.405F}, {5, 5}, {.599888F, .400112F, .599888F, .400112F});
  expect({-.2F, .8F, 0}, "LOGISTIC", {}, {5, 6}, {.549834F, .450166F, .310026F, .689974F});
  expect({.2F, .8F, 0}, "NONE", {.1F}, {5, 6}, {.7F, .3F, .1F, .9F});
  expect({.2F, .8F, 0}, "NONE", {.1F, .3F}, {5, 6}, {.3F, 0, .9F, 0});
  OpTest second = classifier({1, 1, 1}, {.2F, .8F, 0});
  second.input<float>({2, 2}, {0, 0, 1, 2}).output<int64_t>({2}, {5, 6}).output<float>({2, 2}, {0, .2F, 0, .8F}).run();
}

TEST(TreeEnsembleClassifier, TwoScoresForTwoClasses) {
  OpTest test = classifier({0, 1, 0, 1, 0, 1}, {.3F, .7F, .6F, .4F, 0, 0});
  test.input<float>({2, 2}, {0, 0, 1, 2})
      .output<int64_t>({2}, {6, 5})
      .output<float>({2, 2}, {.3F, .7F, .6F, .4F})
      .run();
}

TEST(TreeEnsembleClassifier, RejectsBrokenLabels) {
  classifier({0, 0, 0}, {1, 1, 1}, {7}).input<float>({1, 2}, {0, 0}).fails("one class", 2);
  classifier({0, 0, 2}, {1, 1, 1}).input<float>({1, 2}, {0, 0}).fails("not one of 2 targets", 2);
  tree("TreeEnsembleClassifier", "BRANCH_LEQ").input<float>({1, 2}, {0, 0}).fails("must have labels", 2);
}

/// x[0] in {1, 3}: leaf 0, else x[1] > 2: leaf 1, else leaf 0 for target 1.
OpTest placed_trees() {
  OpTest test("TreeEnsemble", 5, "ai.onnx.ml");
  test.attribute("tree_roots", std::vector<int64_t>{0})
      .attribute("n_targets", int64_t{2})
      .attribute("nodes_featureids", std::vector<int64_t>{0, 1})
      .attribute("nodes_modes", Tensor::from_values<uint8_t>(Shape{2}, std::vector<uint8_t>{6, 3}))
      .attribute("nodes_splits", Tensor::from_values<float>(Shape{2}, std::vector<float>{0, 2}))
      .attribute("nodes_truenodeids", std::vector<int64_t>{0, 1})
      .attribute("nodes_trueleafs", std::vector<int64_t>{1, 1})
      .attribute("nodes_falsenodeids", std::vector<int64_t>{1, 2})
      .attribute("nodes_falseleafs", std::vector<int64_t>{0, 1})
      .attribute("membership_values", Tensor::from_values<float>(Shape{3}, std::vector<float>{1, 3, kNan}))
      .attribute("leaf_targetids", std::vector<int64_t>{0, 0, 1})
      .attribute("leaf_weights", Tensor::from_values<float>(Shape{3}, std::vector<float>{10, 20, 30}));
  return test;
}

TEST(TreeEnsemble5, MembersAndBranches) {
  placed_trees()
      .input<float>({4, 2}, {1, 0, 3, 0, 2, 3, 2, 2})
      .output<float>({4, 2}, {10, 0, 10, 0, 20, 0, 0, 30})
      .run();
  placed_trees()
      .attribute("aggregate_function", int64_t{0})
      .attribute("post_transform", int64_t{1})
      .input<float>({1, 2}, {1, 0})
      .output<float>({1, 2}, {0.9999546F, 4.53979e-05F})
      .run();
}

TEST(TreeEnsemble5, RejectsBrokenTrees) {
  const auto broken = [](std::string_view name, AttributeValue value) {
    OpTest test = placed_trees();
    test.attribute(name, std::move(value)).input<float>({1, 2}, {0, 0});
    return test;
  };
  broken("nodes_falsenodeids", std::vector<int64_t>{0, 2}).fails("reached twice");
  broken("nodes_falsenodeids", std::vector<int64_t>{1, 3}).fails("leaf 3 of 3");
  broken("tree_roots", std::vector<int64_t>{2}).fails("node 2 of 2");
  broken("tree_roots", std::vector<int64_t>{}).fails("no tree");
  broken("leaf_targetids", std::vector<int64_t>{0, 0, 2}).fails("not one of 2 targets");
  broken("aggregate_function", int64_t{4}).fails("aggregate_function 4");
  broken("post_transform", int64_t{-1}).fails("post_transform -1");
  broken("nodes_modes", Tensor::from_values<uint8_t>(Shape{2}, std::vector<uint8_t>{6, 7})).fails("mode 7");
}

}  // namespace
}  // namespace attune
