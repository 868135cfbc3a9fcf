// Element types that C++ has no arithmetic for, by way of one that it has: the 16-, 8- and 4-bit floats by float,
// integers of 4 and 2 bits by int8 and uint8. Thread safety: pure functions.
#pragma once

#include <cstdint>

#include "attune/tensor.h"
#include "tensor/float8.h"

namespace attune::ops {

/// The type to compute with: `type` itself where that is possible.
DataType carrier_of(DataType type);

/// How values that `type` cannot hold are written.
struct NarrowRounding {
  bool saturate = true;                               ///< float8: to the largest finite value
  ScaleRounding scale_rounding = ScaleRounding::kUp;  ///< float8e8m0
};

/// `n` elements of `type`, from element `first` on, as elements of carrier_of(type).
void load_carrier(DataType type, const void* from, int64_t first, void* to, int64_t n);

/// The way back. Integers keep their low bits.
void store_carrier(DataType type, const void* from, void* to, int64_t first, int64_t n, NarrowRounding rounding = {});

}  // namespace attune::ops
