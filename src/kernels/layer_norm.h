// Layer normalization over the last axis, and its forms with a fused addition before it or without the mean (RMS).
#pragma once

#include <cstdint>

#include "base/parallel.h"

namespace attune::kernels {

/// With s = x + residual + input_bias (those that are given): y = (s - mean) / sqrt(variance + epsilon) * scale + bias,
/// mean and (biased) variance over the `columns` of a row. `rms` leaves the mean out: y = s / sqrt(mean(s^2) + epsilon)
/// * scale + bias. All matrices are dense, rows x columns; vectors have `columns` floats.
struct LayerNorm {
  int64_t rows = 0;
  int64_t columns = 0;
  float epsilon = 1e-5F;
  bool rms = false;
  const float* x = nullptr;
  const float* residual = nullptr;    ///< a matrix or null
  const float* input_bias = nullptr;  ///< a vector or null
  const float* scale = nullptr;       ///< a vector, or null for 1
  const float* bias = nullptr;        ///< a vector or null
  float* y = nullptr;                 ///< may be `x` or `residual`
  float* sum = nullptr;          ///< where s is wanted (SkipLayerNormalization's last output): a matrix, not y; or null
  float* mean = nullptr;         ///< where the means are wanted: one for each row; or null
  float* inverse_std = nullptr;  ///< likewise 1 / sqrt(variance + epsilon)
};

/// Thread-safe. The variance is computed from the differences to the mean (two passes), so large means cost no
/// precision; sums run in the lanes of vectors in an order that `columns` and the target alone determine. NaN and
/// infinity in a row make that row NaN.
void layer_norm(const LayerNorm& norm, Parallel& parallel);

}  // namespace attune::kernels
