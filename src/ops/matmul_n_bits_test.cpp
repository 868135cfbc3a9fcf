#include "ops/op_test.h"

namespace attune {
namespace {

OpTest product(int64_t bits, int64_t k, int64_t n) {
  OpTest test("MatMulNBits", 1, "com.microsoft");
  test.attribute("K", k).attribute("N", n).attribute("bits", bits).attribute("block_size", int64_t{16});
  return test;
}

/// 16 integers of 4 bits a block: 1 and 2 alternating.
const std::vector<uint8_t> kFourBits(16, 0x21);

TEST(MatMulNBits, FourBits) {
  // Without zero points 8 is zero: -7 and -6.
  product(4, 18, 1)
      .input<float>({1, 18}, std::vector<float>(18, 1))
      .input<uint8_t>({1, 2, 8}, kFourBits)
      .input<float>({2}, {1, 10})
      .output<float>({1, 1}, {-104 - 130})
      .run();
  // The second block's zero point is in the high bits.
  product(4, 18, 1)
      .input<float>({1, 18}, std::vector<float>(18, 1))
      .input<uint8_t>({1, 2, 8}, kFourBits)
      .input<float>({1, 2}, {1, 10})
      .input<uint8_t>({1}, {0x10})
      .output<float>({1, 1}, {24 + 10})
      .run();
  product(4, 18, 1)
      .input<float>({2, 1, 18}, std::vector<float>(36, 2))
      .input<uint8_t>({1, 2, 8}, kFourBits)
      .input<float>({2}, {1, 10})
      .input<float>({2}, {.5F, 1})
      .no_input()
      .input<float>({1}, {100})
      .output<float>({2, 1, 1}, {152, 152})
      .run();
}

TEST(MatMulNBits, EightBits) {
  std::vector<uint8_t> weights(32, 130);
  weights[16] = 0;
  product(8, 16, 2)
      .input<float>({1, 16}, std::vector<float>(16, 1))
      .input<uint8_t>({2, 1, 16}, weights)
      .input<float>({2}, {1, .5F})
      .output<float>({1, 2}, {32, -49})
      .run();
  product(8, 16, 2)
      .input<float>({0, 16}, {})
      .input<uint8_t>({2, 1, 16}, weights)
      .input<float>({2}, {1, .5F})
      .output<float>({0, 2}, {})
      .run();
}

TEST(MatMulNBits, Rejects) {
  const auto with_sizes = [](OpTest test, int64_t columns) {
    test.input<float>({1, columns}, std::vector<float>(static_cast<size_t>(columns), 1))
        .input<uint8_t>({1, 2, 8}, kFourBits)
        .input<float>({2}, {1, 1});
    return test;
  };
  with_sizes(product(4, 18, 1), 17).fails("Columns of A and K");
  with_sizes(product(4, 40, 1), 40).fails("does not have 24 elements");
  with_sizes(product(2, 18, 1), 18).fails("Weights of 2 bits");
  with_sizes(product(4, 0, 1), 0).fails("Weights of 0 x 1");
  with_sizes(product(4, 18, 1).attribute("block_size", int64_t{24}), 18).fails("block_size is 24");
  with_sizes(product(4, 18, 1), 18).input<uint8_t>({3}, {1, 1, 1}).fails("does not have 1 elements");
  with_sizes(product(4, 18, 1), 18).no_input().input<int32_t>({18}, std::vector<int32_t>(18, 0)).fails("g_idx");
}

}  // namespace
}  // namespace attune
