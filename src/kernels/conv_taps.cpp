#include "kernels/conv_taps.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_taps.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_tile-inl.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// The bytes of one panel's chunk of weights, which every tile of a task reads: it should stay in the second-level
// cache, of which 512 KiB are common. Chunks that fit the first level were 5 to 10 % slower: a tile streams its weights
// at 16 to 21 bytes a cycle, which the second level delivers, while the sums must be stored and loaded for every chunk.
constexpr int64_t kChunkBytes = 192 << 10;
// A chunk has at least this many products for each sum, so that loading and storing the sums between chunks is cheap.
constexpr int64_t kMinChunkTerms = 128;

TapBlocking get_tap_blocking(const TapLayer& layer) {
  TapBlocking blocking;
  blocking.block = kBlock;
  blocking.shared_blocks = layer.groups > 1 && layer.out_channels % kBlock != 0;
  blocking.blocks = count_blocks(layer.out_channels, kBlock);
  blocking.panels = count_blocks(blocking.blocks, kMaxTileBlocks);
  const int64_t taps = layer.kernel_h * layer.kernel_w;
  const int64_t panel_floats = std::min<int64_t>(kMaxTileBlocks, blocking.blocks) * kBlock;
  const int64_t fitting = kChunkBytes / (static_cast<int64_t>(sizeof(float)) * panel_floats * taps);
  const int64_t least = (kMinChunkTerms + taps - 1) / taps;
  const int64_t most = std::max<int64_t>({fitting, least, 8});
  // Chunks of about the same size, in eights: the tile's inner loop is unrolled by four.
  const int64_t chunks = (layer.in_channels + most - 1) / most;
  blocking.chunk_channels = ((layer.in_channels + chunks - 1) / chunks + 7) / 8 * 8;
  return blocking;
}

namespace {

// Taps [begin, end) of an axis that read inside [0, size) at grid coordinate `g`.
struct TapRange {
  int64_t begin;
  int64_t end;
  bool operator==(const TapRange& other) const { return begin == other.begin && end == other.end; }
};

TapRange taps_inside(const TapAxis& axis, int64_t g, int64_t size) {
  const int64_t first = g * axis.in_step + axis.tap_first;
  const auto inside = [&](int64_t t) {
    return static_cast<uint64_t>(first + t * axis.tap_step) < static_cast<uint64_t>(size);
  };
  TapRange range{0, axis.taps};
  while (range.begin < range.end && !inside(range.begin)) ++range.begin;
  while (range.begin < range.end && !inside(range.end - 1)) --range.end;
  return range;
}

// Computes pixels of one image on one grid.
class GridTask {
 public:
  GridTask(const TapRun& run, const TapBlocking& blocking, const TapGrid& grid, int64_t image)
      : run_(run),
        blocking_(blocking),
        grid_(grid),
        finish_(make_finish(*run.epilogue)),
        in_(run.in.data + image * run.in.image_stride),
        out_(run.out.data + image * run.out.image_stride),
        taps_(run.layer.kernel_h * run.layer.kernel_w),
        packed_end_(run.packed + run.layer.groups * blocking.blocks * panel_block_size()) {
    const ConstImage& residual = run.epilogue->residual;
    has_residual_ = residual.data != nullptr;
    residual_last_ = has_residual_ && run.epilogue->act_before_add;
    if (has_residual_) residual_ = residual.data + image * residual.image_stride;
    const int64_t first_tap = grid.x.tap_first;
    const int64_t last_tap = first_tap + (grid.x.taps - 1) * grid.x.tap_step;
    first_whole_column_ = std::max<int64_t>(0, grid.x.tap_first - std::min(first_tap, last_tap));
    end_whole_column_ = run.in_w - std::max<int64_t>(0, std::max(first_tap, last_tap) - grid.x.tap_first);
    tile_.in_channel_stride = run.in.channel_stride;
    tile_.in_w = run.in_w;
    tile_.tap_cols = grid.x.taps;
    tile_.tap_row_offset = grid.y.tap_step * run.in.row_stride;
    tile_.tap_col_step = grid.x.tap_step;
    tile_.residual_channel_stride = residual.channel_stride;
    tile_.low = finish_.low;
    tile_.high = finish_.high;
    is_dense_ = find_dense();
  }

