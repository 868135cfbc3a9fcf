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
constexpr int64_t kMinPanelsForCopy = 2;

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
  ColumnOrder order;
  const GemmEpilogue& epilogue;

  Product(const GemmShape& product_shape, const GemmStrides& product_strides, const GemmEpilogue& product_epilogue)
      : kernels(gemm_tile_kernels()),
        shape(product_shape),
        tiles(divide_up(shape.m, kernels.max_rows)),
        panels(divide_up(shape.n, kernels.panel)),
        strides(product_strides),
        source(Source::kPacked),
        order(ColumnOrder::kForwards),
        epilogue(product_epilogue) {}

  // Multiply-adds fill both units of a core of about 2.5 GHz; with few rows, reading B takes longer: a core reads about
  // 40 GB/s from the last cache.
  int64_t nanoseconds() const {
    const double cycles = static_cast<double>(shape.m) * static_cast<double>(panels) * static_cast<double>(shape.k + 8);
    const double bytes = static_cast<double>(shape.n) * static_cast<double>(shape.k) * sizeof(float);
    return static_cast<int64_t>(std::max(cycles / 2.5, bytes / 40));
  }
};

bool changes_nothing(const GemmEpilogue& e) {
  return e.scale == 1.0F && e.bias == nullptr && e.bias_rows == nullptr && e.residual == nullptr &&
         e.activation.kind == Activation::Kind::kNone;
}

// The calls that compute panels [begin, end) of a tile: kernels `wide` panels wide (0: there are none) as far as they
// fit before `wide_end`, then kernels of one panel.
struct PanelWalk {
  int64_t begin;
  int64_t wide;
  int64_t wide_calls;
  int64_t calls;

  PanelWalk(int64_t first, int64_t end, int64_t wide_end, int64_t wide_panels)
      : begin(first),
        wide(wide_panels),
        wide_calls(wide == 0 ? 0 : std::max<int64_t>(0, wide_end - begin) / wide),
        calls(wide_calls + end - begin - wide_calls * wide) {}

  int64_t panel(int64_t call) const {
    return begin + (call < wide_calls ? call * wide : wide_calls * wide + call - wide_calls);
  }
  int64_t width(int64_t call) const { return call < wide_calls ? wide : 1; }
};

// Computes one rectangle. `workspace` is this thread's.
class RectangleRun {
 public:
  RectangleRun(const Product& product, const GemmOperands& operands, const Rectangle& rectangle, float* workspace)
      : p_(product), operands_(operands), r_(rectangle), workspace_(workspace), epilogue_(product.epilogue) {
    tile_.a_row = p_.strides.a_row;
    tile_.a_column = p_.strides.a_column;
    tile_.c_row = p_.strides.c_row;
    if (operands.residual != nullptr) epilogue_.residual = operands.residual;
    // A residual that is not to be added to scaled sums begins them instead. It may then be C itself, although sums of
    // earlier blocks of k wait there. So does the bias.
    if (epilogue_.scale == 1.0F) {
      start_ = std::exchange(epilogue_.residual, nullptr);
      start_bias_ = std::exchange(epilogue_.bias, nullptr);
    }
    residual_is_c_ = epilogue_.residual != nullptr && epilogue_.residual == operands.c;
    tile_.start_row = epilogue_.residual_stride;
  }

  void run() {
    const GemmEpilogue* last_epilogue = changes_nothing(epilogue_) ? nullptr : &epilogue_;
    const int64_t k = p_.shape.k;
    const int64_t k_rows = residual_is_c_ && p_.source == Source::kPacked ? k : k_block(k);
    const int64_t block = panels_per_block(p_.kernels, k_rows);
    const int64_t blocks = divide_up(r_.panel_end - r_.panel_begin, block);
    for (int64_t i = 0; i < blocks; ++i) {
      panel_begin_ = r_.panel_begin + (p_.order == ColumnOrder::kForwards ? i : blocks - 1 - i) * block;
      panel_end_ = std::min(panel_begin_ + block, r_.panel_end);
      k_begin_ = 0;
      do {
        const int64_t k_end = std::min(k_begin_ + k_rows, k);
        tile_.k = k_end - k_begin_;
        tile_.accumulate = k_begin_ > 0 || start_ != nullptr;
        tile_.epilogue = k_end == k ? last_epilogue : nullptr;
        pack_block();
        run_block(k_end);
        k_begin_ = k_end;
      } while (k_begin_ < k);
    }
  }

