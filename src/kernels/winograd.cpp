#include "kernels/winograd.h"

#include <algorithm>

#include "kernels/simd.h"
#include "kernels/winograd_points.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/winograd.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_tile-inl.h"
#include "kernels/conv_unroll-inl.h"
#include "kernels/winograd_transform-inl.h"

#ifndef ATTUNE_KERNELS_WINOGRAD_ONCE_
#define ATTUNE_KERNELS_WINOGRAD_ONCE_
namespace attune::kernels {

/// The floats between two points whose data take `floats`, a multiple of a block: an odd number of cache lines, since a
/// tile's transform touches all points, and lines 4 KiB apart compete for the same few places of a first-level cache.
constexpr int64_t point_stride(int64_t floats) { return ((floats + 15) / 16 | 1) * 16; }

/// The tiles along one axis of the output. With dilation d every d-th pixel belongs together, so an axis is d phases,
/// each an axis of its own; phase p has the pixels p, p + d, p + 2 d, ...
struct TileAxis {
  int64_t step;    // the dilation
  int64_t phases;  // those that have a pixel
  int64_t first;   // tile of each phase
  int64_t tiles;   // of each phase; the last one may lie beyond the end

  int64_t count() const { return phases * tiles; }
};

/// A run of neighbouring tiles that share scratch memory. Tiles are counted by column, then row, then image; those of a
/// phase lie together.
struct WinogradRun {
  int64_t tile;  // output rows and columns of one: 2, 4 or 6
  const ConvShape& shape;
  const float* packed;
  const ConstImage& in;
  const Image& out;
  const ConvEpilogue& epilogue;
  RowRange rows;
  TileAxis y;
  TileAxis x;
  int64_t first;       // tile of the run
  int64_t count;       // tiles of the run
  float* transformed;  // [point][block of input channels][count][lane], points point_stride() apart
};

}  // namespace attune::kernels
#endif  // ATTUNE_KERNELS_WINOGRAD_ONCE_

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// The tiles along one axis, one after another; next() is true when it begins anew.
class AxisWalk {
 public:
  AxisWalk(const TileAxis& axis, int64_t tile_size, int64_t index)
      : axis_(axis), tile_size_(tile_size), phase_(index / axis.tiles), tile_(index % axis.tiles) {}
  // The first output pixel.
  int64_t pixel() const { return (axis_.first + tile_) * tile_size_ * axis_.step + phase_; }
  bool next() {
    if (++tile_ < axis_.tiles) return false;
    tile_ = 0;
    if (++phase_ < axis_.phases) return false;
    phase_ = 0;
    return true;
  }

 private:
  const TileAxis& axis_;
  int64_t tile_size_;
  int64_t phase_;
  int64_t tile_;
};

// Where the tiles of a run lie, one after another.
class TileWalk {
 public:
  TileWalk(const WinogradRun& run, int64_t tile)
      : x_(run.x, run.tile, (run.first + tile) % run.x.count()),
        y_(run.y, run.tile, (run.first + tile) / run.x.count() % run.y.count()),
        image_((run.first + tile) / run.x.count() / run.y.count()) {}
  int64_t image() const { return image_; }
  // Of the first output pixel.
  int64_t y() const { return y_.pixel(); }
  int64_t x() const { return x_.pixel(); }
  void next() {
    if (x_.next() && y_.next()) ++image_;
  }

 private:
  AxisWalk x_;
  AxisWalk y_;
  int64_t image_;
};

// Calls the rows of a tile that is needed soon into the cache; `columns` are those that the tile before does not have.
// The tiles of a run are rows of a few KiB, too short for what the hardware foresees.
template <bool kWrites>
HWY_INLINE void prefetch_rows(const float* first, int64_t row_stride, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* line = first + row * row_stride;
    for (int64_t i = 0; i < columns * kBlock; i += 16) __builtin_prefetch(line + i, kWrites ? 1 : 0);
  }
}