  // Panel `panel` of group `group`, pixels [begin, end) of the grid in row-major order.
  void run_panel(int64_t group, int64_t panel, int64_t begin, int64_t end) {
    const TapLayer& layer = run_.layer;
    const int64_t first = group * blocking_.blocks + panel_begin(blocking_, panel);
    const float* weights = run_.packed + first * panel_block_size();
    set_blocks(first, panel_begin(blocking_, panel + 1) - panel_begin(blocking_, panel));
    set_bias(first * kBlock, layer.groups * layer.out_channels);
    if (residual_last_) {
      // The residual is wanted last and may be the output: the sums wait elsewhere.
      for_each_tile(begin, end, [&](int64_t pixels) {
        compute_scratch(weights, group, pixels);
        store_scratch(pixels, 0, blocks_ * kBlock);
      });
      return;
    }
    // Chunk by chunk over all pixels, the sums waiting in the output.
    const int64_t tiles = (end - begin) / tile_pixels(static_cast<int>(blocks_)) + 1;
    for (int64_t c = 0; c < layer.in_channels; c += blocking_.chunk_channels) {
      const bool last = set_chunk(weights, group, c);
      // The weights of the next chunk follow, or those of the next panel.
      tile_.plan_prefetch(weights + (c + tile_.channels) * blocks_ * taps_ * kBlock, packed_end_, blocks_ * kBlock,
                          tiles);
      if (is_dense_) {
        tile_.residual[0] = c == 0 && has_residual_ ? block_residual_ : nullptr;
        run_dense(begin, end, last && finish_.after_store);
        continue;
      }
      for_each_tile(begin, end, [&](int64_t pixels) {
        if (c != 0) tile_.residual[0] = nullptr;
        find_tile<false>(blocks_, pixels)(tile_, 0, 1);
        if (last && finish_.after_store) {
          finish_pixels(run_.epilogue->activation, tile_.out, pixels, blocks_, tile_.out_channel_stride, nullptr, 0);
        }
      });
    }
  }

  // The same where groups share output blocks: the sums of the group's channels are made in scratch_ and moved to the
  // lanes that are theirs, while other tasks write the other lanes.
  void run_shared_panel(int64_t group, int64_t panel, int64_t begin, int64_t end) {
    const TapLayer& layer = run_.layer;
    const int64_t first = panel_begin(blocking_, panel);
    const int64_t channel = group * layer.out_channels + first * kBlock;
    const int64_t channels = layer.groups * layer.out_channels;
    const float* weights = run_.packed + (group * blocking_.blocks + first) * panel_block_size();
    set_blocks(0, panel_begin(blocking_, panel + 1) - first);
    set_bias(channel, (group + 1) * layer.out_channels);
    int64_t lanes = std::min(blocks_ * kBlock, (group + 1) * layer.out_channels - channel);
    // The last channel's block is written to its end, so that no lane stays uninitialised.
    if (channel + lanes == channels) lanes = count_blocks(channels, kBlock) * kBlock - channel;
    for_each_tile(begin, end, [&](int64_t pixels) {
      if (has_residual_) load_residual(pixels, channel, lanes);
      compute_scratch(weights, group, pixels);
      store_scratch(pixels, channel, lanes);
    });
  }

 private:
  // The floats of a pixel in scratch_ and in scratch_residual_: its blocks follow each other, so that channels do. A
  // block lies between pixels, since vectors are stored there whose first or last lanes are not the pixel's.
  static constexpr int64_t kScratchStride = (kMaxTileBlocks + 1) * kBlock;
  // Dense tiles between two calls of the activation: 6 KiB of sums with AVX-512.
  static constexpr int64_t kFinishTiles = 4;

  // The floats of a panel of one block; larger panels have a multiple.
  int64_t panel_block_size() const { return taps_ * run_.layer.in_channels * kBlock; }

  // Whether pixels of the grid are neighbours in all images wherever rows end, and read one tap each.
  bool find_dense() const {
    const int64_t row = run_.in_w * kBlock;
    const auto is_plain = [](const TapAxis& axis) {
      return axis.taps == 1 && axis.in_step == 1 && axis.tap_first == 0 && axis.out_step == 1 && axis.out_first == 0;
    };
    return is_plain(grid_.x) && is_plain(grid_.y) && grid_.x.out_count == run_.in_w && grid_.y.out_count <= run_.in_h &&
           run_.in.row_stride == row && run_.out.row_stride == row &&
           (!has_residual_ || run_.epilogue->residual.row_stride == row);
  }

