#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Logic, Bools) {
  const std::vector<bool> a{false, false, true, true};
  const std::vector<bool> b{false, true, false, true};
  OpTest("And").input<bool>({4}, a).input<bool>({4}, b).output<bool>({4}, {false, false, false, true}).run();
  OpTest("Or").input<bool>({4}, a).input<bool>({4}, b).output<bool>({4}, {false, true, true, true}).run();
  OpTest("Xor", 7).input<bool>({4}, a).input<bool>({4}, b).output<bool>({4}, {false, true, true, false}).run();
  OpTest("And").input<bool>({2, 1}, {true, false}).input<bool>({}, {true}).output<bool>({2, 1}, {true, false}).run();
  OpTest("And").input<int32_t>({1}, {1}).input<int32_t>({1}, {1}).fails("is invalid");
}

TEST(Logic, Bitwise) {
  OpTest("BitwiseAnd", 18).input<int32_t>({2}, {7, 12}).input<int32_t>({1}, {10}).output<int32_t>({2}, {2, 8}).run();
  OpTest("BitwiseOr", 18).input<uint8_t>({2}, {1, 2}).input<uint8_t>({2}, {4, 2}).output<uint8_t>({2}, {5, 2}).run();
  OpTest("BitwiseXor", 18).input<int64_t>({}, {-1}).input<int64_t>({2}, {1, 2}).output<int64_t>({2}, {-2, -3}).run();
  OpTest("BitwiseOr", 18).input<float>({1}, {1}).input<float>({1}, {1}).fails("is invalid");
}

TEST(Logic, BitShift) {
  OpTest("BitShift")
      .attribute("direction", std::string("LEFT"))
      .input<uint8_t>({4}, {1, 255, 3, 1})
      .input<uint8_t>({4}, {9, 4, 8, 0})
      .output<uint8_t>({4}, {0, 240, 0, 1})
      .run();
  OpTest("BitShift")
      .attribute("direction", std::string("RIGHT"))
      .input<uint64_t>({3}, {16, ~uint64_t{0}, 1})
      .input<uint64_t>({3}, {4, 63, 64})
      .output<uint64_t>({3}, {1, 1, 0})
      .run();
  OpTest("BitShift").input<uint8_t>({1}, {1}).input<uint8_t>({1}, {1}).fails("Invalid direction value");
  OpTest("BitShift")
      .attribute("direction", std::string("LEFT"))
      .input<int32_t>({4}, {-1, 3, 1, 1})
      .input<int32_t>({4}, {31, 1, 32, -1})
      .output<int32_t>({4}, {std::numeric_limits<int32_t>::min(), 6, 0, 0})
      .run();
  OpTest("BitShift", 28)
      .attribute("direction", std::string("RIGHT"))
      .input<int8_t>({4}, {-128, -1, -1, 127})
      .input<int8_t>({4}, {1, 7, 100, 8})
      .output<int8_t>({4}, {-64, -1, -1, 0})
      .run();
  OpTest("BitShift")
      .attribute("direction", std::string("LEFT"))
      .input<float>({1}, {1})
      .input<float>({1}, {1})
      .fails("is invalid");
}

}  // namespace
}  // namespace attune
