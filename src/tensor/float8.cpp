#include "tensor/float8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace attune {
namespace {

struct Format {
  int bits;           ///< with the sign
  int mantissa;       ///< bits of it
  int bias;           ///< of the exponent
  unsigned largest;   ///< magnitude of the largest finite value
  unsigned nan;       ///< a NaN, sign included; 0 when there is none
  bool has_infinity;  ///< at largest + 1
  bool is_unsigned_zero;
};

constexpr Format format_of(DataType type) {
  switch (type) {
    case DataType::kFloat8E4M3FN:
      return {8, 3, 7, 0x7E, 0x7F, false, false};
    case DataType::kFloat8E4M3FNUZ:
      return {8, 3, 8, 0x7F, 0x80, false, true};
    case DataType::kFloat8E5M2:
      return {8, 2, 15, 0x7B, 0x7E, true, false};
    case DataType::kFloat8E5M2FNUZ:
      return {8, 2, 16, 0x7F, 0x80, false, true};
    default:
      return {4, 1, 1, 0x7, 0, false, false};  // float4e2m1
  }
}

uint8_t to_scale(float value, bool saturate, ScaleRounding rounding) {
  const auto bits = std::bit_cast<uint32_t>(value);
  uint32_t exponent = bits >> 23 & 0xFFU;
  if (exponent == 0xFF) return 0xFF;
  const uint32_t fraction = bits & 0x7FFFFFU;
  bool up = rounding == ScaleRounding::kUp && fraction != 0;
  // The half itself goes up, but for denormals, whose exponent counts as even.
  if (rounding == ScaleRounding::kNearest) up = fraction > 0x400000U || (fraction == 0x400000U && exponent > 0);
  if (up && !(saturate && exponent == 0xFE)) ++exponent;
  return static_cast<uint8_t>(exponent);
}

}  // namespace

float small_float_to_float(DataType type, uint8_t bits) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (type == DataType::kFloat8E8M0) return bits == 0xFF ? kNan : std::ldexp(1.0F, bits - 127);
  const Format format = format_of(type);
  const unsigned sign = bits >> (format.bits - 1) & 1U;
  const unsigned magnitude = bits & ((1U << (format.bits - 1)) - 1U);
  if (format.is_unsigned_zero && bits == format.nan) return kNan;
  if (magnitude > format.largest) {
    if (!format.has_infinity || magnitude > format.largest + 1) return sign != 0 ? -kNan : kNan;
    return sign != 0 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  }
  const int exponent = static_cast<int>(magnitude) >> format.mantissa;
  const int fraction = static_cast<int>(magnitude) & ((1 << format.mantissa) - 1);
  const int whole = exponent == 0 ? fraction : fraction + (1 << format.mantissa);
  const float value = std::ldexp(static_cast<float>(whole), std::max(exponent, 1) - format.bias - format.mantissa);
  return sign != 0 ? -value : value;
}

uint8_t float_to_small_float(DataType type, float value, bool saturate, ScaleRounding rounding) {
  if (type == DataType::kFloat8E8M0) return to_scale(value, saturate, rounding);
  const Format format = format_of(type);
  const unsigned sign_bit = std::signbit(value) ? 1U << (format.bits - 1) : 0U;
  const bool saturates = saturate || format.nan == 0;
  if (std::isnan(value)) {
    if (format.nan == 0) return static_cast<uint8_t>(sign_bit ^ (1U << (format.bits - 1)));  // ml_dtypes's answer
    return static_cast<uint8_t>(format.nan | sign_bit);
  }
  unsigned magnitude = value == 0.0F ? 0 : format.largest + 1;
  if (const float absolute = std::fabs(value); absolute > 0.0F && absolute < 0x1p20F) {
    int exponent = 0;
    std::frexp(absolute, &exponent);
    exponent = std::max(exponent - 1, 1 - format.bias);
    const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(absolute, format.mantissa - exponent)));
    magnitude = (static_cast<unsigned>(exponent + format.bias - 1) << format.mantissa) + units;
  }
  if (magnitude > format.largest) {
    if (saturates) {
      magnitude = format.largest;
    } else {
      magnitude = format.has_infinity ? format.largest + 1 : format.nan;
    }
  }
  if (magnitude == 0 && format.is_unsigned_zero) return 0;
  return static_cast<uint8_t>(magnitude | sign_bit);
}

}  // namespace attune
