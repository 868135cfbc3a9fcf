#include "ops/op_test.h"

namespace attune {
namespace {

TEST(LabelEncoder, KeysToValues) {
  OpTest("LabelEncoder", 2, "ai.onnx.ml")
      .attribute("keys_strings", std::vector<std::string>{"a", "b"})
      .attribute("values_int64s", std::vector<int64_t>{1, 2})
      .attribute("default_int64", int64_t{42})
      .input<std::string>({3}, {"b", "c", "a"})
      .output<int64_t>({3}, {2, 42, 1})
      .run();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  OpTest("LabelEncoder", 4, "ai.onnx.ml")
      .attribute("keys_floats", std::vector<float>{1, nan})
      .attribute("values_strings", std::vector<std::string>{"one", "none"})
      .input<float>({3}, {nan, 1, 2})
      .output<std::string>({3}, {"none", "one", "_Unused"})
      .run();
  OpTest("LabelEncoder", 1, "ai.onnx.ml")
      .attribute("classes_strings", std::vector<std::string>{"x", "y"})
      .input<int64_t>({2}, {1, 7})
      .output<std::string>({2}, {"y", "_Unused"})
      .run();
  OpTest("LabelEncoder", 2, "ai.onnx.ml")
      .attribute("keys_floats", std::vector<float>{1})
      .attribute("values_floats", std::vector<float>{1})
      .input<int64_t>({1}, {1})
      .fails("for keys of");
}

}  // namespace
}  // namespace attune