// Of `size` pixels in a row of which the first is pixel `first` of an image's row of `width`, `step` pixels apart,
// those that the image has.
inline RowRange pixels_within(int64_t first, int64_t step, int64_t size, int64_t width) {
  // Divisions take as long as a good part of a tile's transform.
  const auto steps_to = [step](int64_t distance) { return step == 1 ? distance : count_blocks(distance, step); };
  const int64_t begin = std::clamp<int64_t>(steps_to(-first), 0, size);
  return {begin, std::clamp<int64_t>(steps_to(width - first), begin, size)};
}

// Copies rows and columns of a tile between an image, where they lie a dilation apart, and memory where they do not.
HWY_INLINE void copy_tile(const float* from, int64_t from_row, int64_t from_column, float* to, int64_t to_row,
                          int64_t to_column, RowRange rows, RowRange columns) {
  const BlockTag d;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t column = columns.begin; column < columns.end; ++column) {
      const float* in = from + row * from_row + column * from_column;
      float* out = to + row * to_row + column * to_column;
      for (int v = 0; v < kBlock; v += kLanes) hn::StoreU(hn::LoadU(d, in + v), d, out + v);
    }
  }
}

// Copies a tile of input whose first pixel is row y, column x, to `patch`, with zeros where the tile leaves the image.
template <int kIn>
HWY_NOINLINE void copy_patch(const ConvShape& shape, const float* in, int64_t row_stride, int64_t y, int64_t x,
                             float* patch) {
  const RowRange rows = pixels_within(y, shape.dilation_h, kIn, shape.in_h);
  const RowRange columns = pixels_within(x, shape.dilation_w, kIn, shape.in_w);
  std::fill_n(patch, kIn * kIn * kBlock, 0.0F);
  copy_tile(in + y * row_stride + x * kBlock, shape.dilation_h * row_stride, shape.dilation_w * kBlock, patch,
            kIn * kBlock, kBlock, rows, columns);
}

template <int kOut>
void transform_inputs(const WinogradRun& run, int64_t begin, int64_t end) {
  constexpr int kIn = kOut + 2;
  const ConvShape& shape = run.shape;
  const int64_t stride = point_stride(count_blocks(shape.in_channels, kBlock) * run.count * kBlock);
  const bool dilated = shape.dilation_h > 1 || shape.dilation_w > 1;
  HWY_ALIGN float patch[kIn * kIn * kBlock];
  while (begin < end) {
    const int64_t block = begin / run.count;
    const int64_t stop = std::min(end, (block + 1) * run.count);
    for (TileWalk walk(run, begin - block * run.count); begin < stop; ++begin, walk.next()) {
      const int64_t y = walk.y() - shape.pad_top;
      const int64_t x = walk.x() - shape.pad_left;
      const float* in = run.in.data + walk.image() * run.in.image_stride + block * run.in.channel_stride;
      int64_t row_stride = run.in.row_stride;
      const float* corner = patch;
      if (!dilated && y >= 0 && x >= 0 && y + kIn <= shape.in_h && x + kIn <= shape.in_w) {
        corner = in + y * row_stride + x * kBlock;
        prefetch_rows<false>(corner + kIn * kBlock, row_stride, kIn, kOut);
      } else {
        copy_patch<kIn>(shape, in, row_stride, y, x, patch);
        row_stride = kIn * kBlock;
      }
      for (int v = 0; v < kBlock; v += kLanes) {
        transform_input_vector<kOut>(corner + v, row_stride, run.transformed + begin * kBlock + v, stride);
      }
    }
  }
}

