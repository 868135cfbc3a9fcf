#include "tensor/packed_elements.h"

#include <algorithm>

namespace attune {

size_t elements_per_byte(DataType type) {
  switch (type) {
    case DataType::kInt4:
    case DataType::kUint4:
    case DataType::kFloat4E2M1:
      return 2;
    case DataType::kInt2:
    case DataType::kUint2:
      return 4;
    default:
      return 1;
  }
}

void unpack_elements(DataType type, const std::byte* packed, size_t count, uint8_t* elements) {
  const size_t each = elements_per_byte(type);
  const auto bits = static_cast<unsigned>(8 / each);
  const bool is_signed = type == DataType::kInt4 || type == DataType::kInt2;
  for (size_t i = 0; i < count; ++i) {
    const unsigned shift = static_cast<unsigned>(i % each) * bits;
    const auto top = static_cast<uint8_t>(static_cast<unsigned>(packed[i / each]) >> shift << (8 - bits));
    elements[i] = is_signed ? static_cast<uint8_t>(static_cast<int8_t>(top) >> (8 - bits))
                            : static_cast<uint8_t>(top >> (8 - bits));
  }
}

void pack_elements(DataType type, const uint8_t* elements, size_t count, std::byte* packed) {
  const size_t each = elements_per_byte(type);
  const auto bits = static_cast<unsigned>(8 / each);
  std::fill_n(packed, (count + each - 1) / each, std::byte{0});
  for (size_t i = 0; i < count; ++i) {
    const unsigned value = elements[i] & ((1U << bits) - 1U);
    packed[i / each] |= static_cast<std::byte>(value << (static_cast<unsigned>(i % each) * bits));
  }
}

}  // namespace attune
