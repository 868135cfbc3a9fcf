#include "kernels/winograd.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_tile-inl.h"
#include "kernels/conv_unroll-inl.h"

#ifndef ATTUNE_KERNELS_WINOGRAD_ONCE_
#define ATTUNE_KERNELS_WINOGRAD_ONCE_
namespace attune::kernels {

/// The products of a pair of channels in a tile.
constexpr int64_t winograd_points(int64_t tile) { return (tile + 2) * (tile + 2); }

/// A run of neighbouring tiles that share scratch memory. Tiles are counted by column, then row, then image.
struct WinogradRun {
  int64_t tile;  // output rows and columns of one, 2 or 4
  const ConvShape& shape;
  const float* packed;
  const ConstImage& in;
  const Image& out;
  const ConvEpilogue& epilogue;
  RowRange rows;
  int64_t first_tile_row;
  int64_t tile_rows;
  int64_t tile_cols;
  int64_t first;       // tile of the run
  int64_t count;       // tiles of the run
  float* transformed;  // [point][block of input channels][count][lane]
};

}  // namespace attune::kernels
#endif  // ATTUNE_KERNELS_WINOGRAD_ONCE_

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// The transforms of one line of a tile of kOut outputs. Row j of the input transform holds the coefficients of the
// polynomial that vanishes at all finite points but the j-th; row i of the output transform the i-th powers of the
// points.
template <int kOut>
struct Lines;

// Points 0, +-3/4, +-3/2, infinity.
template <>
struct Lines<4> {
  static constexpr float kA = 0.75F;
  static constexpr float kB = 1.5F;
  static constexpr float kA2 = kA * kA;
  static constexpr float kB2 = kB * kB;

  static HWY_INLINE void transform_input(const BlockVector (&d)[6], BlockVector (&t)[6]) {
    const BlockTag tag;
    const BlockVector a = hn::Set(tag, kA);
    const BlockVector b = hn::Set(tag, kB);
    const BlockVector a2 = hn::Set(tag, kA2);
    const BlockVector b2 = hn::Set(tag, kB2);
    const BlockVector sum = hn::Set(tag, kA2 + kB2);
    const BlockVector product = hn::Set(tag, kA2 * kB2);
    t[0] = hn::MulAdd(product, d[0], hn::NegMulAdd(sum, d[2], d[4]));
    const BlockVector even_a = hn::NegMulAdd(b2, d[2], d[4]);
    const BlockVector odd_a = hn::NegMulAdd(b2, d[1], d[3]);
    t[1] = hn::MulAdd(a, odd_a, even_a);
    t[2] = hn::NegMulAdd(a, odd_a, even_a);
    const BlockVector even_b = hn::NegMulAdd(a2, d[2], d[4]);
    const BlockVector odd_b = hn::NegMulAdd(a2, d[1], d[3]);
    t[3] = hn::MulAdd(b, odd_b, even_b);
    t[4] = hn::NegMulAdd(b, odd_b, even_b);
    t[5] = hn::MulAdd(product, d[1], hn::NegMulAdd(sum, d[3], d[5]));
  }

  static HWY_INLINE void transform_output(const BlockVector (&m)[6], BlockVector (&y)[4]) {
    const BlockTag tag;
    const BlockVector even_a = hn::Add(m[1], m[2]);
    const BlockVector odd_a = hn::Sub(m[1], m[2]);
    const BlockVector even_b = hn::Add(m[3], m[4]);
    const BlockVector odd_b = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(m[0], hn::Add(even_a, even_b));
    y[1] = hn::MulAdd(hn::Set(tag, kB), odd_b, hn::Mul(hn::Set(tag, kA), odd_a));
    y[2] = hn::MulAdd(hn::Set(tag, kB2), even_b, hn::Mul(hn::Set(tag, kA2), even_a));
    y[3] = hn::MulAdd(hn::Set(tag, kB2 * kB), odd_b, hn::MulAdd(hn::Set(tag, kA2 * kA), odd_a, m[5]));
  }
};

// Points 0, +-1, infinity.
template <>
struct Lines<2> {
  static HWY_INLINE void transform_input(const BlockVector (&d)[4], BlockVector (&t)[4]) {
    t[0] = hn::Sub(d[2], d[0]);
    t[1] = hn::Add(d[2], d[1]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[3], d[1]);
  }

  static HWY_INLINE void transform_output(const BlockVector (&m)[4], BlockVector (&y)[2]) {
    y[0] = hn::Add(m[0], hn::Add(m[1], m[2]));
    y[1] = hn::Add(hn::Sub(m[1], m[2]), m[3]);
  }
};