// Tiles [begin, end) of the run and `blocks` output blocks. `sums` is [point][block][tile][lane].
template <int kOut>
void transform_outputs(const WinogradRun& run, int64_t first_block, int64_t blocks, int64_t begin, int64_t end,
                       const float* sums) {
  const Finish finish = make_finish(run.epilogue);
  const ConstImage& residual = run.epilogue.residual;
  const bool residual_last = residual.data != nullptr && run.epilogue.act_before_add;
  const int64_t out_w = run.shape.out_w();
  const int64_t stride = point_stride(blocks * (end - begin) * kBlock);
  HWY_ALIGN float bias[kBlock];
  const int64_t step_y = run.y.step;
  const int64_t step_x = run.x.step;
  const bool dilated = step_y > 1 || step_x > 1;
  const bool in_scratch = finish.after_store || dilated;
  constexpr int64_t kScratchRow = kOut * kBlock;
  HWY_ALIGN float scratch[kOut * kScratchRow];
  HWY_ALIGN float residual_scratch[kOut * kScratchRow];
  OutputTile tile;
  tile.out_row_stride = in_scratch ? kScratchRow : run.out.row_stride;
  tile.residual_row_stride = dilated ? kScratchRow : residual.row_stride;
  tile.bias = bias;
  tile.clamp = finish.clamp;
  tile.low = finish.low;
  tile.high = finish.high;
  for (int64_t block = first_block; block < first_block + blocks; ++block) {
    for (int64_t i = 0; i < kBlock; ++i) {
      const int64_t channel = block * kBlock + i;
      const bool exists = run.epilogue.bias != nullptr && channel < run.shape.out_channels;
      bias[i] = exists ? run.epilogue.bias[channel] : 0.0F;
    }
    TileWalk walk(run, begin);
    for (int64_t index = begin; index < end; ++index, walk.next(), sums += kBlock) {
      const int64_t y = walk.y();
      const int64_t x = walk.x();
      float* out = run.out.data + walk.image() * run.out.image_stride + block * run.out.channel_stride +
                   y * run.out.row_stride + x * kBlock;
      const float* add = nullptr;
      if (residual.data != nullptr) {
        add = residual.data + walk.image() * residual.image_stride + block * residual.channel_stride +
              y * residual.row_stride + x * kBlock;
      }
      const RowRange rows = pixels_within(y - run.rows.begin, step_y, kOut, run.rows.end - run.rows.begin);
      const RowRange columns = pixels_within(x, step_x, kOut, out_w);
      if (dilated && add != nullptr) {
        copy_tile(add, step_y * residual.row_stride, step_x * kBlock, residual_scratch, kScratchRow, kBlock, rows,
                  columns);
        add = residual_scratch;
      }
      tile.out = in_scratch ? scratch : out;
      tile.residual = residual_last ? nullptr : add;
      tile.begin_row = rows.begin;
      tile.end_row = rows.end;
      tile.columns = columns.end;
      prefetch_rows<true>(out + kOut * kBlock, run.out.row_stride, kOut, kOut);
      for (int v = 0; v < kBlock; v += kLanes) transform_output_vector<kOut>(sums, stride, tile, v);
      if (finish.after_store) {
        for (int64_t row = rows.begin; row < rows.end; ++row) {
          float* done = dilated ? scratch + row * kScratchRow : out + row * run.out.row_stride;
          finish_row(run.epilogue.activation, scratch + row * kScratchRow, done, columns.end * kBlock,
                     residual_last ? add + row * tile.residual_row_stride : nullptr);
        }
      }
      if (dilated) {
        copy_tile(scratch, kScratchRow, kBlock, out, step_y * run.out.row_stride, step_x * kBlock, rows, columns);
      }
    }
  }
}

}  // namespace

// The input transform of items [begin, end), which are tiles of a block, then the next block.
void transform_winograd_input(const WinogradRun& run, int64_t begin, int64_t end) {
  if (run.tile == 6) return transform_inputs<6>(run, begin, end);
  if (run.tile == 4) return transform_inputs<4>(run, begin, end);
  transform_inputs<2>(run, begin, end);
}