 private:
  struct Rows {
    int64_t begin;
    int64_t count;
  };
  Rows rows_of(int64_t tile) const {
    const int64_t begin = tile_begin(p_.shape.m, p_.tiles, tile);
    return {begin, tile_begin(p_.shape.m, p_.tiles, tile + 1) - begin};
  }

  const float* a_of(int64_t row, int64_t k) const {
    return operands_.a + row * p_.strides.a_row + k * p_.strides.a_column;
  }

  // Copies what the kernels cannot read in place; packed_begin_ is the first panel of this block in the workspace.
  void pack_block() {
    packed_begin_ = panel_end_;
    const int64_t width = p_.kernels.panel;
    const int64_t tail = p_.shape.n - (panel_end_ - 1) * width;
    if (p_.source == Source::kWorkspace) packed_begin_ = panel_begin_;
    if (p_.source == Source::kInPlace && tail < width && tail * 2 != width) packed_begin_ = panel_end_ - 1;
    if (packed_begin_ == panel_end_ || tile_.k == 0) return;
    const int64_t columns = std::min(p_.shape.n, panel_end_ * width) - packed_begin_ * width;
    const float* b = operands_.b + k_begin_ * p_.strides.b_row + packed_begin_ * width * p_.strides.b_column;
    pack_panels(tile_.k, columns, MatrixView{b, p_.strides.b_row, p_.strides.b_column}, width, workspace_);
  }

  // A tile of A stays in the first-level cache while panels, and tiles of C beside each other, pass by.
  void run_block(int64_t k_end) {
    alignas(64) float copied_a[GemmTileKernels::kMaxRows * kCopiedStride];
    const int64_t panels = panel_end_ - panel_begin_;
    const bool copies_a = p_.strides.a_row % kConflictingStride == 0 && p_.strides.a_column == 1 &&
                          tile_.k <= kMaxBlock && panels >= kMinPanelsForCopy;
    tile_.a_row = copies_a ? kCopiedStride : p_.strides.a_row;
    for (int64_t i = r_.tile_begin; i < r_.tile_end; ++i) {
      const Rows rows = rows_of(i);
      tile_.a = a_of(rows.begin, k_begin_);
      if (copies_a) {
        for (int64_t row = 0; row < rows.count; ++row) {
          std::copy_n(tile_.a + row * p_.strides.a_row, tile_.k, copied_a + row * kCopiedStride);
        }
        tile_.a = copied_a;
      }
      // What comes after this tile: the next one, of the next block of k or the same. Each call asks for its share.
      const bool is_last = i + 1 == r_.tile_end;
      const float* next_a = nullptr;
      Rows next{0, 0};
      if (p_.strides.a_column == 1 && !(is_last && k_end == p_.shape.k)) {
        next = rows_of(is_last ? r_.tile_begin : i + 1);
        next_a = a_of(next.begin, is_last ? k_end : k_begin_);
      }
      const int64_t wide = rows.count <= GemmTileKernels::kMaxWideRows ? p_.kernels.wide_panels[rows.count] : 0;
      for (const PanelWalk& walk : {PanelWalk(panel_begin_, packed_begin_, whole_end(), wide),
                                    PanelWalk(packed_begin_, panel_end_, panel_end_, wide)}) {
        for (int64_t call = 0; call < walk.calls; ++call) {
          const int64_t index = p_.order == ColumnOrder::kForwards ? call : walk.calls - 1 - call;
          const int64_t j = walk.panel(index);
          const int64_t first = tile_begin(next.count, panels, j - panel_begin_);
          const int64_t last = tile_begin(next.count, panels, j - panel_begin_ + 1);
          tile_.ahead_a = {};
          if (first < last) {
            const float* a = next_a + first * p_.strides.a_row;
            tile_.ahead_a = GemmAhead{a, p_.strides.a_row, kLineFloats, static_cast<int>(last - first)};
          }
          run_tile(rows, j, walk.width(index));
        }
      }
    }
  }