struct TilePlace {
  int64_t image;
  int64_t y;  // of the first output pixel
  int64_t x;
};

template <int kOut>
TilePlace place_tile(const WinogradRun& run, int64_t tile) {
  const int64_t index = run.first + tile;
  const int64_t row = index / run.tile_cols % run.tile_rows;
  return {index / run.tile_cols / run.tile_rows, (run.first_tile_row + row) * kOut, index % run.tile_cols * kOut};
}

// One tile of one block of input channels.
template <int kOut>
void transform_input(const WinogradRun& run, int64_t block, int64_t tile) {
  constexpr int kIn = kOut + 2;
  constexpr int kPoints = kIn * kIn;
  const BlockTag d;
  const ConvShape& shape = run.shape;
  const TilePlace place = place_tile<kOut>(run, tile);
  const int64_t y = place.y - shape.pad_top;
  const int64_t x = place.x - shape.pad_left;
  const float* in = run.in.data + place.image * run.in.image_stride + block * run.in.channel_stride;
  const float* pixel[kPoints];
  if (y >= 0 && x >= 0 && y + kIn <= shape.in_h && x + kIn <= shape.in_w) {
    const float* corner = in + y * run.in.row_stride + x * kBlock;
    for (int i = 0; i < kPoints; ++i) pixel[i] = corner + i / kIn * run.in.row_stride + i % kIn * kBlock;
  } else {
    for (int i = 0; i < kPoints; ++i) {
      const int64_t row = y + i / kIn;
      const int64_t col = x + i % kIn;
      const bool inside = row >= 0 && col >= 0 && row < shape.in_h && col < shape.in_w;
      pixel[i] = inside ? in + row * run.in.row_stride + col * kBlock : kZeroBlock;
    }
  }
  const int64_t blocks = count_blocks(shape.in_channels, kBlock);
  const int64_t point_stride = blocks * run.count * kBlock;
  float* out = run.transformed + (block * run.count + tile) * kBlock;
  HWY_ALIGN float half[kPoints * kLanes];
  for (int v = 0; v < kBlock; v += kLanes) {
    for (int column = 0; column < kIn; ++column) {
      BlockVector line[kIn];
      BlockVector result[kIn];
      unroll<kIn>([&](auto i) ATTUNE_UNROLLED { line[i()] = hn::LoadU(d, pixel[i() * kIn + column] + v); });
      Lines<kOut>::transform_input(line, result);
      unroll<kIn>([&](auto i) ATTUNE_UNROLLED { hn::Store(result[i()], d, half + (i() * kIn + column) * kLanes); });
    }
    for (int row = 0; row < kIn; ++row) {
      BlockVector line[kIn];
      BlockVector result[kIn];
      unroll<kIn>([&](auto i) ATTUNE_UNROLLED { line[i()] = hn::Load(d, half + (row * kIn + i()) * kLanes); });
      Lines<kOut>::transform_input(line, result);
      unroll<kIn>([&](auto i)
                      ATTUNE_UNROLLED { hn::StoreU(result[i()], d, out + (row * kIn + i()) * point_stride + v); });
    }
  }
}

