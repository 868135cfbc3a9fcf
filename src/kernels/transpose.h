// The transpose of one matrix whose elements are moved by size alone.
//
// Thread safety: pure functions of their arguments, run in the calling thread; copy.h shares large work out.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace attune::kernels {

/// target[c * target_stride + r] = source[r * source_stride + c] for r < rows and c < columns. Strides are in elements;
/// the addresses need no alignment; source and target must not overlap. Not for Element::kString.
void transpose_matrix(Element element, const void* source, int64_t source_stride, int64_t rows, int64_t columns,
                      void* target, int64_t target_stride);

}  // namespace attune::kernels