  // Pixels [begin, end) where they are dense.
  void run_dense(int64_t begin, int64_t end, bool finishes) {
    tile_.tap_row_begin = 0;
    tile_.tap_row_end = 1;
    tile_.in_offset[0] = begin * kBlock;
    tile_.out[0] = block_out_ + begin * kBlock;
    if (tile_.residual[0] != nullptr) tile_.residual[0] = block_residual_ + begin * kBlock;
    for_dense_tiles(blocks_, end - begin, [&](ComputeTiles compute, int64_t pixels, int64_t first, int64_t tiles) {
      if (!finishes) return compute(tile_, first, tiles);
      // A few tiles, then their activation, while they are in the first-level cache.
      for (int64_t done = 0; done < tiles; done += kFinishTiles) {
        const int64_t count = std::min(kFinishTiles, tiles - done);
        const int64_t at = first + done * pixels;
        compute(tile_, at, count);
        for (int64_t m = 0; m < blocks_; ++m) {
          float* out = tile_.out[0] + m * tile_.out_channel_stride + at * kBlock;
          finish_row(run_.epilogue->activation, out, out, count * pixels * kBlock, nullptr);
        }
      }
    });
  }

  void set_blocks(int64_t first, int64_t count) {
    blocks_ = count;
    block_out_ = out_ + first * run_.out.channel_stride;
    if (has_residual_) block_residual_ = residual_ + first * run_.epilogue->residual.channel_stride;
    tile_.out_channel_stride = run_.out.channel_stride;
  }

  // The bias of the panel's channels, which begin at `first`; zero from `end` on.
  void set_bias(int64_t first, int64_t end) {
    const float* bias = run_.epilogue->bias;
    for (int64_t i = 0; i < blocks_ * kBlock; ++i)
      bias_[i] = bias != nullptr && first + i < end ? bias[first + i] : 0.0F;
  }

  // Points the tile to input channels of `group` from `first` on; returns whether they are the last.
  bool set_chunk(const float* panel_weights, int64_t group, int64_t first) {
    const TapLayer& layer = run_.layer;
    const int64_t channel = group * layer.in_channels + first;
    const int64_t width = blocks_ * kBlock;
    tile_.in = in_ + channel / kBlock * run_.in.channel_stride;
    tile_.first_lane = channel % kBlock;
    tile_.channels = std::min(blocking_.chunk_channels, layer.in_channels - first);
    const int64_t tap_size = tile_.channels * width;
    tile_.weights = panel_weights + first * layer.kernel_h * layer.kernel_w * width +
                    (grid_.y.kernel_first * layer.kernel_w + grid_.x.kernel_first) * tap_size;
    tile_.weights_row_offset = grid_.y.kernel_step * layer.kernel_w * tap_size;
    tile_.weights_col_offset = grid_.x.kernel_step * tap_size;
    tile_.prefetch = tile_.weights;
    tile_.prefetch_step = 0;
    tile_.bias = first == 0 ? bias_ : nullptr;
    const bool last = first + tile_.channels == layer.in_channels;
    tile_.clamp = last && finish_.clamp;
    return last;
  }

  // Cuts pixels [begin, end) into tiles and calls body(number of pixels) with the tile's pixels set. Rows that see the
  // same rows of taps are cut together, so that a row at the border skips the taps above or below the image.
  template <class Body>
  HWY_INLINE void for_each_tile(int64_t begin, int64_t end, Body&& body) {
    const int64_t most = tile_pixels(static_cast<int>(blocks_));
    const int64_t columns = grid_.x.out_count;
    while (begin < end) {
      const int64_t row = begin / columns;
      const TapRange taps = taps_inside(grid_.y, row, run_.in_h);
      int64_t next = row + 1;
      while (next * columns < end && taps_inside(grid_.y, next, run_.in_h) == taps) ++next;
      const int64_t stop = std::min(end, next * columns);
      tile_.tap_row_begin = taps.begin;
      tile_.tap_row_end = taps.end;
      const int64_t tiles = (stop - begin + most - 1) / most;
      for (int64_t i = 0; i < tiles; ++i) {
        const int64_t first = begin + (stop - begin) * i / tiles;
        const int64_t count = begin + (stop - begin) * (i + 1) / tiles - first;
        set_pixels(first, count);
        body(count);
      }
      begin = stop;
    }
  }

