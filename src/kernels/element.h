// Elements as the kernels that only move them see them: a number of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace attune::kernels {

enum class Element : uint8_t { k1Byte, k2Bytes, k4Bytes, k8Bytes, k16Bytes, kString };

constexpr size_t element_bytes(Element element) {
  return element == Element::kString ? sizeof(std::string) : size_t{1} << static_cast<unsigned>(element);
}

}  // namespace attune::kernels
