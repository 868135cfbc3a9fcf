#include "ops/op_test.h"

namespace attune {
namespace {

OpTest linear(std::string_view name, std::vector<float> coefficients, std::vector<float> intercepts) {
  OpTest test(name, 1, "ai.onnx.ml");
  test.attribute("coefficients", std::move(coefficients)).attribute("intercepts", std::move(intercepts));
  return test;
}

OpTest classifier(const std::string& transform, std::vector<float> coefficients, std::vector<float> intercepts,
                  std::vector<int64_t> labels) {
  OpTest test = linear("LinearClassifier", std::move(coefficients), std::move(intercepts));
  test.attribute("post_transform", transform)
      .attribute("classlabels_ints", std::move(labels))
      .input<float>({2, 2}, {1, 2, -1, .5F});
  return test;
}

TEST(LinearRegressor, Targets) {
  linear("LinearRegressor", {.2F, .3F}, {.1F})
      .input<float>({2, 2}, {1, 2, -1, .5F})
      .output<float>({2, 1}, {.9F, .05F})
      .run();
  linear("LinearRegressor", {.2F, .3F, .1F, .2F}, {.1F, .1F})
      .attribute("targets", int64_t{2})
      .input<double>({2, 2}, {1, 2, -1, .5})
      .output<float>({2, 2}, {.9F, .6F, .05F, .1F})
      .run();
  linear("LinearRegressor", {2, 3}, {}).input<int64_t>({2}, {1, 2}).output<float>({1, 1}, {8}).run();
  linear("LinearRegressor", {2, 3}, {}).input<int32_t>({0, 2}, {}).output<float>({0, 1}, {}).run();
}

TEST(LinearRegressor, Transforms) {
  // One target is transformed by PROBIT alone.
  linear("LinearRegressor", {.2F, .3F}, {.1F})
      .attribute("post_transform", std::string("LOGISTIC"))
      .input<float>({1, 2}, {1, 2})
      .output<float>({1, 1}, {.9F})
      .run();
  linear("LinearRegressor", {.2F, .3F}, {.1F})
      .attribute("post_transform", std::string("PROBIT"))
      .input<float>({1, 2}, {1, 2})
      .output<float>({1, 1}, {1.28170F})
      .tolerance(1e-4, 0)
      .run();
  linear("LinearRegressor", {.2F, .3F, .1F, .2F}, {.1F, .1F})
      .attribute("targets", int64_t{2})
      .attribute("post_transform", std::string("SOFTMAX"))
      .input<float>({1, 2}, {1, 2})
      .output<float>({1, 2}, {.574443F, .425557F})
      .run();
}

TEST(LinearClassifier, OneScore) {
  const std::vector<float> coefficients{.2F, .3F};
  classifier("NONE", coefficients, {-.1F}, {5, 6})
      .output<int64_t>({2}, {6, 5})
      .output<float>({2, 2}, {.3F, .7F, 1.15F, -.15F})
      .run();
  classifier("LOGISTIC", coefficients, {-.1F}, {5, 6})
      .output<int64_t>({2}, {6, 5})
      .output<float>({2, 2}, {.331812F, .668188F, .537430F, .462570F})
      .run();
}

TEST(LinearClassifier, AScoreForEachClass) {
  const std::vector<float> coefficients{.2F, .3F, .1F, -.2F, .3F, 0};
  classifier("NONE", coefficients, {-.1F, .2F, 0}, {5, 6, 7})
      .output<int64_t>({2}, {5, 6})
      .output<float>({2, 3}, {.7F, -.1F, .3F, -.15F, 0, -.3F})
      .run();
  classifier("SOFTMAX", coefficients, {-.1F, .2F, 0}, {5, 6, 7})
      .output<int64_t>({2}, {5, 6})
      .output<float>({2, 3}, {.471776F, .211983F, .316241F, .330847F, .384389F, .284763F})
      .run();
  linear("LinearClassifier", {1, 0, 0, 1}, {0, 0})
      .attribute("classlabels_strings", std::vector<std::string>{"left", "right"})
      .input<int64_t>({1, 2}, {1, 2})
      .output<std::string>({1}, {"right"})
      .output<float>({1, 2}, {1, 2})
      .run();
}

TEST(LinearModels, Reject) {
  linear("LinearRegressor", {1, 2, 3}, {})
      .attribute("targets", int64_t{2})
      .input<float>({1, 1}, {0})
      .fails("3 coefficients");
  linear("LinearRegressor", {}, {}).input<float>({1, 1}, {0}).fails("0 coefficients");
  linear("LinearRegressor", {1, 2}, {1, 2}).input<float>({1, 2}, {0, 0}).fails("2 intercepts");
  linear("LinearRegressor", {1, 2}, {}).input<float>({1, 3}, {0, 0, 0}).fails("X has 3 features, the coefficients 2");
  linear("LinearRegressor", {3, 2, 9}, {}).input<float>({1, 2}, {10, 1}).output<float>({1, 1}, {32}).run();
  classifier("NONE", {1, 2}, {1}, {1, 2, 3}).fails("1 intercepts for 3 classes", 2);
  classifier("NONE", {1, 2}, {1}, {}).fails("must have labels", 2);
  classifier("ODDS", {1, 2}, {1}, {1, 2}).fails("post_transform 'ODDS'", 2);
}

}  // namespace
}  // namespace attune
