#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Constant, GivesItsAttribute) {
  OpTest("Constant").attribute("value", Tensor::scalar(2.5)).output<double>({}, {2.5}).run();
  OpTest("Constant").attribute("value_int", int64_t{-7}).output<int64_t>({}, {-7}).run();
  OpTest("Constant").attribute("value_ints", std::vector<int64_t>{1, 2}).output<int64_t>({2}, {1, 2}).run();
  OpTest("Constant").attribute("value_float", 1.5F).output<float>({}, {1.5F}).run();
  OpTest("Constant").attribute("value_floats", std::vector<float>{1, 2}).output<float>({2}, {1, 2}).run();
  OpTest("Constant").attribute("value_string", std::string("a")).output<std::string>({}, {"a"}).run();
  OpTest("Constant")
      .attribute("value_strings", std::vector<std::string>{"a", "b"})
      .output<std::string>({2}, {"a", "b"})
      .run();
}

TEST(Constant, RefusesSparseAndNothing) {
  OpTest("Constant").attribute("sparse_value", Tensor::scalar(1.0F)).fails("none of the attributes");
  OpTest("Constant").fails("none of the attributes");
}

TEST(ConstantOfShape, Fills) {
  OpTest("ConstantOfShape").input<int64_t>({2}, {2, 3}).output<float>({2, 3}, {0, 0, 0, 0, 0, 0}).run();
  OpTest("ConstantOfShape")
      .attribute("value", Tensor::from_values<int32_t>(Shape{1}, {4}))
      .input<int64_t>({1}, {3})
      .output<int32_t>({3}, {4, 4, 4})
      .run();
  OpTest("ConstantOfShape").input<int64_t>({0}, {}).output<float>({}, {0}).run();
  OpTest("ConstantOfShape").input<int64_t>({2}, {0, 3}).output<float>({0, 3}, {}).run();
}

TEST(ConstantOfShape, RefusesWrongShapes) {
  OpTest("ConstantOfShape").input<int64_t>({2}, {-1, 3}).fails("invalid shape {-1,3}");
  OpTest("ConstantOfShape")
      .attribute("value", Tensor::from_values<float>(Shape{2}, {4, 5}))
      .input<int64_t>({1}, {3})
      .fails("exactly one element");
}

}  // namespace
}  // namespace attune
