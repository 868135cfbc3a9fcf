#include "ops/op_test.h"

namespace attune {
namespace {

OpTest feature(std::string_view name) { return OpTest(name, 1, "ai.onnx.ml"); }

TEST(MlFeatures, ArrayFeatureExtractor) {
  feature("ArrayFeatureExtractor")
      .input<float>({2, 2}, {1, 2, 3, 4})
      .input<int64_t>({1}, {1})
      .output<float>({2, 1}, {2, 4})
      .run();
  feature("ArrayFeatureExtractor").input<float>({1, 2}, {1, 2}).input<int64_t>({1}, {2}).fails("feature 2 of 2");
}

TEST(MlFeatures, BinarizerAndScaler) {
  feature("Binarizer").attribute("threshold", 1.0F).input<float>({2}, {1, 2}).output<float>({2}, {0, 1}).run();
  feature("Scaler")
      .attribute("offset", std::vector<float>{1, 2})
      .attribute("scale", std::vector<float>{10})
      .input<int64_t>({1, 2}, {2, 2})
      .output<float>({1, 2}, {10, 0})
      .run();
  feature("Scaler")
      .attribute("scale", std::vector<float>{1, 2, 3})
      .input<float>({1, 2}, {1, 2})
      .fails("scale has 3 values");
}

TEST(MlFeatures, ImputerAndNormalizer) {
  feature("Imputer")
      .attribute("imputed_value_floats", std::vector<float>{7, 8})
      .attribute("replaced_value_float", std::numeric_limits<float>::quiet_NaN())
      .input<float>({1, 2}, {1, std::numeric_limits<float>::quiet_NaN()})
      .output<float>({1, 2}, {1, 8})
      .run();
  feature("Normalizer")
      .attribute("norm", std::string("L2"))
      .input<float>({1, 2}, {3, 4})
      .output<float>({1, 2}, {.6F, .8F})
      .run();
  feature("Normalizer").attribute("norm", std::string("L3")).input<float>({1}, {3}).fails("unknown norm");
}

TEST(MlFeatures, OneHotAndVectors) {
  feature("OneHotEncoder")
      .attribute("cats_strings", std::vector<std::string>{"a", "b"})
      .input<std::string>({2}, {"b", "c"})
      .output<float>({2, 2}, {0, 1, 0, 0})
      .run();
  feature("OneHotEncoder")
      .attribute("cats_int64s", std::vector<int64_t>{1})
      .attribute("zeros", int64_t{0})
      .input<int64_t>({1}, {2})
      .fails("unknown category");
  feature("FeatureVectorizer")
      .input<float>({2, 1}, {1, 2})
      .input<int64_t>({2, 1}, {3, 4})
      .output<float>({2, 2}, {1, 3, 2, 4})
      .run();
}

}  // namespace
}  // namespace attune