  void set_pixels(int64_t first, int64_t count) {
    const TapAxis& ya = grid_.y;
    const TapAxis& xa = grid_.x;
    int64_t y = first / xa.out_count;
    int64_t x = first - y * xa.out_count;
    bool clipped = false;
    for (int64_t n = 0; n < count;) {
      const int64_t run_end = n + std::min(count - n, xa.out_count - x);
      const int64_t out_y = ya.out_first + y * ya.out_step;
      int64_t column = x * xa.in_step + xa.tap_first;
      int64_t in_offset = (y * ya.in_step + ya.tap_first) * run_.in.row_stride + column * kBlock;
      int64_t out_column = (xa.out_first + x * xa.out_step) * kBlock;
      float* out_row = block_out_ + out_y * run_.out.row_stride;
      const float* residual_row =
          has_residual_ ? block_residual_ + out_y * run_.epilogue->residual.row_stride : nullptr;
      clipped |= column < first_whole_column_ || column + (run_end - n - 1) * xa.in_step >= end_whole_column_;
      for (; n < run_end; ++n) {
        tile_.in_offset[n] = in_offset;
        tile_.in_column[n] = column;
        tile_.out[n] = out_row + out_column;
        tile_.residual[n] = has_residual_ ? residual_row + out_column : nullptr;
        in_offset += xa.in_step * kBlock;
        column += xa.in_step;
        out_column += xa.out_step * kBlock;
      }
      x = 0;
      ++y;
    }
    tile_.clipped = clipped;
  }

  // Finishes the tile's pixels in scratch_, of all chunks.
  void compute_scratch(const float* weights, int64_t group, int64_t pixels) {
    float* out[kMaxTilePixels];
    const float* residual[kMaxTilePixels];
    std::copy(tile_.out, tile_.out + pixels, out);
    std::copy(tile_.residual, tile_.residual + pixels, residual);
    for (int64_t n = 0; n < pixels; ++n) tile_.out[n] = scratch_ + kBlock + n * kScratchStride;
    tile_.out_channel_stride = kBlock;
    for (int64_t c = 0; c < run_.layer.in_channels; c += blocking_.chunk_channels) {
      set_chunk(weights, group, c);
      if (c != 0 || residual_last_) tile_.residual[0] = nullptr;
      find_tile<false>(blocks_, pixels)(tile_, 0, 1);
    }
    if (finish_.after_store) {
      finish_pixels(run_.epilogue->activation, tile_.out, pixels, blocks_, kBlock, residual_last_ ? residual : nullptr,
                    tile_.residual_channel_stride);
    }
    std::copy(out, out + pixels, tile_.out);
    std::copy(residual, residual + pixels, tile_.residual);
    tile_.out_channel_stride = run_.out.channel_stride;
  }

  // Moves `lanes` channels of each of the tile's pixels from scratch_ to the output, where they begin at channel
  // `channel` counted from the block that tile_.out points to. Lanes that are not theirs are not touched.
  void store_scratch(int64_t pixels, int64_t channel, int64_t lanes) {
    const int64_t end = channel + lanes;
    for (int64_t block = channel / kBlock; block * kBlock < end; ++block) {
      const int64_t first_lane = std::max<int64_t>(channel - block * kBlock, 0);
      const int64_t end_lane = std::min(end - block * kBlock, int64_t{kBlock});
      const float* from = scratch_ + kBlock + (block * kBlock - channel);
      for (int64_t n = 0; n < pixels; ++n, from += kScratchStride) {
        float* to = tile_.out[n] + block * run_.out.channel_stride;
        if (end_lane - first_lane == kBlock) {
          copy_block(from, to);
        } else {
          copy_lanes(from, first_lane, end_lane, to);
        }
      }
    }
  }