// One tile of one output block: the sums of all points, `stride` apart, to the pixels that the call asked for.
template <int kOut>
void transform_output(const WinogradRun& run, const Finish& finish, int64_t block, int64_t tile, const float* sums,
                      int64_t stride) {
  constexpr int kIn = kOut + 2;
  const BlockTag d;
  const ConvEpilogue& epilogue = run.epilogue;
  const int64_t channels = std::min<int64_t>(kBlock, run.shape.out_channels - block * kBlock);
  HWY_ALIGN float half[kOut * kIn * kLanes];
  HWY_ALIGN float result[kOut * kOut * kBlock];
  HWY_ALIGN float bias[kBlock] = {};
  if (epilogue.bias != nullptr) std::copy_n(epilogue.bias + block * kBlock, channels, bias);
  for (int v = 0; v < kBlock; v += kLanes) {
    for (int column = 0; column < kIn; ++column) {
      BlockVector line[kIn];
      BlockVector y[kOut];
      unroll<kIn>([&](auto i) ATTUNE_UNROLLED { line[i()] = hn::LoadU(d, sums + (i() * kIn + column) * stride + v); });
      Lines<kOut>::transform_output(line, y);
      unroll<kOut>([&](auto i) ATTUNE_UNROLLED { hn::Store(y[i()], d, half + (i() * kIn + column) * kLanes); });
    }
    const BlockVector bias_vector = hn::Load(d, bias + v);
    for (int row = 0; row < kOut; ++row) {
      BlockVector line[kIn];
      BlockVector y[kOut];
      unroll<kIn>([&](auto i) ATTUNE_UNROLLED { line[i()] = hn::Load(d, half + (row * kIn + i()) * kLanes); });
      Lines<kOut>::transform_output(line, y);
      unroll<kOut>([&](auto i) ATTUNE_UNROLLED {
        hn::Store(hn::Add(y[i()], bias_vector), d, result + (row * kOut + i()) * kBlock + v);
      });
    }
  }
  const ConstImage& residual = epilogue.residual;
  const bool residual_last = residual.data != nullptr && epilogue.act_before_add;
  const TilePlace place = place_tile<kOut>(run, tile);
  const int64_t begin_y = std::max(place.y, run.rows.begin);
  const int64_t end_y = std::min(place.y + kOut, run.rows.end);
  const int64_t width = std::min<int64_t>(kOut, run.shape.out_w() - place.x);
  const BlockVector low = hn::Set(d, finish.low);
  const BlockVector high = hn::Set(d, finish.high);
  for (int64_t y = begin_y; y < end_y; ++y) {
    float* line = result + (y - place.y) * kOut * kBlock;
    float* out = run.out.data + place.image * run.out.image_stride + block * run.out.channel_stride +
                 y * run.out.row_stride + place.x * kBlock;
    const float* add = nullptr;
    if (residual.data != nullptr) {
      add = residual.data + place.image * residual.image_stride + block * residual.channel_stride +
            y * residual.row_stride + place.x * kBlock;
    }
    for (int64_t i = 0; i < width * kBlock; i += kLanes) {
      BlockVector value = hn::Load(d, line + i);
      if (add != nullptr && !residual_last) value = hn::Add(value, hn::LoadU(d, add + i));
      if (finish.clamp) value = min_keep_nan(max_keep_nan(value, low), high);
      if (finish.after_store) {
        hn::Store(value, d, line + i);
      } else {
        hn::StoreU(value, d, out + i);
      }
    }
    if (finish.after_store) finish_row(epilogue.activation, line, out, width * kBlock, residual_last ? add : nullptr);
  }
}

template <int kOut>
void transform_inputs(const WinogradRun& run, int64_t begin, int64_t end) {
  for (int64_t item = begin; item < end; ++item) transform_input<kOut>(run, item / run.count, item % run.count);
}

template <int kOut>
void transform_outputs(const WinogradRun& run, int64_t first_block, int64_t blocks, int64_t begin, int64_t end,
                       const float* sums) {
  const Finish finish = make_finish(run.epilogue);
  const int64_t tiles = end - begin;
  for (int64_t m = 0; m < blocks; ++m) {
    for (int64_t t = 0; t < tiles; ++t) {
      transform_output<kOut>(run, finish, first_block + m, begin + t, sums + (m * tiles + t) * kBlock,
                             blocks * tiles * kBlock);
    }
  }
}

}  // namespace

// The input transform of items [begin, end), which are tiles of a block, then the next block.
void transform_winograd_input(const WinogradRun& run, int64_t begin, int64_t end) {
  run.tile == 4 ? transform_inputs<4>(run, begin, end) : transform_inputs<2>(run, begin, end);
}

