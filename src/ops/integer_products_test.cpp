#include "ops/op_test.h"

namespace attune {
namespace {

TEST(MatMulInteger, ZeroPoints) {
  OpTest("MatMulInteger", 10)
      .input<uint8_t>({4, 3}, {11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0})
      .input<uint8_t>({3, 2}, {1, 4, 2, 5, 3, 6})
      .input<uint8_t>({1}, {12})
      .input<uint8_t>({1}, {0})
      .output<int32_t>({4, 2}, {-38, -83, -44, -98, -50, -113, -56, -128})
      .run();
  OpTest("MatMulInteger", 10)
      .input<int8_t>({2, 2}, {1, 2, 3, 4})
      .input<int8_t>({2, 2}, {1, 1, 1, 1})
      .input<int8_t>({2}, {0, 1})
      .input<int8_t>({2}, {0, 1})
      .output<int32_t>({2, 2}, {3, 0, 5, 0})
      .run();
  OpTest("MatMulInteger", 10)
      .input<uint8_t>({2, 1, 1}, {2, 3})
      .input<int8_t>({1, 2}, {-1, 4})
      .output<int32_t>({2, 1, 2}, {-2, 8, -3, 12})
      .run();
  OpTest("MatMulInteger", 10).input<uint8_t>({1, 2}, {1, 2}).input<uint8_t>({3, 1}, {1, 2, 3}).fails("rows of B");
  OpTest("MatMulInteger", 10)
      .input<uint8_t>({1, 2}, {1, 2})
      .input<uint8_t>({2, 1}, {1, 2})
      .input<uint8_t>({3}, {1, 2, 3})
      .fails("zero point of A");
}

TEST(QLinearMatMul, RoundsAndSaturates) {
  OpTest("QLinearMatMul", 10)
      .input<uint8_t>({1, 2}, {3, 5})
      .input<float>({}, {0.5F})
      .input<uint8_t>({}, {1})
      .input<uint8_t>({2, 2}, {1, 200, 2, 200})
      .input<float>({}, {1})
      .input<uint8_t>({}, {0})
      .input<float>({}, {2})
      .input<uint8_t>({}, {10})
      .output<uint8_t>({1, 2}, {12, 255})  // 10 / 4 = 2.5 goes to the even 2
      .run();
}

TEST(ConvInteger, PadsCountAsZeroPoint) {
  OpTest("ConvInteger", 10)
      .input<uint8_t>({1, 1, 3, 3}, {2, 3, 4, 5, 6, 7, 8, 9, 10})
      .input<uint8_t>({1, 1, 2, 2}, {1, 1, 1, 1})
      .input<uint8_t>({}, {1})
      .output<int32_t>({1, 1, 2, 2}, {12, 16, 24, 28})
      .run();
  OpTest("ConvInteger", 10)
      .attribute("pads", std::vector<int64_t>{1, 1})
      .attribute("strides", std::vector<int64_t>{2})
      .input<uint8_t>({1, 2, 3}, {1, 2, 3, 4, 5, 6})
      .input<int8_t>({2, 1, 2}, {1, 1, 1, -1})
      .attribute("group", int64_t{2})
      .output<int32_t>({1, 2, 2}, {1, 5, -4, -1})
      .run();
  OpTest("ConvInteger", 10)
      .input<uint8_t>({1, 3, 3}, std::vector<uint8_t>(9))
      .input<uint8_t>({1, 2, 1}, {1, 1})
      .fails("groups");
}

TEST(QLinearConv, ScalesAChannelAndAddsTheBias) {
  OpTest("QLinearConv", 10)
      .input<uint8_t>({1, 1, 1, 2}, {1, 3})
      .input<float>({}, {0.5F})
      .input<uint8_t>({}, {1})
      .input<int8_t>({2, 1, 1, 1}, {4, -4})
      .input<float>({2}, {1, 0.5F})
      .input<int8_t>({2}, {0, 0})
      .input<float>({}, {1})
      .input<int8_t>({}, {1})
      .input<int32_t>({2}, {2, 400})
      .output<int8_t>({1, 2, 1, 2}, {2, 6, 101, 99})
      .run();
}

}  // namespace
}  // namespace attune
