#include "kernels/gemm_tile.h"

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_tile.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// The tile of the steady state keeps both multiply-add units busy (latency 4, two a cycle: at least 8 sums in flight)
// and loads little for each: with AVX-512 14 x 32 takes 28 sums, 2 vectors of B and one broadcast element of A of the
// 32 registers; with 16 registers 6 x 16. Without fused multiply-add a product needs a register of its own: 4 x 8.
#if HWY_CAP_GE512
constexpr int kTileRows = 14;
#elif HWY_CAP_GE256
constexpr int kTileRows = 6;
#else
constexpr int kTileRows = 4;
#endif

constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);

// How far ahead B is asked for, 4 KiB of a packed panel with AVX-512, and for how many rows of A at least.
constexpr ptrdiff_t kPrefetchRows = 32;
constexpr int kPrefetchLeastRows = HWY_CAP_GE512 ? 4 : 3;

// The number of floats in a line of the caches.
constexpr int64_t kLineFloats = 16;

// Into the second-level cache: the first is full of this tile.
HWY_INLINE void ask_ahead(GemmAhead& ahead) {
  const float* p = ahead.data;
  for (int i = ahead.lines; i > 0; --i, p += ahead.line_step) __builtin_prefetch(p, 0, 2);
  ahead.data += ahead.step;
}

// Where the last columns of a tile end: how many lanes of vector `j` exist.
HWY_INLINE size_t lanes_left(int64_t columns, int j) {
  const int64_t left = columns - j * kLanes;
  return static_cast<size_t>(left < 0 ? 0 : left > kLanes ? kLanes : left);
}

// The epilogue of `rows` rows whose sums are in a small dense buffer. Not inlined, so that one copy for each activation
// serves all shapes of tiles: the detour through the first-level cache costs a few percent at k = 64 and nothing at k =
// 500. C is not written before, because the residual may be C itself.
template <Activation::Kind kKind>
HWY_NOINLINE void finish_rows(const GemmTile& t, int64_t rows, const float* sums, int64_t sums_row) {
  const GemmEpilogue& e = *t.epilogue;
  const FloatTag d;
  const auto scale = hn::Set(d, e.scale);
  const auto alpha = hn::Set(d, e.activation.alpha);
  const auto beta = hn::Set(d, e.activation.beta);
  for (int64_t i = 0; i < rows; ++i) {
    const float* sum = sums + i * sums_row;
    float* c = t.c + i * t.c_row;
    const float* residual = e.residual == nullptr ? nullptr : e.residual + (t.row + i) * e.residual_stride + t.column;
    const auto row_bias = hn::Set(d, e.bias_rows == nullptr ? 0.0F : e.bias_rows[t.row + i]);
    for (int64_t j = 0; j < t.columns; j += kLanes) {
      const size_t left = static_cast<size_t>(HWY_MIN(kLanes, t.columns - j));
      const bool whole = left == static_cast<size_t>(kLanes);
      auto v = hn::Mul(hn::Load(d, sum + j), scale);
      if (e.bias != nullptr) {
        const float* bias = e.bias + t.column + j;
        v = hn::Add(v, whole ? hn::LoadU(d, bias) : load_tail(d, bias, left));
      }
      if (e.bias_rows != nullptr) v = hn::Add(v, row_bias);
      if (residual != nullptr) v = hn::Add(v, whole ? hn::LoadU(d, residual + j) : load_tail(d, residual + j, left));
      v = activate<kKind>(d, v, alpha, beta);
      if (whole) {
        hn::StoreU(v, d, c + j);
      } else {
        store_tail(v, d, c + j, left);
      }
    }
  }
}

void finish_tile(const GemmTile& t, int64_t rows, const float* sums, int64_t sums_row) {
  with_activation(t.epilogue->activation.kind,
                  [&](auto kind) HWY_ATTR { finish_rows<decltype(kind)::value>(t, rows, sums, sums_row); });
}

