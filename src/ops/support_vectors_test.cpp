#include "ops/op_test.h"

namespace attune {
namespace {

// Expected values are onnxruntime 1.32's.

const std::vector<float> kVectors{1, 0, 0, 1, .5F, .5F};

OpTest machine(std::string_view name, const std::string& kernel, std::vector<float> coefficients,
               std::vector<float> rho, std::vector<float> params = {.5F, 0, 3}) {
  OpTest test(name, 1, "ai.onnx.ml");
  test.attribute("kernel_type", kernel)
      .attribute("kernel_params", std::move(params))
      .attribute("coefficients", std::move(coefficients))
      .attribute("support_vectors", kVectors)
      .attribute("rho", std::move(rho))
      .input<float>({2, 2}, {1, 2, -1, .5F})
      .tolerance(2e-4, 0);
  return test;
}

OpTest regressor(const std::string& kernel) {
  OpTest test = machine("SVMRegressor", kernel, {.2F, .3F, -.4F}, {.1F});
  test.attribute("n_supports", int64_t{3});
  return test;
}

OpTest pair(const std::string& kernel, const std::string& transform = "NONE") {
  OpTest test = machine("SVMClassifier", kernel, {.2F, .3F, -.4F}, {.1F}, {.5F, .1F, 3});
  test.attribute("vectors_per_class", std::vector<int64_t>{2, 1})
      .attribute("classlabels_ints", std::vector<int64_t>{5, 6})
      .attribute("post_transform", transform);
  return test;
}

OpTest three() {
  OpTest test = machine("SVMClassifier", "RBF", {.2F, .3F, -.4F, .1F, -.2F, .5F}, {.1F, .2F, -.1F});
  test.attribute("vectors_per_class", std::vector<int64_t>{1, 1, 1});
  return test;
}

TEST(SvmRegressor, KernelsAndClasses) {
  regressor("RBF").output<float>({2, 1}, {.1228F, .1546F}).run();
  regressor("RBF").attribute("one_class", int64_t{1}).output<float>({2, 1}, {1, 1}).run();
  OpTest("SVMRegressor", 1, "ai.onnx.ml")
      .attribute("coefficients", std::vector<float>{2, 3})
      .attribute("rho", std::vector<float>{.5F})
      .input<int64_t>({2, 2}, {1, 2, 0, 0})
      .output<float>({2, 1}, {8.5F, .5F})
      .run();
}

TEST(SvmClassifier, TwoClasses) {
  pair("LINEAR").output<int64_t>({2}, {5, 5}).output<float>({2, 2}, {-.3F, .3F, -.15F, .15F}).run();
  pair("POLY").output<int64_t>({2}, {5, 5}).output<float>({2, 2}, {-.2969F, .2969F, -.1001F, .1001F}).run();
  pair("RBF").output<int64_t>({2}, {5, 5}).output<float>({2, 2}, {-.1228F, .1228F, -.1546F, .1546F}).run();
  pair("SIGMOID").output<int64_t>({2}, {5, 5}).output<float>({2, 2}, {-.1711F, .1711F, -.1349F, .1349F}).run();
  pair("LINEAR", "LOGISTIC").output<int64_t>({2}, {5, 5}).output<float>({2, 2}, {.4256F, .5744F, .4626F, .5374F}).run();
  pair("LINEAR", "SOFTMAX").output<int64_t>({2}, {5, 5}).output<float>({2, 2}, {.7F, .3F, .85F, .15F}).run();
}

TEST(SvmClassifier, Probabilities) {
  OpTest two = machine("SVMClassifier", "RBF", {.2F, .3F, -.4F}, {.1F});
  two.attribute("vectors_per_class", std::vector<int64_t>{2, 1})
      .attribute("prob_a", std::vector<float>{-1})
      .attribute("prob_b", std::vector<float>{.1F})
      .attribute("classlabels_strings", std::vector<std::string>{"a", "b"})
      .output<std::string>({2}, {"a", "a"})
      .output<float>({2, 2}, {.5057F, .4943F, .5136F, .4864F})
      .run();
  three()
      .attribute("classlabels_ints", std::vector<int64_t>{5, 6, 7})
      .attribute("prob_a", std::vector<float>{-1, -2, -1.5F})
      .attribute("prob_b", std::vector<float>{.1F, 0, .2F})
      .output<int64_t>({2}, {5, 5})
      .output<float>({2, 3}, {.3720F, .2937F, .3343F, .3731F, .2866F, .3403F})
      .run();
}

TEST(SvmClassifier, ThreeClasses) {
  three()
      .attribute("classlabels_ints", std::vector<int64_t>{5, 6, 7})
      .output<int64_t>({2}, {5, 5})
      .output<float>({2, 3}, {.2374F, .0989F, -.0303F, .2845F, .0821F, -.0447F})
      .run();
  OpTest("SVMClassifier", 1, "ai.onnx.ml")
      .attribute("coefficients", std::vector<float>{1, 0, 0, 1, 1, 1})
      .attribute("rho", std::vector<float>{.5F})
      .attribute("classlabels_ints", std::vector<int64_t>{5, 6, 7})
      .input<float>({2, 2}, {1, -2, 1, 2})
      .output<int64_t>({2}, {5, 7})
      .output<float>({2, 3}, {1.5F, -1.5F, -.5F, 1.5F, 2.5F, 3.5F})
      .run();
}

TEST(SvmModels, Reject) {
  regressor("COSINE").fails("kernel_type 'COSINE'");
  regressor("RBF").attribute("rho", std::vector<float>{}).fails("rho has 0 values");
  regressor("RBF").attribute("coefficients", std::vector<float>{1}).fails("coefficients has 1 values, not 3");
  regressor("RBF").attribute("kernel_params", std::vector<float>{1}).fails("kernel_params has 1 values");
  regressor("RBF").attribute("n_supports", int64_t{4}).fails("4 vectors of 6 values");
  pair("RBF").attribute("vectors_per_class", std::vector<int64_t>{3}).fails("vectors_per_class has 1 values, not 2", 2);
  pair("RBF").attribute("vectors_per_class", std::vector<int64_t>{4, -1}).fails("-1 support vectors", 2);
  pair("RBF").attribute("prob_a", std::vector<float>{1}).fails("prob_b has 0 values, not 1", 2);
  pair("RBF").attribute("classlabels_ints", std::vector<int64_t>{1}).fails("1 classes", 2);
}

}  // namespace
}  // namespace attune