// The products and the output transform of one panel of output blocks and tiles [begin, end) of the run. `sums` is
// scratch, [point][block of the panel][tile][lane].
void multiply_winograd(const WinogradRun& run, int64_t panel, int64_t begin, int64_t end, float* sums) {
  const int64_t points = winograd_points(run.tile);
  const ConvShape& shape = run.shape;
  const int64_t in_blocks = count_blocks(shape.in_channels, kBlock);
  const int64_t all_blocks = count_blocks(shape.out_channels, kBlock);
  const int64_t panels = count_blocks(all_blocks, kMaxTileBlocks);
  const int64_t first_block = all_blocks * panel / panels;
  const int64_t blocks = all_blocks * (panel + 1) / panels - first_block;
  const int64_t tiles = end - begin;
  const int64_t point_weights = shape.in_channels * blocks * kBlock;
  const float* weights = run.packed + points * shape.in_channels * first_block * kBlock;
  const float* packed_end = run.packed + points * shape.in_channels * all_blocks * kBlock;
  HWY_ALIGN static constexpr float kNoBias[kMaxTileBlocks * kBlock] = {};

  Tile tile;
  tile.in_channel_stride = run.count * kBlock;
  tile.first_lane = 0;
  tile.channels = shape.in_channels;
  tile.in_w = 0;
  tile.tap_row_begin = 0;
  tile.tap_row_end = 1;
  tile.tap_cols = 1;
  tile.tap_row_offset = 0;
  tile.tap_col_step = 0;
  tile.weights_row_offset = 0;
  tile.weights_col_offset = 0;
  tile.clipped = false;
  tile.out_channel_stride = tiles * kBlock;
  tile.bias = kNoBias;
  tile.residual[0] = nullptr;
  tile.residual_channel_stride = 0;
  tile.clamp = false;
  tile.in_offset[0] = 0;
  for (int64_t point = 0; point < points; ++point) {
    tile.weights = weights + point * point_weights;
    tile.in = run.transformed + (point * in_blocks * run.count + begin) * kBlock;
    tile.out[0] = sums + point * blocks * tiles * kBlock;
    tile.plan_prefetch(tile.weights + point_weights, packed_end, blocks * kBlock,
                       count_blocks(tiles, tile_pixels(static_cast<int>(blocks))));
    for_dense_tiles(blocks, tiles,
                    [&](ComputeTiles compute, int64_t, int64_t first, int64_t count) { compute(tile, first, count); });
  }
  if (run.tile == 4) {
    transform_outputs<4>(run, first_block, blocks, begin, end, sums);
  } else {
    transform_outputs<2>(run, first_block, blocks, begin, end, sums);
  }
}

int64_t winograd_panel_blocks() { return kMaxTileBlocks; }

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(transform_winograd_input);
HWY_EXPORT(multiply_winograd);
HWY_EXPORT(winograd_panel_blocks);

namespace {

// Tiles that are multiplied at once: each weight then serves this many products, so that it may come from the
// third-level cache, and the sums of a panel (432 KiB with AVX-512) stay in the second.
constexpr int64_t tiles_at_once(int64_t tile) { return tile == 4 ? 48 : 96; }
// The transformed input that a thread's share of a run may take, to stay in its second-level cache.
constexpr int64_t kRunBytes = 768 << 10;
// Transforming this many tiles of a block takes about 10 us.
constexpr int64_t transforms_per_task(int64_t tile) { return tile == 4 ? 160 : 360; }

struct WinogradSizes {
  int64_t panels;
  int64_t panel_floats;  // of output channels
  int64_t run_tiles;
};

WinogradSizes winograd_sizes(const ConvShape& shape, int64_t tile, int threads) {
  const int64_t block = block_channels();
  const int64_t most = HWY_DYNAMIC_DISPATCH(winograd_panel_blocks)();
  const int64_t blocks = count_blocks(shape.out_channels, block);
  const int64_t panels = count_blocks(blocks, most);
  const int64_t in_channels = count_blocks(shape.in_channels, block) * block;
  const int64_t tile_bytes = winograd_points(tile) * in_channels * static_cast<int64_t>(sizeof(float));
  const int64_t fitting = threads * (kRunBytes / tile_bytes);
  const int64_t all = shape.batch * count_blocks(shape.out_h(), tile) * count_blocks(shape.out_w(), tile);
  // Few panels leave the cut into tiles to occupy the threads.
  const int64_t at_once = tiles_at_once(tile);
  const int64_t busy = at_once * ((threads + panels - 1) / panels);
  return {panels, (blocks + panels - 1) / panels * block, std::min(std::max({fitting, busy, at_once}), all)};
}

// Rows of G: 1, p, p^2 over the product of p's distances to the other finite points; the last row is infinity's.
struct WeightTransform {
  int64_t size;
  double matrix[6][3] = {};

  explicit WeightTransform(int64_t tile) : size(tile + 2) {
    static constexpr double kPoints4[5] = {0.0, 0.75, -0.75, 1.5, -1.5};
    static constexpr double kPoints2[3] = {0.0, 1.0, -1.0};
    const double* points = tile == 4 ? kPoints4 : kPoints2;
    for (int64_t j = 0; j < size - 1; ++j) {
      double scale = 1.0;
      for (int64_t i = 0; i < size - 1; ++i) scale *= i == j ? 1.0 : points[j] - points[i];
      double power = 1.0;
      for (int64_t i = 0; i < 3; ++i, power *= points[j]) matrix[j][i] = power / scale;
    }
    matrix[size - 1][2] = 1.0;
  }

