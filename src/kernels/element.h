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

struct Bytes16 {
  uint64_t halves[2];
};

/// Calls function(T{}) with the type that stands for the element: an unsigned integer, Bytes16 or std::string.
template <class Function>
void with_element_type(Element element, Function&& function) {
  switch (element) {
    case Element::k1Byte:
      return function(uint8_t{});
    case Element::k2Bytes:
      return function(uint16_t{});
    case Element::k4Bytes:
      return function(uint32_t{});
    case Element::k8Bytes:
      return function(uint64_t{});
    case Element::k16Bytes:
      return function(Bytes16{});
    case Element::kString:
      return function(std::string());
  }
}

}  // namespace attune::kernels
