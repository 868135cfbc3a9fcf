// The two 16-bit floating-point types as they lie in memory, and their conversions to and from float.
#pragma once

#include <bit>
#include <cstdint>

namespace attune {

/// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa.
struct Float16 {
  uint16_t bits = 0;
};

/// The upper half of a float: 8 bits of exponent, 7 of mantissa.
struct Bfloat16 {
  uint16_t bits = 0;
};

inline float to_float(Float16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000U) << 16;
  const uint32_t exponent = x.bits >> 10 & 0x1FU;
  const uint32_t mantissa = x.bits & 0x3FFU;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;  // denormal or zero: exact
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

inline float to_float(Bfloat16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

/// To the nearest, halves to even; beyond the range infinity; NaN stays a quiet NaN.
inline Float16 to_float16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
  const uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return {static_cast<uint16_t>(sign | 0x7E00U | (magnitude >> 13 & 0x3FFU))};
  if (magnitude >= 0x477FF000U) return {static_cast<uint16_t>(sign | 0x7C00U)};  // 65520 rounds up past 65504
  if (magnitude < 0x38800000U) {
    // Below 2^-14 the result is denormal: adding 0.5 leaves its 10 bits, rounded, at the bottom of the sum's mantissa.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - 0x3F000000U))};
  }
  const uint32_t even = magnitude >> 13 & 1U;
  return {static_cast<uint16_t>(sign | (magnitude - 0x38000000U + 0xFFFU + even) >> 13)};
}

/// To the nearest, halves to even; every NaN gives 0x7FC1, as in onnxruntime.
inline Bfloat16 to_bfloat16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return {0x7FC1U};
  return {static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16)};
}

}  // namespace attune
