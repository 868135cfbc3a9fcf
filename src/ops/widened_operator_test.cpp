#include "ops/op_test.h"
#include "tensor/float16.h"

namespace attune {
namespace {

Tensor halves(const Shape& shape, const std::vector<float>& values) {
  Tensor tensor = Tensor::allocate(DataType::kFloat16, shape);
  auto* bits = static_cast<uint16_t*>(tensor.raw());
  for (const float value : values) *bits++ = to_float16(value).bits;
  return tensor;
}

Tensor bfloats(const Shape& shape, const std::vector<float>& values) {
  Tensor tensor = Tensor::allocate(DataType::kBfloat16, shape);
  auto* bits = static_cast<uint16_t*>(tensor.raw());
  for (const float value : values) *bits++ = to_bfloat16(value).bits;
  return tensor;
}

TEST(WidenedOperator, ElementWise) {
  OpTest("Add", 14).input(halves({2}, {1, 2})).input(halves({1}, {0.5F})).output(halves({2}, {1.5F, 2.5F})).run();
  OpTest("Exp", 13).input(bfloats({2}, {0, 1})).output(bfloats({2}, {1, 2.71828F})).run();
  OpTest("Greater", 13).input(halves({2}, {1, 3})).input(halves({}, {2})).output<bool>({2}, {false, true}).run();
  OpTest("Add", 14).input(halves({0}, {})).input(halves({1}, {1})).output(halves({0}, {})).run();
}

TEST(WidenedOperator, WeightsArePackedOrKept) {
  OpTest("MatMul", 13).input(halves({1, 2}, {1, 2})).input(halves({2, 1}, {3, 4})).output(halves({1, 1}, {11})).run();
  OpTest("Conv", 22)
      .input(bfloats({1, 1, 1, 2}, {1, 2}))
      .input(bfloats({1, 1, 1, 1}, {3}))
      .input(bfloats({1}, {1}))
      .output(bfloats({1, 1, 1, 2}, {4, 7}))
      .run();
}

TEST(WidenedOperator, OtherTypesStay) {
  OpTest("ArgMax", 13).attribute("keepdims", int64_t{0}).input(halves({2}, {1, 3})).output<int64_t>({}, {1}).run();
  OpTest("Range", 11)
      .input(halves({}, {0}))
      .input(halves({}, {1}))
      .input(halves({}, {0.5F}))
      .output(halves({2}, {0, 0.5F}))
      .run();
}

TEST(WidenedOperator, TypesMustAgree) {
  OpTest("Add", 14).input(halves({1}, {1})).input<float>({1}, {1}).fails("bound to different types");
}

}  // namespace
}  // namespace attune
