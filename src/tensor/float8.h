// Floating-point types of 8 and 4 bits: https://onnx.ai/onnx/technical/float8.html and float4.html. Every value of them
// is a float; the way back rounds to the nearest, halves to even. Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "attune/tensor.h"

namespace attune {

/// What a float beyond the exponents of float8e8m0 becomes.
enum class ScaleRounding : uint8_t { kNearest, kUp, kDown };

/// `type` is one of the five float8 types or float4e2m1.
float small_float_to_float(DataType type, uint8_t bits);

/// `saturate`: what is too large becomes the largest finite value, also infinity; otherwise infinity where the type has
/// one, else NaN. float4e2m1 always saturates; float8e8m0, which has neither sign nor zero, rounds as `rounding` says.
uint8_t float_to_small_float(DataType type, float value, bool saturate, ScaleRounding rounding = ScaleRounding::kUp);

}  // namespace attune
