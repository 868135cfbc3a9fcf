// The matrix product of element types that have no kernel: double and integers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/parallel.h"
#include "kernels/gemm.h"
#include "ops/element_types.h"

namespace attune::ops {

/// A matrix that is read: element (row, column) is data[row * row_stride + column * column_stride].
template <class T>
struct LoopMatrix {
  const T* data = nullptr;
  int64_t row_stride = 0;
  int64_t column_stride = 1;
};

/// c = a b, c dense m x n. Sums run over k = 0, 1, ...; integers wrap around.
template <class T>
void multiply_matrices(const kernels::GemmShape& shape, const LoopMatrix<T>& a, const LoopMatrix<T>& b, T* c,
                       Parallel& parallel) {
  using Wide =
      typename std::conditional_t<std::is_integral_v<T>, internal::WrappingType<T>, std::type_identity<T>>::type;
  const int64_t row_cost = std::max<int64_t>(shape.n * shape.k, 1);
  for_ranges(parallel, shape.m, std::max<int64_t>(1, 16384 / row_cost), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      T* row = c + i * shape.n;
      std::fill_n(row, shape.n, T{0});
      const T* a_row = a.data + i * a.row_stride;
      if (b.column_stride == 1) {
        for (int64_t p = 0; p < shape.k; ++p) {
          const Wide factor = static_cast<Wide>(a_row[p * a.column_stride]);
          const T* b_row = b.data + p * b.row_stride;
          for (int64_t j = 0; j < shape.n; ++j) {
            row[j] = static_cast<T>(static_cast<Wide>(row[j]) + factor * static_cast<Wide>(b_row[j]));
          }
        }
        continue;
      }
      for (int64_t j = 0; j < shape.n; ++j) {
        const T* b_column = b.data + j * b.column_stride;
        Wide sum = 0;
        for (int64_t p = 0; p < shape.k; ++p) {
          sum += static_cast<Wide>(a_row[p * a.column_stride]) * static_cast<Wide>(b_column[p * b.row_stride]);
        }
        row[j] = static_cast<T>(sum);
      }
    }
  });
}

}  // namespace attune::ops
