#include "kernels/gemm_pack.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_pack.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// Rows of the panel are contiguous in `b`.
void pack_contiguous_rows(int64_t k, int64_t columns, const float* b, ptrdiff_t row_stride, int64_t panel, float* out) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < k; ++i, b += row_stride, out += panel) {
    int64_t j = 0;
    for (; j + lanes <= columns; j += lanes) hn::StoreU(hn::LoadU(d, b + j), d, out + j);
    for (; j < panel; j += lanes) {
      const int64_t left = std::max<int64_t>(0, columns - j);
      hn::StoreU(load_tail(d, b + std::min(j, columns), static_cast<size_t>(std::min(left, lanes))), d, out + j);
    }
  }
}

// Columns of the panel are contiguous in `b`, as in a transposed matrix: 4 x 4 blocks are turned in registers.
void pack_contiguous_columns(int64_t k, int64_t columns, const float* b, ptrdiff_t column_stride, int64_t panel,
                             float* out) {
  const hn::Full128<float> d;
  const hn::Repartition<double, decltype(d)> d2;
  int64_t j = 0;
  for (; j + 4 <= columns; j += 4) {
    const float* b0 = b + j * column_stride;
    const float* b1 = b0 + column_stride;
    const float* b2 = b1 + column_stride;
    const float* b3 = b2 + column_stride;
    int64_t i = 0;
    for (; i + 4 <= k; i += 4) {
      const auto v0 = hn::LoadU(d, b0 + i);
      const auto v1 = hn::LoadU(d, b1 + i);
      const auto v2 = hn::LoadU(d, b2 + i);
      const auto v3 = hn::LoadU(d, b3 + i);
      const auto low01 = hn::BitCast(d2, hn::InterleaveLower(d, v0, v1));
      const auto low23 = hn::BitCast(d2, hn::InterleaveLower(d, v2, v3));
      const auto high01 = hn::BitCast(d2, hn::InterleaveUpper(d, v0, v1));
      const auto high23 = hn::BitCast(d2, hn::InterleaveUpper(d, v2, v3));
      float* to = out + i * panel + j;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d2, low01, low23)), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d2, low01, low23)), d, to + panel);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d2, high01, high23)), d, to + 2 * panel);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d2, high01, high23)), d, to + 3 * panel);
    }
    for (; i < k; ++i) {
      float* to = out + i * panel + j;
      to[0] = b0[i];
      to[1] = b1[i];
      to[2] = b2[i];
      to[3] = b3[i];
    }
  }
  for (; j < panel; ++j) {
    for (int64_t i = 0; i < k; ++i) out[i * panel + j] = j < columns ? b[j * column_stride + i] : 0.0F;
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(pack_contiguous_rows);
HWY_EXPORT(pack_contiguous_columns);

void pack_panels(int64_t k, int64_t columns, const MatrixView& b, int64_t panel, float* out) {
  for (int64_t first = 0; first < columns; first += panel, out += k * panel) {
    const int64_t width = std::min(panel, columns - first);
    const float* from = b.data + first * b.column_stride;
    if (b.column_stride == 1) {
      HWY_DYNAMIC_DISPATCH(pack_contiguous_rows)(k, width, from, b.row_stride, panel, out);
    } else if (b.row_stride == 1) {
      HWY_DYNAMIC_DISPATCH(pack_contiguous_columns)(k, width, from, b.column_stride, panel, out);
    } else {
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < panel; ++j) {
          out[i * panel + j] = j < width ? from[i * b.row_stride + j * b.column_stride] : 0.0F;
        }
      }
    }
  }
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