  // u = G g G^T for one pair of channels.
  void transform(const float* g, double* u) const {
    double half[6][3];
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < 3; ++j) {
        half[i][j] = matrix[i][0] * g[j] + matrix[i][1] * g[3 + j] + matrix[i][2] * g[6 + j];
      }
    }
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < size; ++j) {
        u[i * size + j] = half[i][0] * matrix[j][0] + half[i][1] * matrix[j][1] + half[i][2] * matrix[j][2];
      }
    }
  }
};

}  // namespace

int64_t packed_winograd_size(const ConvShape& shape, int64_t tile) {
  const int64_t block = block_channels();
  return winograd_points(tile) * shape.in_channels * count_blocks(shape.out_channels, block) * block;
}

void pack_winograd(const ConvShape& shape, int64_t tile, const float* weights, float* packed, Parallel& parallel) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(shape.out_channels, block);
  const int64_t panels = count_blocks(blocks, HWY_DYNAMIC_DISPATCH(winograd_panel_blocks)());
  const int64_t points = winograd_points(tile);
  const WeightTransform transform(tile);
  parallel.for_each(panels, [&](int64_t panel, int) {
    const int64_t first = blocks * panel / panels * block;
    const int64_t width = blocks * (panel + 1) / panels * block - first;
    float* out = packed + points * shape.in_channels * first;
    for (int64_t i = 0; i < shape.in_channels; ++i) {
      for (int64_t lane = 0; lane < width; ++lane) {
        const int64_t channel = first + lane;
        double u[winograd_points(4)] = {};
        if (channel < shape.out_channels) transform.transform(weights + (channel * shape.in_channels + i) * 9, u);
        for (int64_t point = 0; point < points; ++point) {
          out[(point * shape.in_channels + i) * width + lane] = static_cast<float>(u[point]);
        }
      }
    }
  });
}

int64_t winograd_workspace_size(const ConvShape& shape, int64_t tile, int threads) {
  const WinogradSizes sizes = winograd_sizes(shape, tile, threads);
  const int64_t block = block_channels();
  const int64_t in_channels = count_blocks(shape.in_channels, block) * block;
  return winograd_points(tile) * (sizes.run_tiles * in_channels +
                                  threads * std::min(tiles_at_once(tile), sizes.run_tiles) * sizes.panel_floats);
}

void run_winograd(const ConvShape& shape, int64_t tile, const float* packed, const ConstImage& in, const Image& out,
                  const ConvEpilogue& epilogue, RowRange rows, float* workspace, Parallel& parallel) {
  const int threads = parallel.threads();
  const WinogradSizes sizes = winograd_sizes(shape, tile, threads);
  const int64_t block = block_channels();
  const int64_t in_blocks = count_blocks(shape.in_channels, block);
  const int64_t points = winograd_points(tile);
  const int64_t at_once = tiles_at_once(tile);
  float* scratch = workspace + points * sizes.run_tiles * in_blocks * block;
  const int64_t scratch_size = points * std::min(at_once, sizes.run_tiles) * sizes.panel_floats;

  WinogradRun run{tile, shape, packed, in, out, epilogue, rows, 0, 0, 0, 0, 0, workspace};
  run.first_tile_row = rows.begin / tile;
  run.tile_rows = count_blocks(rows.end, tile) - run.first_tile_row;
  run.tile_cols = count_blocks(shape.out_w(), tile);
  const int64_t tiles = shape.batch * run.tile_rows * run.tile_cols;
  const auto transform = HWY_DYNAMIC_DISPATCH(transform_winograd_input);
  const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_winograd);
  const int64_t runs = (tiles + sizes.run_tiles - 1) / sizes.run_tiles;
  for (int64_t i = 0; i < runs; ++i) {
    run.first = tiles * i / runs;
    run.count = tiles * (i + 1) / runs - run.first;
    for_ranges(parallel, in_blocks * run.count, transforms_per_task(tile),
               [&](int64_t begin, int64_t end, int) { transform(run, begin, end); });
    // Three tasks for each thread where that leaves tiles enough to reuse a weight.
    const int64_t balanced = threads == 1 ? 1 : (3 * threads + sizes.panels - 1) / sizes.panels;
    const int64_t parts = std::max(count_blocks(run.count, at_once), std::min(balanced, count_blocks(run.count, 24)));
    parallel.for_each(parts * sizes.panels, [&](int64_t index, int thread) {
      // Parts run fastest: they share the panel's weights.
      const int64_t part = index % parts;
      multiply(run, index / parts, run.count * part / parts, run.count * (part + 1) / parts,
               scratch + thread * scratch_size);
    });
  }
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