// Weights [panel][channel][tap][lane] of channels [begin, end) of one panel, `width` output channels, to
// [point][channel][lane], where a point has `channels` channels.
void transform_winograd_weights(int64_t tile, const float* weights, int64_t width, int64_t begin, int64_t end,
                                int64_t channels, float* out) {
  const int64_t stride = point_stride(channels * width);
  const auto transform_all = [&](auto size) {
    for (int64_t c = begin; c < end; ++c) {
      for (int64_t v = 0; v < width; v += kLanes) {
        transform_weight_vector<decltype(size)::value>(weights + c * 9 * width + v, width,
                                                       out + (c - begin) * width + v, stride);
      }
    }
  };
  if (tile == 6) return transform_all(std::integral_constant<int, 6>());
  if (tile == 4) return transform_all(std::integral_constant<int, 4>());
  transform_all(std::integral_constant<int, 2>());
}

// The products of tiles [begin, end) of a run with some channels of one panel of `blocks` output blocks, whose
// transformed weights are [point][channel][lane]. `sums` is [point][block of the panel][tile][lane]: those of channel 0
// begin anew, others are added. Meanwhile `prefetch_floats` from `prefetch` on are called into the cache.
void multiply_winograd(const WinogradRun& run, int64_t blocks, int64_t begin, int64_t end, const float* weights,
                       int64_t first_channel, int64_t channels, float* sums, const float* prefetch,
                       int64_t prefetch_floats) {
  const int64_t points = winograd_points(run.tile);
  const int64_t in_blocks = count_blocks(run.shape.in_channels, kBlock);
  const int64_t tiles = end - begin;
  const int64_t in_stride = point_stride(in_blocks * run.count * kBlock);
  const int64_t sums_stride = point_stride(blocks * tiles * kBlock);
  const int64_t weights_stride = point_stride(channels * blocks * kBlock);
  HWY_ALIGN static constexpr float kNoBias[kMaxTileBlocks * kBlock] = {};

  Tile tile;
  tile.in_channel_stride = run.count * kBlock;
  tile.first_lane = 0;
  tile.channels = channels;
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
  tile.bias = first_channel == 0 ? kNoBias : nullptr;
  tile.residual[0] = nullptr;
  tile.residual_channel_stride = 0;
  tile.clamp = false;
  tile.in_offset[0] = 0;
  tile.prefetch = prefetch;
  const int64_t steps = points * channels * count_blocks(tiles, tile_pixels(static_cast<int>(blocks)));
  tile.prefetch_step = (prefetch_floats + steps - 1) / steps;
  for (int64_t point = 0; point < points; ++point) {
    tile.weights = weights + point * weights_stride;
    tile.in = run.transformed + point * in_stride + (first_channel / kBlock * run.count + begin) * kBlock;
    tile.out[0] = sums + point * sums_stride;
    for_dense_tiles(blocks, tiles,
                    [&](ComputeTiles compute, int64_t, int64_t first, int64_t count) { compute(tile, first, count); });
  }
}

// The output transform of the same sums.
void transform_winograd_output(const WinogradRun& run, int64_t first_block, int64_t blocks, int64_t begin, int64_t end,
                               const float* sums) {
  if (run.tile == 6) return transform_outputs<6>(run, first_block, blocks, begin, end, sums);
  if (run.tile == 4) return transform_outputs<4>(run, first_block, blocks, begin, end, sums);
  transform_outputs<2>(run, first_block, blocks, begin, end, sums);
}

int64_t winograd_panel_blocks() { return kMaxTileBlocks; }

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(transform_winograd_input);
HWY_EXPORT(transform_winograd_weights);
HWY_EXPORT(multiply_winograd);
HWY_EXPORT(transform_winograd_output);
HWY_EXPORT(winograd_panel_blocks);

