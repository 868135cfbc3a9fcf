// Matrices of integers of 4 or 8 bits with a scale for each block of a column, multiplied without ever being whole as
// floats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace attune::kernels {

/// How a block of integers becomes floats: q * scale + shift. A zero point z has the shift -z * scale.
struct BlockScale {
  float scale = 1.0F;
  float shift = 0.0F;
};

/// B of k rows and n columns. Column after column, each in blocks along k: ceil(k / block) of them, the last one filled
/// up. Of two integers of 4 bits the first has the low bits of the byte.
struct BlockQuantizedMatrix {
  int64_t k = 0;
  int64_t n = 0;
  int64_t block = 32;  ///< a power of two, at least 16
  int bits = 4;        ///< 4 or 8
  const uint8_t* data = nullptr;
  const BlockScale* scales = nullptr;  ///< [n, blocks]

  int64_t blocks() const { return (k + block - 1) / block; }
  int64_t column_bytes() const { return blocks() * block * bits / 8; }
};

/// out[c * blocks * block + i] = element i of column first + c, for c < count; the filling too.
void dequantize_columns(const BlockQuantizedMatrix& b, int64_t first, int64_t count, float* out);

/// The floats of workspace that multiply_block_quantized() needs.
size_t block_quantized_workspace_size(const BlockQuantizedMatrix& b, int threads);

/// C (m x n, dense) = A (m x k, dense) B + bias, one float a column, or null. A few columns at a time are made floats
/// in the workspace and multiplied there, parallel over columns. Bits as gemm_nt_unpacked(): they depend on k and the
/// target, not on m or the threads. Thread-safe.
void multiply_block_quantized(int64_t m, const float* a, const BlockQuantizedMatrix& b, const float* bias, float* c,
                              float* workspace, Parallel& parallel);

}  // namespace attune::kernels
