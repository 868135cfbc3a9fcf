#include "tensor/packed_elements.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace attune {
namespace {

TEST(PackedElements, FourBits) {
  const std::array packed{std::byte{0x8F}, std::byte{0x07}};
  std::vector<uint8_t> elements(3);
  unpack_elements(DataType::kInt4, packed.data(), 3, elements.data());
  EXPECT_EQ(elements, (std::vector<uint8_t>{0xFF, 0xF8, 7}));
  std::array<std::byte, 2> back{};
  pack_elements(DataType::kInt4, elements.data(), 3, back.data());
  EXPECT_EQ(back, packed);
  unpack_elements(DataType::kUint4, packed.data(), 3, elements.data());
  EXPECT_EQ(elements, (std::vector<uint8_t>{15, 8, 7}));
}

TEST(PackedElements, TwoBits) {
  const std::array packed{std::byte{0b11100100}, std::byte{0b10}};
  std::vector<uint8_t> elements(5);
  unpack_elements(DataType::kUint2, packed.data(), 5, elements.data());
  EXPECT_EQ(elements, (std::vector<uint8_t>{0, 1, 2, 3, 2}));
  unpack_elements(DataType::kInt2, packed.data(), 5, elements.data());
  EXPECT_EQ(elements, (std::vector<uint8_t>{0, 1, 0xFE, 0xFF, 0xFE}));
  std::array<std::byte, 2> back{};
  pack_elements(DataType::kInt2, elements.data(), 5, back.data());
  EXPECT_EQ(back, packed);
}

TEST(PackedElements, WholeBytes) {
  EXPECT_EQ(elements_per_byte(DataType::kInt8), 1U);
  EXPECT_EQ(elements_per_byte(DataType::kFloat8E4M3FN), 1U);
}

}  // namespace
}  // namespace attune