  // The residual of the same channels, as compute_scratch() wants it: laid out as scratch_.
  void load_residual(int64_t pixels, int64_t channel, int64_t lanes) {
    const int64_t stride = run_.epilogue->residual.channel_stride;
    const int64_t end = channel + lanes;
    for (int64_t block = channel / kBlock; block * kBlock < end; ++block) {
      const int64_t first_lane = std::max<int64_t>(channel - block * kBlock, 0);
      const int64_t end_lane = std::min(end - block * kBlock, int64_t{kBlock});
      float* to = scratch_residual_ + kBlock + (block * kBlock - channel);
      for (int64_t n = 0; n < pixels; ++n, to += kScratchStride) {
        const float* from = tile_.residual[n] + block * stride;
        if (end_lane - first_lane == kBlock) {
          copy_block(from, to);
        } else {
          load_lanes(from, first_lane, end_lane, to);
        }
      }
    }
    for (int64_t n = 0; n < pixels; ++n) tile_.residual[n] = scratch_residual_ + kBlock + n * kScratchStride;
    tile_.residual_channel_stride = kBlock;
  }

  static HWY_INLINE void copy_block(const float* from, float* to) {
    const BlockTag d;
    for (int64_t v = 0; v < kBlock; v += kLanes) hn::StoreU(hn::LoadU(d, from + v), d, to + v);
  }

  // A masked store where there is one; without, a vector would have to write its neighbours' lanes back.
  static HWY_INLINE void copy_lanes(const float* from, int64_t begin, int64_t end, float* to) {
    if constexpr (HWY_TARGET <= HWY_AVX2 && kBlockVectors == 1) {
      const BlockTag d;
      const auto lanes = hn::AndNot(hn::FirstN(d, static_cast<size_t>(begin)), hn::FirstN(d, static_cast<size_t>(end)));
      hn::BlendedStore(hn::LoadU(d, from), lanes, d, to);
    } else {
      for (int64_t lane = begin; lane < end; ++lane) to[lane] = from[lane];
    }
  }

  // The other lanes are not read, since another task may be writing them, and get any value in `to`.
  static HWY_INLINE void load_lanes(const float* from, int64_t begin, int64_t end, float* to) {
    if constexpr (HWY_TARGET <= HWY_AVX2 && kBlockVectors == 1) {
      const BlockTag d;
      const auto lanes = hn::AndNot(hn::FirstN(d, static_cast<size_t>(begin)), hn::FirstN(d, static_cast<size_t>(end)));
      hn::StoreU(hn::MaskedLoad(lanes, d, from), d, to);
    } else {
      for (int64_t lane = begin; lane < end; ++lane) to[lane] = from[lane];
    }
  }

  const TapRun& run_;
  const TapBlocking& blocking_;
  const TapGrid& grid_;
  const Finish finish_;
  const float* in_;
  float* out_;
  const int64_t taps_;
  const float* packed_end_;
  const float* residual_ = nullptr;
  bool has_residual_ = false;
  bool residual_last_ = false;
  bool is_dense_ = false;
  // Tap 0 in these columns of the input means that no tap of the row is left or right of it.
  int64_t first_whole_column_ = 0;
  int64_t end_whole_column_ = 0;
  int64_t blocks_ = 0;
  float* block_out_ = nullptr;
  const float* block_residual_ = nullptr;
  Tile tile_;
  HWY_ALIGN float bias_[kMaxTileBlocks * kBlock];
  // A block before and behind: lanes of a shared block are read from where its other lanes would lie.
  HWY_ALIGN float scratch_[kMaxTilePixels * kScratchStride + 2 * kBlock] = {};
  HWY_ALIGN float scratch_residual_[kMaxTilePixels * kScratchStride + 2 * kBlock] = {};
};

}  // namespace

