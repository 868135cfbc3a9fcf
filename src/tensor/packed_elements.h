// Elements of 2 and 4 bits, several of which share a byte in files. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "attune/tensor.h"

namespace attune {

/// Elements that share a byte in a file, the first in the lowest bits; 1 for types of whole bytes.
size_t elements_per_byte(DataType type);

/// Gives each of `count` elements a byte, signed ones with their sign extended.
void unpack_elements(DataType type, const std::byte* packed, size_t count, uint8_t* elements);

/// The way back. `packed` has room for count / elements_per_byte bytes, rounded up; unused bits become 0.
void pack_elements(DataType type, const uint8_t* elements, size_t count, std::byte* packed);

}  // namespace attune