namespace {

constexpr int64_t kTaps = 9;
// Tiles that are multiplied at once: each weight then serves this many products, so that it may come from the
// third-level cache, and the sums of a panel stay in the second.
constexpr int64_t tiles_at_once(int64_t tile) { return tile == 6 ? 24 : (tile == 4 ? 48 : 96); }
// The same where a task transforms its weights itself: more tiles share that, though the sums outgrow the cache.
constexpr int64_t tiles_of_shared_run(int64_t tile) { return tile == 6 ? 36 : (tile == 4 ? 64 : 144); }
// The input channels that such a task transforms weights of before it multiplies with them: sums are loaded and stored
// once for each chunk.
constexpr int64_t kChunkChannels = 32;
// The transformed input and the sums of a thread should stay in its second-level cache.
constexpr int64_t kRunBytes = 768 << 10;
// With fewer tiles than this, reading the weights takes longer than multiplying with them.
constexpr int64_t kLeastTiles = 12;
// Transformed weights of a layer that may always be read by every thread, and the most that are kept at once.
constexpr int64_t kCachedWeights = 3 << 20;
constexpr int64_t kMostWeights = 12 << 20;
// Transforming this many tiles of a block takes about 10 us, and the weights of this many channels for a panel.
constexpr int64_t transforms_per_task(int64_t tile) { return tile == 6 ? 80 : (tile == 4 ? 160 : 360); }
constexpr int64_t kWeightChannelsPerTask = 64;

struct Panel {
  int64_t first_block;
  int64_t blocks;
};

// How a layer is shared out. Weights are transformed in each run: it takes less time than reading four times as many of
// them from memory would. With many tiles all of them are, once, and each thread takes runs of tiles of its own through
// the other steps, in memory that stays in its cache. With few tiles, as in deep layers, whose weights are large,
// threads transform a run's input together and share the panels of output channels; each transforms the weights of its
// panel, a chunk of input channels at a time.
struct WinogradCut {
  int64_t tile;
  int64_t points;
  int64_t panels;
  int64_t panel_floats;  // of output channels, of the largest panel
  int64_t in_channels;   // those of whole blocks
  int64_t out_blocks;
  bool shares_runs;
  int64_t run_tiles;
  int64_t weight_floats;  // all transformed weights, 0 where runs are shared

  WinogradCut(const ConvShape& shape, int64_t tile_size, int threads)
      : tile(tile_size), points(winograd_points(tile_size)) {
    const int64_t block = block_channels();
    out_blocks = count_blocks(shape.out_channels, block);
    in_channels = count_blocks(shape.in_channels, block) * block;
    panels = count_blocks(out_blocks, HWY_DYNAMIC_DISPATCH(winograd_panel_blocks)());
    panel_floats = count_blocks(out_blocks, panels) * block;
    weight_floats = panels * points * point_stride(shape.in_channels * panel_floats);
    const auto float_bytes = static_cast<int64_t>(sizeof(float));
    const int64_t tiles = shape.batch * winograd_tiles(shape.out_h(), tile, shape.dilation_h) *
                          winograd_tiles(shape.out_w(), tile, shape.dilation_w);
    const int64_t fitting = kRunBytes / (float_bytes * points * (in_channels + panel_floats));
    const int64_t own_tiles = std::clamp(fitting, kLeastTiles, tiles_at_once(tile));
    const int64_t bytes = float_bytes * weight_floats;
    shares_runs = bytes > kMostWeights || (bytes > kCachedWeights && tiles < 2 * threads * own_tiles);
    run_tiles = std::min(tiles, shares_runs ? tiles_of_shared_run(tile) : own_tiles);
    if (shares_runs) weight_floats = 0;
  }

  Panel panel(int64_t index) const {
    const int64_t first = out_blocks * index / panels;
    return {first, out_blocks * (index + 1) / panels - first};
  }
  int64_t run_floats() const { return points * point_stride(run_tiles * in_channels); }
  int64_t sums_floats() const { return points * point_stride(run_tiles * panel_floats); }
  int64_t chunk_floats() const { return points * point_stride(kChunkChannels * panel_floats); }
  // What each thread has for itself, behind what all share.
  int64_t thread_floats() const { return sums_floats() + (shares_runs ? chunk_floats() : run_floats()); }
  int64_t shared_floats() const { return shares_runs ? run_floats() : weight_floats; }
};

// A call of run_winograd().
class Winograd {
 public:
  Winograd(const WinogradCut& cut, const WinogradRun& whole, float* workspace, Parallel& parallel)
      : cut_(cut), whole_(whole), workspace_(workspace), parallel_(parallel) {
    tiles_ = whole.shape.batch * whole.y.count() * whole.x.count();
    block_ = block_channels();
    in_blocks_ = cut.in_channels / block_;
  }