void run_grid_task(const TapRun& run, const TapBlocking& blocking, const TapGrid& grid, int64_t image, int64_t group,
                   int64_t panel, int64_t begin, int64_t end) {
  GridTask task(run, blocking, grid, image);
  if (blocking.shared_blocks) {
    task.run_shared_panel(group, panel, begin, end);
  } else {
    task.run_panel(group, panel, begin, end);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(get_tap_blocking);
HWY_EXPORT(run_grid_task);

namespace {

// A task should take 10 us or more: about as many multiply-adds on a fast core, fewer where vectors are short.
constexpr int64_t kTaskProducts = int64_t{1} << 19;
// With this many tasks for each thread, the last one to finish makes the others wait little.
constexpr int64_t kTasksPerThread = 8;
// The input channels and the sums of a task's pixels should stay in the second-level cache.
constexpr int64_t kTaskBytes = 384 << 10;

}  // namespace

TapBlocking tap_blocking(const TapLayer& layer) { return HWY_DYNAMIC_DISPATCH(get_tap_blocking)(layer); }

int64_t packed_taps_size(const TapLayer& layer) {
  const TapBlocking blocking = tap_blocking(layer);
  return layer.groups * blocking.blocks * blocking.block * layer.in_channels * layer.kernel_h * layer.kernel_w;
}

void pack_taps(const TapLayer& layer, const float* weights, int64_t out_stride, int64_t in_stride, float* packed,
               Parallel& parallel) {
  const TapBlocking blocking = tap_blocking(layer);
  const int64_t block = blocking.block;
  const int64_t taps = layer.kernel_h * layer.kernel_w;
  const int64_t group_size = layer.in_channels * layer.out_channels * taps;
  parallel.for_each(layer.groups * blocking.panels, [&](int64_t index, int) {
    const int64_t group = index / blocking.panels;
    const int64_t panel = index % blocking.panels;
    const int64_t first_block = panel_begin(blocking, panel);
    const int64_t width = (panel_begin(blocking, panel + 1) - first_block) * block;
    const int64_t first_channel = first_block * block;
    const float* source = weights + group * group_size;
    float* out = packed + (group * blocking.blocks + first_block) * block * layer.in_channels * taps;
    for (int64_t chunk = 0; chunk < layer.in_channels; chunk += blocking.chunk_channels) {
      const int64_t chunk_end = std::min(chunk + blocking.chunk_channels, layer.in_channels);
      for (int64_t tap = 0; tap < taps; ++tap) {
        for (int64_t c = chunk; c < chunk_end; ++c) {
          const float* from = source + c * in_stride + tap;
          for (int64_t lane = 0; lane < width; ++lane) {
            const int64_t channel = first_channel + lane;
            *out++ = channel < layer.out_channels ? from[channel * out_stride] : 0.0F;
          }
        }
      }
    }
  });
}

void run_taps(const TapRun& run, int64_t phases, FunctionRef<TapGrid(int64_t phase)> grid, Parallel& parallel) {
  const TapLayer& layer = run.layer;
  const TapBlocking blocking = tap_blocking(layer);
  int64_t pixels = 0;
  int64_t taps = 0;
  for (int64_t phase = 0; phase < phases; ++phase) {
    const TapGrid g = grid(phase);
    pixels = std::max(pixels, g.y.out_count * g.x.out_count);
    taps = std::max(taps, g.y.taps * g.x.taps);
  }
  if (pixels == 0) return;
  const int64_t groups = layer.groups;
  const int64_t panels = blocking.panels;
  const int64_t slices = run.batch * phases * groups * panels;
  const int64_t panel_channels = (blocking.blocks + blocking.panels - 1) / blocking.panels * blocking.block;
  const int64_t pixel_products = std::max<int64_t>(layer.in_channels * taps * panel_channels, 1);
  const int64_t pixel_bytes = static_cast<int64_t>(sizeof(float)) * (layer.in_channels + panel_channels);
  // Bands of pixels: as many as the cache and balance between threads ask for, none smaller than is worth a task.
  int64_t bands = pixels * pixel_bytes / kTaskBytes + 1;
  if (parallel.threads() > 1) bands = std::max(bands, (kTasksPerThread * parallel.threads() + slices - 1) / slices);
  bands = std::min({bands, pixels * pixel_products / kTaskProducts + 1, (pixels + 11) / 12});
  const auto run_task = HWY_DYNAMIC_DISPATCH(run_grid_task);
  const auto run_one = [&](int64_t index) {
    // Panels run fastest: they share the band's input.
    const int64_t panel = index % panels;
    const int64_t group = index / panels % groups;
    const int64_t band = index / (panels * groups) % bands;
    const int64_t phase = index / (panels * groups * bands) % phases;
    const int64_t image = index / (panels * groups * bands * phases);
    const TapGrid g = grid(phase);
    const int64_t size = g.y.out_count * g.x.out_count;
    run_task(run, blocking, g, image, group, panel, size * band / bands, size * (band + 1) / bands);
  };
  // Layers of a pixel or a few, as in squeeze-and-excitation, have panels too small for a task each.
  const int64_t grain = kTaskProducts / std::max<int64_t>(pixels / bands * pixel_products, 1);
  for_ranges(parallel, slices * bands, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t index = begin; index < end; ++index) run_one(index);
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