  // Panels of this block before this one have all their columns.
  int64_t whole_end() const {
    return p_.source == Source::kInPlace ? std::min(packed_begin_, p_.shape.n / p_.kernels.panel) : packed_begin_;
  }

  void set_panel(int64_t j) {
    const int64_t width = p_.kernels.panel;
    if (j >= packed_begin_) {
      tile_.b = workspace_ + (j - packed_begin_) * tile_.k * width;
      tile_.b_row = width;
      tile_.b_panel = tile_.k * width;
    } else if (p_.source == Source::kPacked) {
      tile_.b = operands_.b + (j * p_.shape.k + k_begin_) * width;
      tile_.b_row = width;
      tile_.b_panel = p_.shape.k * width;
    } else {
      tile_.b = operands_.b + k_begin_ * p_.strides.b_row + j * width;
      tile_.b_row = p_.strides.b_row;
      tile_.b_panel = width;
    }
  }

  // Computes `width` panels from panel `j` on.
  void run_tile(const Rows& rows, int64_t j, int64_t width) {
    const int64_t panel = p_.kernels.panel;
    set_panel(j);
    tile_.row = rows.begin;
    tile_.column = j * panel;
    tile_.columns = std::min(p_.shape.n - tile_.column, width * panel);
    tile_.c = operands_.c + tile_.row * tile_.c_row + tile_.column;
    tile_.start_bias = k_begin_ == 0 && start_bias_ != nullptr ? start_bias_ + tile_.column : nullptr;
    tile_.start = k_begin_ == 0 && start_ != nullptr ? start_ + tile_.row * tile_.start_row + tile_.column : nullptr;
    // The next tile of C lies to the right, or below at the beginning of the block.
    const float* next_c = j + width < panel_end_
                              ? tile_.c + width * panel
                              : operands_.c + (tile_.row + rows.count) * tile_.c_row + panel_begin_ * panel;
    tile_.ahead_c = GemmAhead{next_c, kLineFloats, tile_.c_row, static_cast<int>(divide_up(panel, kLineFloats))};
    if (width > 1) {
      p_.kernels.wide[rows.count](tile_);
    } else {
      run_gemm_tile(p_.kernels, rows.count, tile_);
    }
  }

  const Product& p_;
  const GemmOperands& operands_;
  const Rectangle& r_;
  float* workspace_;
  GemmEpilogue epilogue_;
  bool residual_is_c_ = false;
  const float* start_ = nullptr;
  const float* start_bias_ = nullptr;
  GemmTile tile_;
  int64_t panel_begin_ = 0;  // the block of panels
  int64_t panel_end_ = 0;
  int64_t packed_begin_ = 0;
  int64_t k_begin_ = 0;
};

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
    for (int64_t i = 0; i < count; ++i) RectangleRun(p, operands(i), everything, workspace).run();
    return;
  }
  const size_t thread_floats = p.source == Source::kPacked ? 0 : gemm_workspace_size(p.shape, 1);
  if (count >= most) {
    // Whole products, several to a task if they are small.
    const int64_t tasks = std::min(count, std::max(most, int64_t{1}));
    parallel.for_each(tasks, [&](int64_t index, int thread) {
      const int64_t end = tile_begin(count, tasks, index + 1);
      for (int64_t i = tile_begin(count, tasks, index); i < end; ++i) {
        RectangleRun(p, operands(i), everything, workspace + static_cast<size_t>(thread) * thread_floats).run();
      }
    });
    return;
  }
  const Grid grid = choose_grid(p, divide_up(most, count), threads);
  parallel.for_each(count * grid.count(), [&](int64_t index, int thread) {
    const GemmOperands product = operands(index / grid.count());
    const Rectangle rectangle = rectangle_of(p, grid, index % grid.count());
    RectangleRun(p, product, rectangle, workspace + static_cast<size_t>(thread) * thread_floats).run();
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
                 const GemmEpilogue& epilogue, Parallel& parallel, ColumnOrder order) {
  GemmStrides strides;
  strides.a_row = a.row_stride;
  strides.a_column = a.column_stride;
  strides.c_row = c_stride;
  Product product(shape, strides, epilogue);
  product.order = order;
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
