// Reduction of a dense tensor over any of its axes: what the Reduce operators share.
//
// Sums are added in an order that the dimensions alone fix: neither the threads nor the other rows of a batch matter.
#pragma once

#include <cstdint>

#include "attune/tensor.h"
#include "base/parallel.h"

namespace attune::ops {

enum class ReduceKind : uint8_t {
  kSum,
  kMean,  ///< 0 over nothing, as onnxruntime gives
  kMax,   ///< NaN if any is; over nothing -infinity or the type's lowest
  kMin,   ///< NaN if any is; over nothing +infinity or the type's highest
  kProd,
  kL1,         ///< sum |x|
  kL2,         ///< sqrt(sum x^2)
  kLogSum,     ///< ln(sum x)
  kLogSumExp,  ///< ln(sum e^x), the maximum subtracted first
  kSumSquare,  ///< sum x^2
};

/// Reduces `x` of `shape` over the axes whose bits are set in `axes` and writes what is left, in order, to `y`. With no
/// axis each element is reduced by itself. Integers wrap around; their roots and logarithms are made in double and cut
/// off. Throws Error(kNotImplemented) for types other than numbers and, for kMax and kMin, bool.
void reduce(ReduceKind kind, DataType type, const void* x, const Shape& shape, uint32_t axes, void* y,
            Parallel& parallel);

}  // namespace attune::ops
