#include "ops/op_test.h"

namespace attune {
namespace {

TEST(QuantizeLinear, ByTensorAxisAndBlocks) {
  OpTest("QuantizeLinear", 13)
      .input<float>({6}, {0, 2, 3, 1000, -254, -1000})
      .input<float>({}, {2})
      .input<uint8_t>({}, {128})
      .output<uint8_t>({6}, {128, 129, 130, 255, 1, 0})
      .run();
  OpTest("QuantizeLinear", 13)
      .attribute("axis", int64_t{0})
      .input<float>({2, 2}, {1, 2.5F, 10, -25})
      .input<float>({2}, {1, 10})
      .input<int8_t>({2}, {0, 1})
      .output<int8_t>({2, 2}, {1, 2, 2, -1})
      .run();
  OpTest("QuantizeLinear", 21)
      .attribute("axis", int64_t{1})
      .attribute("block_size", int64_t{2})
      .input<float>({1, 3}, {4, 6, 9})
      .input<float>({1, 2}, {2, 3})
      .output<uint8_t>({1, 3}, {2, 3, 3})
      .run();
  OpTest("QuantizeLinear", 13).input<float>({0}, {}).input<float>({}, {1}).output<uint8_t>({0}, {}).run();
}

TEST(QuantizeLinear, WhatDoesNotFitSaturates) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  OpTest("QuantizeLinear", 13)
      .input<float>({4}, {nan, infinity, -infinity, 1e30F})
      .input<float>({}, {1})
      .input<uint8_t>({}, {7})
      .output<uint8_t>({4}, {7, 255, 0, 255})
      .run();
}

TEST(QuantizeLinear, Errors) {
  OpTest("QuantizeLinear", 13).input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).input<float>({2}, {1, 1}).fails("does not fit");
  OpTest("QuantizeLinear", 21)
      .attribute("output_dtype", int64_t{3})
      .input<float>({1}, {1})
      .input<float>({}, {1})
      .input<uint8_t>({}, {1})
      .fails("the zero point");
  OpTest("QuantizeLinear", 13)
      .input<float>({2}, {1, 2})
      .input<float>({2}, {1, 1})
      .input<uint8_t>({1}, {1})
      .attribute("axis", int64_t{0})
      .fails("The scale has shape");
}

TEST(DequantizeLinear, IntegersAndBlocks) {
  OpTest("DequantizeLinear", 13)
      .input<uint8_t>({4}, {0, 3, 128, 255})
      .input<float>({}, {2})
      .input<uint8_t>({}, {128})
      .output<float>({4}, {-256, -250, 0, 254})
      .run();
  OpTest("DequantizeLinear", 13)
      .input<int32_t>({2}, {-3, 5})
      .input<float>({}, {0.5F})
      .output<float>({2}, {-1.5F, 2.5F})
      .run();
  OpTest("DequantizeLinear", 21)
      .attribute("axis", int64_t{0})
      .attribute("block_size", int64_t{2})
      .input<int8_t>({3, 2}, {1, 2, 3, 4, 5, 6})
      .input<float>({2, 2}, {1, 10, 100, 1000})
      .output<float>({3, 2}, {1, 20, 3, 40, 500, 6000})
      .run();
  OpTest("DequantizeLinear", 13)
      .input<int8_t>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .input<float>({2}, {1, 10})
      .output<float>({2, 2, 2}, {1, 2, 30, 40, 5, 6, 70, 80})
      .run();
}

TEST(DynamicQuantizeLinear, RangeIncludesZero) {
  OpTest("DynamicQuantizeLinear", 11)
      .input<float>({6}, {0, 2, -3, -2.5F, 1.34F, 0.5F})
      .output<uint8_t>({6}, {153, 255, 0, 26, 221, 179})
      .output<float>({}, {0.01960784F})
      .output<uint8_t>({}, {153})
      .run();
  OpTest("DynamicQuantizeLinear", 11)
      .input<float>({2}, {0, 0})
      .output<uint8_t>({2}, {0, 0})
      .output<float>({}, {1})
      .output<uint8_t>({}, {0})
      .run();
}

}  // namespace
}  // namespace attune