template <int kRows, int kVectors>
void run_tile(const GemmTile& tile) {
  // What is needed once in a while is to stay in memory, behind a pointer that is, too: gcc would hold it in vector
  // registers, of which there is none left.
  const GemmTile* volatile held = &tile;
  const GemmTile& t = *held;
  const FloatTag d;
  // All loops over `sum` must be unrolled, or it lives on the stack.
  FloatVector sum[kRows][kVectors];
  const bool whole = t.columns >= kVectors * kLanes;
  const float* start = t.start != nullptr ? t.start : t.c;
  const ptrdiff_t start_row = t.start != nullptr ? t.start_row : t.c_row;
  if (!t.accumulate) {
    ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
      ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
    }
  } else if (whole) {
    ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
      ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::LoadU(d, start + i * start_row + j * kLanes);
    }
  } else {
    ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) {
      const size_t left = lanes_left(t.columns, j);
      ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
        sum[i][j] = load_tail(d, start + i * start_row + j * kLanes, left);
      }
    }
  }
  if (t.start_bias != nullptr) {
    ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) {
      const float* bias = t.start_bias + j * kLanes;
      const auto v = whole ? hn::LoadU(d, bias) : load_tail(d, bias, lanes_left(t.columns, j));
      ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) sum[i][j] = hn::Add(sum[i][j], v);
    }
  }
  // One pointer for each three rows: base + stride and base + 2 stride are addressing modes, and more pointers than
  // registers would be reloaded from the stack at each step.
  constexpr int kPointers = (kRows + 2) / 3;
  const float* a[kPointers];
  ATTUNE_UNROLL for (int i = 0; i < kPointers; ++i) a[i] = t.a + 3 * i * t.a_row;
  const ptrdiff_t a_row = t.a_row;
  const ptrdiff_t a_column = t.a_column;
  const float* b = t.b;
  const ptrdiff_t b_row = t.b_row;
  const ptrdiff_t b_panel = t.b_panel;
  GemmAhead ahead[2] = {t.ahead_a, t.ahead_c};
  for (int64_t left = t.k; left > 0; left -= GemmAhead::kRowsPerAhead) {
    asm volatile("" : "+m"(ahead));
    for (GemmAhead& each : ahead) ask_ahead(each);
    for (int64_t k = HWY_MIN(left, GemmAhead::kRowsPerAhead); k > 0; --k) {
      FloatVector bv[kVectors];
      ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) bv[j] = hn::LoadU(d, b + (j / 2) * b_panel + (j % 2) * kLanes);
      // The hardware follows one stream less far than many rows of A leave time for: without this m = 4 reads B from
      // memory at half the speed. Fewer rows read so fast that asking takes longer than it saves (a sixth of the time).
      // Beyond the end of B it does nothing.
      if constexpr (kRows >= kPrefetchLeastRows) {
        ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) {
          if (j % 2 * kLanes % kLineFloats == 0) {
            hwy::Prefetch(b + (j / 2) * b_panel + (j % 2) * kLanes + kPrefetchRows * b_row);
          }
        }
      }
      b += b_row;
      ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
        const auto av = hn::Set(d, a[i / 3][(i % 3) * a_row]);
        ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(av, bv[j], sum[i][j]);
      }
      ATTUNE_UNROLL for (int i = 0; i < kPointers; ++i) a[i] += a_column;
    }
  }
  const GemmTile& end = *held;
  if (end.epilogue != nullptr) {
    alignas(HWY_MAX_BYTES) float sums[kRows * kVectors * kLanes];
    ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
      ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) hn::Store(sum[i][j], d, sums + (i * kVectors + j) * kLanes);
    }
    finish_tile(end, kRows, sums, kVectors * kLanes);
  } else if (end.columns >= kVectors * kLanes) {
    ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
      ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) hn::StoreU(sum[i][j], d, end.c + i * end.c_row + j * kLanes);
    }
  } else {
    ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) {
      const size_t left = lanes_left(end.columns, j);
      ATTUNE_UNROLL for (int i = 0; i < kRows; ++i) {
        store_tail(sum[i][j], d, end.c + i * end.c_row + j * kLanes, left);
      }
    }
  }
}

template <int kRows>
void add_kernels(GemmTileKernels& kernels) {
  kernels.full[kRows] = &run_tile<kRows, 2>;
  kernels.half[kRows] = &run_tile<kRows, 1>;
  if constexpr (kRows < kTileRows) add_kernels<kRows + 1>(kernels);
}

GemmTileKernels make_kernels() {
  GemmTileKernels kernels;
  kernels.max_rows = kTileRows;
  kernels.panel = 2 * static_cast<int>(HWY_MAX_BYTES / sizeof(float));
  add_kernels<1>(kernels);
  kernels.wide[1] = &run_tile<1, 8>;
  kernels.wide_panels[1] = 4;
  kernels.wide[2] = &run_tile<2, 4>;
  kernels.wide_panels[2] = 2;
  // 12 sums, 4 vectors of B and one of A are more than 16 registers.
  kernels.wide[3] = HWY_CAP_GE512 ? &run_tile<3, 4> : nullptr;
  kernels.wide_panels[3] = HWY_CAP_GE512 ? 2 : 0;
  return kernels;
}

const GemmTileKernels& target_kernels() {
  static const GemmTileKernels kernels = make_kernels();
  return kernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(target_kernels);

const GemmTileKernels& gemm_tile_kernels() { return HWY_DYNAMIC_DISPATCH(target_kernels)(); }

}  // namespace attune::kernels
#endif  // HWY_ONCE