  void run() { cut_.shares_runs ? run_shared() : run_own(); }

 private:
  // Run `index` of `runs` of about the same size.
  WinogradRun part_of(int64_t index, int64_t runs) const {
    WinogradRun run = whole_;
    run.first = tiles_ * index / runs;
    run.count = tiles_ * (index + 1) / runs - run.first;
    return run;
  }

  float* thread_memory(int thread) const { return workspace_ + cut_.shared_floats() + thread * cut_.thread_floats(); }
  const float* packed_panel(Panel panel) const {
    return whole_.packed + kTaps * whole_.shape.in_channels * panel.first_block * block_;
  }

  // Where runs are not shared: the transformed weights of a panel, [point][channel][lane].
  float* panel_weights(int64_t index) const { return workspace_ + index * (cut_.weight_floats / cut_.panels); }

  void run_own() {
    const int64_t channels = whole_.shape.in_channels;
    const int64_t pieces = count_blocks(channels, kWeightChannelsPerTask);
    parallel_.for_each(cut_.panels * pieces, [&](int64_t index, int) {
      const Panel panel = cut_.panel(index / pieces);
      const int64_t begin = index % pieces * kWeightChannelsPerTask;
      const int64_t width = panel.blocks * block_;
      HWY_DYNAMIC_DISPATCH(transform_winograd_weights)
      (cut_.tile, packed_panel(panel), width, begin, std::min(begin + kWeightChannelsPerTask, channels), channels,
       panel_weights(index / pieces) + begin * width);
    });
    // As many runs for each thread.
    const int64_t threads = parallel_.threads();
    const int64_t runs = std::min(tiles_, count_blocks(count_blocks(tiles_, cut_.run_tiles), threads) * threads);
    parallel_.for_each(runs, [&](int64_t index, int thread) {
      WinogradRun run = part_of(index, runs);
      float* sums = thread_memory(thread);
      run.transformed = sums + cut_.sums_floats();
      HWY_DYNAMIC_DISPATCH(transform_winograd_input)(run, 0, in_blocks_ * run.count);
      for (int64_t i = 0; i < cut_.panels; ++i) {
        const Panel panel = cut_.panel(i);
        const float* weights = panel_weights(i);
        // Each point's weights are called while those of the point before are multiplied with.
        const int64_t stride = point_stride(channels * panel.blocks * block_);
        multiply(run, panel, 0, run.count, weights, 0, channels, sums, weights + stride, cut_.points * stride);
        HWY_DYNAMIC_DISPATCH(transform_winograd_output)(run, panel.first_block, panel.blocks, 0, run.count, sums);
      }
    });
  }

  void run_shared() {
    const int64_t runs = count_blocks(tiles_, cut_.run_tiles);
    for (int64_t i = 0; i < runs; ++i) {
      WinogradRun run = part_of(i, runs);
      run.transformed = workspace_;
      for_ranges(parallel_, in_blocks_ * run.count, transforms_per_task(cut_.tile),
                 [&](int64_t begin, int64_t end, int) {
                   HWY_DYNAMIC_DISPATCH(transform_winograd_input)(run, begin, end);
                 });
      // Where panels are too few for all threads, they share the tiles as well.
      const int64_t wanted = count_blocks(parallel_.threads(), cut_.panels);
      const int64_t parts = std::min(wanted, count_blocks(run.count, kLeastTiles));
      parallel_.for_each(parts * cut_.panels, [&](int64_t index, int thread) {
        const int64_t part = index % parts;
        run_panel(run, cut_.panel(index / parts), run.count * part / parts, run.count * (part + 1) / parts,
                  thread_memory(thread));
      });
    }
  }

