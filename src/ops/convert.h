// Conversions of one element between numeric types, defined for every value: what Cast and Pow compute with.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

namespace attune::ops {

/// Rounds toward zero. Where the result does not fit C++ leaves it undefined; here it is what x86 gives, and so what
/// onnxruntime's loops give: int32 and int64 their minimum (also for NaN), narrower types the low bits of the int32,
/// unsigned 32 and 64 bits the upper half by subtracting 2^31 or 2^63 first.
template <class To, class From>
constexpr To floating_to_integer(From x) {
  static_assert(std::is_floating_point_v<From> && std::is_integral_v<To>);
  if constexpr (std::is_same_v<To, bool>) {
    return x != From{0};
  } else if constexpr (std::is_signed_v<To> && sizeof(To) >= 4) {
    constexpr To kLowest = std::numeric_limits<To>::min();
    constexpr From kLimit = -static_cast<From>(kLowest);
    // A double between -2^31 - 1 and -2^31 rounds to -2^31, which is the answer for those below as well.
    return x >= -kLimit && x < kLimit ? static_cast<To>(x) : kLowest;
  } else if constexpr (sizeof(To) < 4) {
    return static_cast<To>(floating_to_integer<int32_t>(x));
  } else {
    using Signed = std::make_signed_t<To>;
    constexpr To kTopBit = To{1} << (sizeof(To) * 8 - 1);
    constexpr From kHalf = static_cast<From>(kTopBit);
    if (x >= kHalf) return static_cast<To>(floating_to_integer<Signed>(x - kHalf)) ^ kTopBit;
    return static_cast<To>(floating_to_integer<Signed>(x));
  }
}

/// Any numeric type (bool included) to any other; integers keep their low bits.
template <class To, class From>
constexpr To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From{0};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return floating_to_integer<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace attune::ops
