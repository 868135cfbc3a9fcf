#include "kernels/gemm.h"

#include <algorithm>
#include <utility>

#include "kernels/gemm_pack.h"
#include "kernels/gemm_tile.h"
#include "kernels/simd.h"

namespace attune::kernels {
namespace {

// Where B comes from.
enum class Source : uint8_t {
  kPacked,    ///< panels of the whole of k, by pack_b()
  kInPlace,   ///< a row-major matrix; whole panels are read where they are
  kWorkspace  ///< a matrix that each task packs piece by piece
};

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The number of floats in a line of the caches.
constexpr int64_t kLineFloats = 16;

// One task's piece of B, k_block() rows of some panels, is to stay in the second-level cache (1 MiB at least on
// machines with AVX-512, 256-512 KiB on others) while all rows of A pass by.
int64_t block_floats(const GemmTileKernels& kernels) { return kernels.panel >= 32 ? 128 * 1024 : 64 * 1024; }

// k is cut into equal blocks of at most this, so that the rows of A that a tile reads stay in the first-level cache.
// Sums pass from block to block through C, which loses nothing: a float in C is the float in the register.
constexpr int64_t kMaxBlock = 384;

int64_t k_block(int64_t k) { return k <= kMaxBlock ? k : divide_up(k, divide_up(k, kMaxBlock)); }

// Rows of A that lie 2 KiB or a multiple apart fall into the same one or two sets of a first-level cache, which cannot
// hold a tile of them (1024^3 ran at 75 % of the peak, with AVX-512). They are copied a line further apart where enough
// panels read them to pay for it.
constexpr int64_t kConflictingStride = 512;
constexpr int64_t kCopiedStride = kMaxBlock + 16;
constexpr int64_t kMinPanelsForCopy = 4;

int64_t panels_per_block(const GemmTileKernels& kernels, int64_t k_rows) {
  return std::max<int64_t>(1, block_floats(kernels) / std::max<int64_t>(1, k_rows * kernels.panel));
}

// A rectangle of C: rows of tiles by panels of columns.
struct Rectangle {
  int64_t tile_begin, tile_end;
  int64_t panel_begin, panel_end;
};

// All that the tasks of one product share.
struct Product {
  const GemmTileKernels& kernels;
  GemmShape shape;
  int64_t tiles;   // of rows
  int64_t panels;  // of columns
  GemmStrides strides;
  Source source;
  const GemmEpilogue& epilogue;

  Product(const GemmShape& product_shape, const GemmStrides& product_strides, const GemmEpilogue& product_epilogue)
      : kernels(gemm_tile_kernels()),
        shape(product_shape),
        tiles(divide_up(shape.m, kernels.max_rows)),
        panels(divide_up(shape.n, kernels.panel)),
        strides(product_strides),
        source(Source::kPacked),
        epilogue(product_epilogue) {}