  void run_panel(const WinogradRun& run, Panel panel, int64_t begin, int64_t end, float* sums) {
    const int64_t channels = whole_.shape.in_channels;
    const int64_t width = panel.blocks * block_;
    const float* packed = packed_panel(panel);
    float* weights = sums + cut_.sums_floats();
    for (int64_t first = 0; first < channels; first += kChunkChannels) {
      const int64_t last = std::min(first + kChunkChannels, channels);
      HWY_DYNAMIC_DISPATCH(transform_winograd_weights)
      (cut_.tile, packed, width, first, last, last - first, weights);
      const int64_t next = std::min(kChunkChannels, channels - last);
      multiply(run, panel, begin, end, weights, first, last - first, sums, packed + last * kTaps * width,
               next * kTaps * width);
    }
    HWY_DYNAMIC_DISPATCH(transform_winograd_output)(run, panel.first_block, panel.blocks, begin, end, sums);
  }

  static void multiply(const WinogradRun& run, Panel panel, int64_t begin, int64_t end, const float* weights,
                       int64_t first_channel, int64_t channels, float* sums, const float* prefetch,
                       int64_t prefetch_floats) {
    HWY_DYNAMIC_DISPATCH(multiply_winograd)
    (run, panel.blocks, begin, end, weights, first_channel, channels, sums, prefetch, prefetch_floats);
  }

  const WinogradCut& cut_;
  const WinogradRun& whole_;
  float* workspace_;
  Parallel& parallel_;
  int64_t tiles_;
  int64_t block_;
  int64_t in_blocks_;
};

}  // namespace

int64_t winograd_tiles(int64_t size, int64_t tile, int64_t dilation) {
  return count_blocks(size, tile * dilation) * std::min(dilation, size);
}

int64_t packed_winograd_size(const ConvShape& shape) {
  const int64_t block = block_channels();
  return kTaps * shape.in_channels * count_blocks(shape.out_channels, block) * block;
}

void pack_winograd(const ConvShape& shape, const float* weights, float* packed, Parallel& parallel) {
  const WinogradCut cut(shape, 2, 1);  // panels do not depend on the size of tiles
  const int64_t block = block_channels();
  parallel.for_each(cut.panels, [&](int64_t index, int) {
    const Panel panel = cut.panel(index);
    const int64_t first = panel.first_block * block;
    const int64_t width = panel.blocks * block;
    float* out = packed + kTaps * shape.in_channels * first;
    for (int64_t c = 0; c < shape.in_channels; ++c) {
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        for (int64_t lane = 0; lane < width; ++lane) {
          const int64_t channel = first + lane;
          *out++ = channel < shape.out_channels ? weights[(channel * shape.in_channels + c) * kTaps + tap] : 0.0F;
        }
      }
    }
  });
}

int64_t winograd_workspace_size(const ConvShape& shape, int64_t tile, int threads) {
  const WinogradCut cut(shape, tile, threads);
  return cut.shared_floats() + threads * cut.thread_floats();
}

void run_winograd(const ConvShape& shape, int64_t tile, const float* packed, const ConstImage& in, const Image& out,
                  const ConvEpilogue& epilogue, RowRange rows, float* workspace, Parallel& parallel) {
  const WinogradCut cut(shape, tile, parallel.threads());
  WinogradRun whole{tile, shape, packed, in, out, epilogue, rows, {}, {}, 0, 0, nullptr};
  const int64_t tile_rows = tile * shape.dilation_h;
  const int64_t first = rows.begin / tile_rows;
  whole.y = {shape.dilation_h, std::min(shape.dilation_h, shape.out_h()), first,
             count_blocks(rows.end, tile_rows) - first};
  whole.x = {shape.dilation_w, std::min(shape.dilation_w, shape.out_w()), 0,
             count_blocks(shape.out_w(), tile * shape.dilation_w)};
  Winograd(cut, whole, workspace, parallel).run();
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
