// Rearranging a matrix into the panels that the inner loop of a product reads.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"

namespace attune::kernels {

/// Writes the k x columns matrix `b` as panels of `panel` columns (a multiple of 4), each k rows of `panel` contiguous
/// floats; columns beyond the matrix are zero. `out` has room for k times `columns` rounded up to panels.
void pack_panels(int64_t k, int64_t columns, const MatrixView& b, int64_t panel, float* out);

}  // namespace attune::kernels
