// The innermost loops of matrix products: one tile of C held in registers. Shared by gemm.cpp and attention.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gemm.h"

namespace attune::kernels {

/// Lines of memory that a later call will read or write: the loop over k asks for `lines` of them, each `line_step`
/// floats behind the one before, at k = 0, kRowsPerAhead, ..., moving on by `step` floats each time. A miss of the
/// first-level cache would stop the sums, and no hardware foresees a matrix's next tile. Addresses may be invalid.
struct GemmAhead {
  static constexpr int64_t kRowsPerAhead = 16;

  const float* data = nullptr;
  ptrdiff_t line_step = 0;
  ptrdiff_t step = 0;
  int lines = 0;
};

/// One call: C[rows x columns] (+)= A[rows x k] B[k x columns], all strides in floats.
struct GemmTile {
  const float* a = nullptr;
  ptrdiff_t a_row = 0;
  ptrdiff_t a_column = 1;
  const float* b = nullptr;  ///< the first row of a panel: GemmTileKernels::panel contiguous columns
  ptrdiff_t b_row = 0;       ///< from one row of B to the next
  ptrdiff_t b_panel = 0;     ///< from one panel to the next, for kernels that are several panels wide
  float* c = nullptr;
  ptrdiff_t c_row = 0;
  int64_t k = 0;
  int64_t columns = 0;      ///< columns of C that exist; B is read to the full width of the kernel all the same
  bool accumulate = false;  ///< start from `start` instead of 0, or from C if that is null
  const float* start = nullptr;
  ptrdiff_t start_row = 0;
  const float* start_bias = nullptr;  ///< one for each column, which the sums begin with or, after `start`, take first
  /// Applied to the sums if not null; then `row` and `column` are the tile's place in the matrix whose bias and
  /// residual the epilogue points to.
  const GemmEpilogue* epilogue = nullptr;
  int64_t row = 0;
  int64_t column = 0;
  GemmAhead ahead_a;
  GemmAhead ahead_c;
};

/// The kernels of a target. A tile's rows are 1 to max_rows.
struct GemmTileKernels {
  using Function = void (*)(const GemmTile&);

  static constexpr int kMaxRows = 14;
  static constexpr int kMaxWideRows = 3;

  int max_rows = 0;
  int panel = 0;                     ///< columns of a panel: two vectors
  Function full[kMaxRows + 1] = {};  ///< by rows: one panel wide
  Function half[kMaxRows + 1] = {};  ///< by rows: half a panel wide, for tails
  /// By rows up to kMaxWideRows: wide_panels panels wide, because so few rows cannot hide the latency of the
  /// multiply-adds with one.
  Function wide[kMaxWideRows + 1] = {};
  int wide_panels[kMaxWideRows + 1] = {};
};

/// The kernels of the active target.
const GemmTileKernels& gemm_tile_kernels();

/// Calls the kernel for `rows` that is just wide enough for tile.columns, which is at most one panel.
inline void run_gemm_tile(const GemmTileKernels& kernels, int64_t rows, const GemmTile& tile) {
  (tile.columns * 2 <= kernels.panel ? kernels.half : kernels.full)[rows](tile);
}

/// Splits `size` rows into the fewest tiles of at most `max_rows` and makes them as equal as can be: the first row of
/// tile `index` of `count`.
inline int64_t tile_begin(int64_t size, int64_t count, int64_t index) {
  return size / count * index + (index < size % count ? index : size % count);
}

}  // namespace attune::kernels