  // Multiply-adds fill both units of a core of about 2.5 GHz.
  int64_t nanoseconds() const {
    const double cycles = static_cast<double>(shape.m) * static_cast<double>(panels) * static_cast<double>(shape.k + 8);
    return static_cast<int64_t>(cycles / 2.5);
  }
};

bool changes_nothing(const GemmEpilogue& e) {
  return e.scale == 1.0F && e.bias == nullptr && e.bias_rows == nullptr && e.residual == nullptr &&
         e.activation.kind == Activation::Kind::kNone;
}

// What a call for panel `j` of `panels` asks for while it computes: its share of the rows of A that the next tile
// reads. Those are `rows` rows of `k` floats.
GemmAhead ahead_of_rows(const float* next, ptrdiff_t row_stride, int64_t rows, int64_t j, int64_t panels) {
  if (rows == 0) return {};
  const int64_t first = tile_begin(rows, panels, j);
  const int64_t count = tile_begin(rows, panels, j + 1) - first;
  return GemmAhead{next + first * row_stride, row_stride, kLineFloats, static_cast<int>(count)};
}

// Computes one rectangle. `workspace` is this thread's.
void run_rectangle(const Product& p, const GemmOperands& operands, const Rectangle& r, float* workspace) {
  const GemmTileKernels& kernels = p.kernels;
  const int64_t panel_width = kernels.panel;
  const auto [m, n, k] = p.shape;
  alignas(64) float copied_a[GemmTileKernels::kMaxRows * kCopiedStride];
  GemmTile tile;
  tile.a_row = p.strides.a_row;
  tile.a_column = p.strides.a_column;
  tile.c_row = p.strides.c_row;
  GemmEpilogue epilogue = p.epilogue;
  if (operands.residual != nullptr) epilogue.residual = operands.residual;
  // A residual that is not to be added to scaled sums begins them instead. It may then be C itself, although sums of
  // earlier blocks of k wait there.
  const float* start = epilogue.scale == 1.0F ? epilogue.residual : nullptr;
  if (start != nullptr) epilogue.residual = nullptr;
  // So does the bias.
  const float* start_bias = epilogue.scale == 1.0F ? epilogue.bias : nullptr;
  if (start_bias != nullptr) epilogue.bias = nullptr;
  tile.start_row = epilogue.residual_stride;
  const GemmEpilogue* last_epilogue = changes_nothing(epilogue) ? nullptr : &epilogue;
  const bool in_place = epilogue.residual == operands.c;
  const int64_t k_rows = in_place && p.source == Source::kPacked ? k : k_block(k);
  const int64_t block = panels_per_block(kernels, k_rows);

  for (int64_t block_begin = r.panel_begin; block_begin < r.panel_end; block_begin += block) {
    const int64_t block_end = std::min(block_begin + block, r.panel_end);
    tile.a_row = p.strides.a_row;
    int64_t k_begin = 0;
    do {
      const int64_t k_end = std::min(k_begin + k_rows, k);
      tile.k = k_end - k_begin;
      const bool starts = k_begin == 0 && start != nullptr;
      tile.accumulate = k_begin > 0 || starts;
      tile.epilogue = k_end == k ? last_epilogue : nullptr;
      // The first panel of this block that the workspace holds.
      int64_t packed_begin = block_end;
      if (p.source == Source::kWorkspace) packed_begin = block_begin;
      const int64_t tail = n - (block_end - 1) * panel_width;
      if (p.source == Source::kInPlace && tail < panel_width && tail * 2 != panel_width) packed_begin = block_end - 1;
      if (packed_begin < block_end && tile.k > 0) {
        const int64_t columns = std::min(n, block_end * panel_width) - packed_begin * panel_width;
        const float* b = operands.b + k_begin * p.strides.b_row + packed_begin * panel_width * p.strides.b_column;
        pack_panels(tile.k, columns, MatrixView{b, p.strides.b_row, p.strides.b_column}, panel_width, workspace);
      }
      const bool copies_a = p.strides.a_row % kConflictingStride == 0 && p.strides.a_column == 1 &&
                            tile.k <= kMaxBlock && block_end - block_begin >= kMinPanelsForCopy;
      for (int64_t i = r.tile_begin; i < r.tile_end; ++i) {
        tile.row = tile_begin(m, p.tiles, i);
        const int64_t rows = tile_begin(m, p.tiles, i + 1) - tile.row;
        tile.a = operands.a + tile.row * p.strides.a_row + k_begin * p.strides.a_column;
        if (copies_a) {
          for (int64_t row = 0; row < rows; ++row) {
            std::copy_n(tile.a + row * p.strides.a_row, tile.k, copied_a + row * kCopiedStride);
          }
          tile.a = copied_a;
          tile.a_row = kCopiedStride;
        }
        // What comes after this tile: the next one, of the next block of k or the same.
        const bool is_last = i + 1 == r.tile_end;
        const float* next_a = nullptr;
        int64_t next_rows = 0;
        if (p.strides.a_column == 1 && !(is_last && k_end == k)) {
          const int64_t next = is_last ? r.tile_begin : i + 1;
          const int64_t row = tile_begin(m, p.tiles, next);
          next_rows = tile_begin(m, p.tiles, next + 1) - row;
          next_a = operands.a + row * p.strides.a_row + (is_last ? k_end : k_begin);
        }
        int64_t j = block_begin;
        while (j < block_end) {
          const bool in_workspace = j >= packed_begin;
          if (in_workspace) {
            tile.b = workspace + (j - packed_begin) * tile.k * panel_width;
            tile.b_row = panel_width;
            tile.b_panel = tile.k * panel_width;
          } else if (p.source == Source::kPacked) {
            tile.b = operands.b + (j * k + k_begin) * panel_width;
            tile.b_row = panel_width;
            tile.b_panel = k * panel_width;
          } else {
            tile.b = operands.b + k_begin * p.strides.b_row + j * panel_width;
            tile.b_row = p.strides.b_row;
            tile.b_panel = panel_width;
          }
          tile.column = j * panel_width;
          tile.c = operands.c + tile.row * tile.c_row + tile.column;
          tile.start_bias = k_begin == 0 && start_bias != nullptr ? start_bias + tile.column : nullptr;
          tile.start = starts ? start + tile.row * tile.start_row + tile.column : nullptr;
          int64_t width = 1;
          GemmTileKernels::Function kernel = nullptr;
          if (rows <= GemmTileKernels::kMaxWideRows && kernels.wide[rows] != nullptr) {
            const int64_t end = in_workspace ? block_end : packed_begin;
            if (end - j >= kernels.wide_panels[rows] &&
                (p.source != Source::kInPlace || in_workspace ||
                 n - j * panel_width >= kernels.wide_panels[rows] * panel_width)) {
              width = kernels.wide_panels[rows];
              kernel = kernels.wide[rows];
            }
          }
          tile.columns = std::min(n - tile.column, width * panel_width);
          tile.ahead_a = ahead_of_rows(next_a, p.strides.a_row, next_rows, j - block_begin, block_end - block_begin);
          // The next tile of C lies to the right, or below at the beginning of the block.
          const float* next_c = j + width < block_end
                                    ? tile.c + width * panel_width
                                    : operands.c + (tile.row + rows) * tile.c_row + block_begin * panel_width;
          tile.ahead_c =
              GemmAhead{next_c, kLineFloats, tile.c_row, static_cast<int>(divide_up(panel_width, kLineFloats))};
          if (kernel != nullptr) {
            kernel(tile);
          } else {
            run_gemm_tile(kernels, rows, tile);
          }
          j += width;
        }
      }
      k_begin = k_end;
    } while (k_begin < k);
  }
}

// How a product is cut into tasks: a grid of `rows` by `columns` rectangles of nearly equal size.
struct Grid {
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t count() const { return rows * columns; }
};

// Waking a worker pays from about 10 us.
constexpr int64_t kTaskNanoseconds = 10'000;

// Looks for the grid of about `wanted` tasks that keeps `threads` threads busiest; of equals the one that reads least.
Grid choose_grid(const Product& p, int64_t wanted, int threads) {
  Grid best;
  if (wanted <= 1) return best;
  double best_cost = 0;
  for (int64_t rows = 1; rows <= std::min(p.tiles, wanted); ++rows) {
    const int64_t columns = std::min(p.panels, divide_up(wanted, rows));
    const int64_t rounds = divide_up(rows * columns, threads);
    const int64_t largest = divide_up(p.tiles, rows) * divide_up(p.panels, columns);
    const double reads = static_cast<double>(columns) * static_cast<double>(p.shape.m) +
                         static_cast<double>(rows) * static_cast<double>(p.shape.n);
    // Reads weigh little: a thousandth of the time for reading all of A and B once more.
    const double cost =
        static_cast<double>(rounds * largest) * (1.0 + 0.001 * reads / static_cast<double>(p.shape.m + p.shape.n));
    if (rows == 1 || cost < best_cost) {
      best_cost = cost;
      best = Grid{rows, columns};
    }
  }
  return best;
}

Rectangle rectangle_of(const Product& p, const Grid& grid, int64_t index) {
  const int64_t row = index / grid.columns;
  const int64_t column = index % grid.columns;
  return Rectangle{tile_begin(p.tiles, grid.rows, row), tile_begin(p.tiles, grid.rows, row + 1),
                   tile_begin(p.panels, grid.columns, column), tile_begin(p.panels, grid.columns, column + 1)};
}

// The tasks a thread should find on average, so that one that is late does not hold up all.
constexpr int64_t kTasksPerThread = 4;

void run_batch(int64_t count, Product& p, FunctionRef<GemmOperands(int64_t)> operands, float* workspace,
               Parallel& parallel) {
  if (count <= 0 || p.shape.m <= 0 || p.shape.n <= 0) return;
  const int threads = parallel.threads();
  const int64_t each = p.nanoseconds();
  const int64_t most = std::min(threads * kTasksPerThread, count * each / kTaskNanoseconds);
  const Rectangle everything{0, p.tiles, 0, p.panels};
  if (threads == 1 || most <= 1) {
    for (int64_t i = 0; i < count; ++i) run_rectangle(p, operands(i), everything, workspace);
    return;
  }
  const size_t thread_floats = p.source == Source::kPacked ? 0 : gemm_workspace_size(p.shape, 1);
  if (count >= most) {
    // Whole products, several to a task if they are small.
    const int64_t tasks = std::min(count, std::max(most, int64_t{1}));
    parallel.for_each(tasks, [&](int64_t index, int thread) {
      const int64_t end = tile_begin(count, tasks, index + 1);
      for (int64_t i = tile_begin(count, tasks, index); i < end; ++i) {
        run_rectangle(p, operands(i), everything, workspace + static_cast<size_t>(thread) * thread_floats);
      }
    });
    return;
  }
  const Grid grid = choose_grid(p, divide_up(most, count), threads);
  parallel.for_each(count * grid.count(), [&](int64_t index, int thread) {
    run_rectangle(p, operands(index / grid.count()), rectangle_of(p, grid, index % grid.count()),
                  workspace + static_cast<size_t>(thread) * thread_floats);
  });
}

// Reading a row-major B where it is costs nothing for a few tiles of rows; more of them earn back the copy, which keeps
// B's rows together in the cache.
constexpr int64_t kMaxTilesInPlace = 3;

}  // namespace

size_t packed_b_size(int64_t k, int64_t n) {
  const int64_t panel = gemm_tile_kernels().panel;
  return static_cast<size_t>(divide_up(n, panel) * panel * k);
}

void pack_b(int64_t k, int64_t n, const MatrixView& b, float* out, Parallel& parallel) {
  const int64_t panel = gemm_tile_kernels().panel;
  const int64_t grain = std::max<int64_t>(1, 16 * 1024 / std::max<int64_t>(1, k * panel));
  for_ranges(parallel, divide_up(n, panel), grain, [&](int64_t begin, int64_t end, int) {
    const int64_t columns = std::min(n, end * panel) - begin * panel;
    pack_panels(k, columns, MatrixView{b.data + begin * panel * b.column_stride, b.row_stride, b.column_stride}, panel,
                out + begin * panel * k);
  });
}

void gemm_packed(const GemmShape& shape, const MatrixView& a, const float* packed_b, float* c, ptrdiff_t c_stride,
                 const GemmEpilogue& epilogue, Parallel& parallel) {
  GemmStrides strides;
  strides.a_row = a.row_stride;
  strides.a_column = a.column_stride;
  strides.c_row = c_stride;
  Product product(shape, strides, epilogue);
  const GemmOperands operands{a.data, packed_b, c, nullptr};
  run_batch(
      1, product, [&](int64_t) { return operands; }, nullptr, parallel);
}

size_t gemm_workspace_size(const GemmShape& shape, int threads) {
  const GemmTileKernels& kernels = gemm_tile_kernels();
  const int64_t k_rows = k_block(shape.k);
  const int64_t panels = std::min(divide_up(shape.n, kernels.panel), panels_per_block(kernels, k_rows));
  return static_cast<size_t>(panels * kernels.panel * k_rows) * static_cast<size_t>(threads);
}

void gemm(const GemmShape& shape, const MatrixView& a, const MatrixView& b, float* c, ptrdiff_t c_stride,
          const GemmEpilogue& epilogue, float* workspace, Parallel& parallel) {
  const GemmStrides strides{a.row_stride, a.column_stride, b.row_stride, b.column_stride, c_stride};
  const GemmOperands operands{a.data, b.data, c, nullptr};
  gemm_batched(
      1, shape, strides, [&](int64_t) { return operands; }, epilogue, workspace, parallel);
}

void gemm_batched(int64_t count, const GemmShape& shape, const GemmStrides& strides,
                  FunctionRef<GemmOperands(int64_t)> operands, const GemmEpilogue& epilogue, float* workspace,
                  Parallel& parallel) {
  Product product(shape, strides, epilogue);
  product.source = strides.b_column == 1 && product.tiles <= kMaxTilesInPlace ? Source::kInPlace : Source::kWorkspace;
  run_batch(count, product, operands, workspace, parallel);
}

}  // namespace attune::kernels
