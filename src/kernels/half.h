// Conversions between float and the two 16-bit floating-point types. Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "base/parallel.h"

namespace attune::kernels {

enum class Half : uint8_t {
  kFloat16,   ///< IEEE 754 binary16
  kBfloat16,  ///< the upper half of a float
};

/// y[i] = x[i] exactly, i < n. The ranges must not overlap; any alignment of two bytes.
void widen_halves(Half half, const uint16_t* x, float* y, int64_t n);

/// y[i] = x[i] to the nearest, halves to even; beyond the range infinity, NaN stays NaN.
void narrow_to_halves(Half half, const float* x, uint16_t* y, int64_t n);

/// The same on several threads.
void widen_halves(Half half, const uint16_t* x, float* y, int64_t n, Parallel& parallel);
void narrow_to_halves(Half half, const float* x, uint16_t* y, int64_t n, Parallel& parallel);

}  // namespace attune::kernels
