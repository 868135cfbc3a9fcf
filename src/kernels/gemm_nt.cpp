// gemm_nt_unpacked(): products with a transposed B that stays where it is.
#include <algorithm>

#include "kernels/gemm.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_nt.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// Four rows of B at once: four streams are enough to hide the latency of memory, and with four sums for each row of A
// one of A's loads serves four multiply-adds. More rows of A need more registers than AVX2 has.
constexpr int kColumns = 4;
#if HWY_CAP_GE512
constexpr int kRows = 4;
#else
constexpr int kRows = 2;
#endif

// out[i * out_row + j] = sum over k of a[i][k] * b[j][k]. Every element has one vector of sums, added up at the end, in
// every shape of tile: that is what makes the bits independent of m and n.
template <int kTileRows, int kTileColumns>
HWY_INLINE void run_dots(int64_t k, const float* a, ptrdiff_t a_row, const float* b, ptrdiff_t b_row, float* out,
                         ptrdiff_t out_row) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  FloatVector sum[kTileRows][kTileColumns];
  ATTUNE_UNROLL for (int i = 0; i < kTileRows; ++i) {
    ATTUNE_UNROLL for (int j = 0; j < kTileColumns; ++j) sum[i][j] = hn::Zero(d);
  }
  int64_t p = 0;
  for (; p + lanes <= k; p += lanes) {
    FloatVector bv[kTileColumns];
    ATTUNE_UNROLL for (int j = 0; j < kTileColumns; ++j) bv[j] = hn::LoadU(d, b + j * b_row + p);
    ATTUNE_UNROLL for (int i = 0; i < kTileRows; ++i) {
      const auto av = hn::LoadU(d, a + i * a_row + p);
      ATTUNE_UNROLL for (int j = 0; j < kTileColumns; ++j) sum[i][j] = hn::MulAdd(av, bv[j], sum[i][j]);
    }
  }
  if (p < k) {
    const size_t left = static_cast<size_t>(k - p);
    FloatVector bv[kTileColumns];
    ATTUNE_UNROLL for (int j = 0; j < kTileColumns; ++j) bv[j] = load_tail(d, b + j * b_row + p, left);
    ATTUNE_UNROLL for (int i = 0; i < kTileRows; ++i) {
      const auto av = load_tail(d, a + i * a_row + p, left);
      ATTUNE_UNROLL for (int j = 0; j < kTileColumns; ++j) sum[i][j] = hn::MulAdd(av, bv[j], sum[i][j]);
    }
  }
  ATTUNE_UNROLL for (int i = 0; i < kTileRows; ++i) {
    ATTUNE_UNROLL for (int j = 0; j < kTileColumns; ++j) {
      out[i * out_row + j] = hn::GetLane(hn::SumOfLanes(d, sum[i][j]));
    }
  }
}

// The products of all rows of A with kTileColumns rows of B.
template <int kTileColumns>
HWY_NOINLINE void run_columns(const GemmShape& shape, const float* a, ptrdiff_t a_row, const float* b, ptrdiff_t b_row,
                              float* out, ptrdiff_t out_row) {
  int64_t i = 0;
  for (; i + kRows <= shape.m; i += kRows) {
    run_dots<kRows, kTileColumns>(shape.k, a + i * a_row, a_row, b, b_row, out + i * out_row, out_row);
  }
  if constexpr (kRows > 2) {
    if (shape.m - i == 3) {
      run_dots<3, kTileColumns>(shape.k, a + i * a_row, a_row, b, b_row, out + i * out_row, out_row);
      return;
    }
    if (shape.m - i == 2) {
      run_dots<2, kTileColumns>(shape.k, a + i * a_row, a_row, b, b_row, out + i * out_row, out_row);
      return;
    }
  }
  if (i < shape.m) run_dots<1, kTileColumns>(shape.k, a + i * a_row, a_row, b, b_row, out + i * out_row, out_row);
}

// Columns [begin, end) of C. The sums of a few columns stay in a buffer, not in C, which may be the residual.
void run_nt(const GemmShape& shape, const float* a, ptrdiff_t a_row, const float* b, ptrdiff_t b_row, float* c,
            ptrdiff_t c_row, const GemmEpilogue& e, int64_t begin, int64_t end) {
  constexpr int64_t kRowsAtOnce = 64;
  float sums[kRowsAtOnce * kColumns];
  for (int64_t j = begin; j < end; j += kColumns) {
    const int64_t columns = std::min<int64_t>(kColumns, end - j);
    for (int64_t first = 0; first < shape.m; first += kRowsAtOnce) {
      GemmShape part = shape;
      part.m = std::min(kRowsAtOnce, shape.m - first);
      const float* rows = a + first * a_row;
      if (columns == kColumns) {
        run_columns<kColumns>(part, rows, a_row, b + j * b_row, b_row, sums, kColumns);
      } else {
        for (int64_t l = 0; l < columns; ++l) {
          run_columns<1>(part, rows, a_row, b + (j + l) * b_row, b_row, sums + l, kColumns);
        }
      }
      for (int64_t i = 0; i < part.m; ++i) {
        const int64_t row = first + i;
        float* sum = sums + i * kColumns;
        for (int64_t l = 0; l < columns; ++l) {
          float v = sum[l] * e.scale;
          if (e.bias != nullptr) v += e.bias[j + l];
          if (e.bias_rows != nullptr) v += e.bias_rows[row];
          if (e.residual != nullptr) v += e.residual[row * e.residual_stride + j + l];
          sum[l] = v;
        }
        activate_array(e.activation, sum, c + row * c_row + j, columns);
      }
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_nt);

void gemm_nt_unpacked(const GemmShape& shape, const float* a, ptrdiff_t a_stride, const float* b_transposed,
                      ptrdiff_t b_stride, float* c, ptrdiff_t c_stride, const GemmEpilogue& epilogue,
                      Parallel& parallel) {
  if (shape.m <= 0 || shape.n <= 0) return;
  // A task reads 256 KiB of B at least, which takes about 20 us from memory.
  const int64_t grain = std::max<int64_t>(1, 64 * 1024 / std::max<int64_t>(1, shape.k) / 4) * 4;
  for_ranges(parallel, shape.n, grain, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(run_nt)(shape, a, a_stride, b_transposed, b_stride, c, c_stride, epilogue, begin, end);
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
