// The register tile of the convolution kernels, compiled once for each target: the sums of some output blocks by some
// pixels, over taps and input channels.
//
// For each input channel a tile loads the weights of its blocks, broadcasts one float of each pixel, and multiplies all
// pairs. Fused multiply-adds issue two a cycle with a latency of four, so eight independent sums are the least; more
// sums mean fewer loads for each product. With 24 sums and two loads a cycle, loads take 10 of 12 cycles at the most in
// the shapes below, where 32 registers exist; with 12 sums of 16 registers, 7 or 8 of 12 load slots.
//
// Every pixel has its own input address, held in a general register: a tile spans rows, so that images of 7x7 fill
// tiles as well as wide ones, and a pixel whose tap falls into the padding reads zeros instead. Where pixels are
// neighbours and there is one tap, as in 1x1 layers and in Winograd's products, one address serves all.
#if defined(ATTUNE_KERNELS_CONV_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_CONV_TILE_INL_H_
#undef ATTUNE_KERNELS_CONV_TILE_INL_H_
#else
#define ATTUNE_KERNELS_CONV_TILE_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <utility>

#include "hwy/cache_control.h"
#include "kernels/activation-inl.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// Sums that a tile keeps in registers.
constexpr int kTileVectors = HWY_TARGET == HWY_AVX3 || !HWY_ARCH_X86 ? 24 : 12;
/// A tile's pixels each take a general register, of which x86 has 15.
constexpr int kMaxTilePixels = 12;
constexpr int kMaxTileBlocks = (HWY_TARGET == HWY_AVX3) ? 4 : (kBlockVectors == 1 ? 3 : (HWY_ARCH_X86 ? 1 : 2));

constexpr int tile_pixels(int blocks) { return HWY_MIN(kMaxTilePixels, kTileVectors / (blocks * kBlockVectors)); }

HWY_ALIGN constexpr float kZeroBlock[kBlock] = {};

/// Operands of one tile. Offsets and strides are in floats.
struct Tile {
  // Input: the image from the block of the first channel on.
  const float* in;
  int64_t in_channel_stride;
  int64_t first_lane;  // of the first channel in its block
  int64_t channels;
  int64_t in_w;
  // Taps: rows [tap_row_begin, tap_row_end) of tap_cols each.
  int64_t tap_row_begin;
  int64_t tap_row_end;
  int64_t tap_cols;
  int64_t tap_row_offset;  // in the input, from a row of taps to the next
  int64_t tap_col_step;    // in columns of the input
  const float* weights;    // of tap row 0, column 0
  int64_t weights_row_offset;
  int64_t weights_col_offset;
  // Pixels: where tap (0, 0) of each reads, and its column there.
  bool clipped;  // some tap of some pixel is left or right of the image
  int64_t in_offset[kMaxTilePixels];
  int64_t in_column[kMaxTilePixels];
  float* out[kMaxTilePixels];
  int64_t out_channel_stride;
  // Start and end of the sums.
  const float* bias;                      // null: go on from what `out` holds
  const float* residual[kMaxTilePixels];  // first is null: none
  int64_t residual_channel_stride;
  bool clamp;  // these are the whole sums, and the activation is max and min
  float low;
  float high;
  // What the caches should hold next, usually the weights that follow: for each tap and channel one address is asked
  // for, `prefetch_step` floats after the one before. Weights of a layer of few pixels come from memory, and the first
  // tile that meets them would wait for it.
  const float* prefetch;
  int64_t prefetch_step;

  /// Spreads the next weights, as many as a chunk of `width` output channels has, over `tiles` tiles. Those at or
  /// beyond `end` do not exist.
  void plan_prefetch(const float* next, const float* end, int64_t width, int64_t tiles) {
    const bool pays = next < end && tiles <= 2 * width;
    prefetch = pays ? next : weights;
    prefetch_step = pays ? (width + tiles - 1) / tiles : 0;
  }
};

/// One tile. With kDense it has one tap, and its pixels are neighbours in input, output and residual: pixels `first`
/// and following, counted from the tile's pixel 0. One address then serves all pixels.
template <int kBlocks, int kPixels, bool kDense>
HWY_INLINE void compute_sums(const Tile& tile, int64_t first, const float*& prefetch) {
  constexpr int kVectors = kBlocks * kBlockVectors;
  const BlockTag d;
  BlockVector sum[kVectors][kPixels];
  const auto out_of = [&](int n) { return kDense ? tile.out[0] + (first + n) * kBlock : tile.out[n]; };
  const auto residual_of = [&](int n) { return kDense ? tile.residual[0] + (first + n) * kBlock : tile.residual[n]; };

  if (tile.bias != nullptr) {
    unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
      const BlockVector bias = hn::LoadU(d, tile.bias + v() * kLanes);
      unroll<kPixels>([&](auto n) ATTUNE_UNROLLED { sum[v()][n()] = bias; });
    });
    if (tile.residual[0] != nullptr) {
      unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
        unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
          const float* p = residual_of(n()) + v() / kBlockVectors * tile.residual_channel_stride;
          sum[v()][n()] = hn::Add(sum[v()][n()], hn::LoadU(d, p + v() % kBlockVectors * kLanes));
        });
      });
    }
  } else {
    unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
      unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
        const float* p = out_of(n()) + v() / kBlockVectors * tile.out_channel_stride;
        sum[v()][n()] = hn::LoadU(d, p + v() % kBlockVectors * kLanes);
      });
    });
  }

  for (int64_t row = tile.tap_row_begin; row < tile.tap_row_end; ++row) {
    for (int64_t col = 0; col < tile.tap_cols; ++col) {
      const float* HWY_RESTRICT w = tile.weights + row * tile.weights_row_offset + col * tile.weights_col_offset;
      const int64_t shift = col * tile.tap_col_step;
      const int64_t offset = row * tile.tap_row_offset + shift * kBlock;
      constexpr int kPointers = kDense ? 1 : kPixels;
      const float* x[kPointers];
      int64_t step[kPointers];
      if (kDense) {
        x[0] = tile.in + tile.in_offset[0] + first * kBlock;
        step[0] = tile.in_channel_stride;
      } else if (!tile.clipped) {
        unroll<kPointers>([&](auto n) ATTUNE_UNROLLED {
          x[n()] = tile.in + (tile.in_offset[n()] + offset);
          step[n()] = tile.in_channel_stride;
        });
      } else {
        unroll<kPointers>([&](auto n) ATTUNE_UNROLLED {
          const bool inside = static_cast<uint64_t>(tile.in_column[n()] + shift) < static_cast<uint64_t>(tile.in_w);
          x[n()] = inside ? tile.in + (tile.in_offset[n()] + offset) : kZeroBlock;
          step[n()] = inside ? tile.in_channel_stride : 0;
        });
      }
      const auto add_channel = [&](int64_t c) ATTUNE_UNROLLED {
        BlockVector weight[kVectors];
        unroll<kVectors>([&](auto v) ATTUNE_UNROLLED { weight[v()] = hn::LoadU(d, w + v() * kLanes); });
        hwy::Prefetch(prefetch);
        prefetch += tile.prefetch_step;
        unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
          const BlockVector value = hn::Set(d, kDense ? x[0][n() * kBlock + c] : x[n()][c]);
          unroll<kVectors>([&](auto v)
                               ATTUNE_UNROLLED { sum[v()][n()] = hn::MulAdd(value, weight[v()], sum[v()][n()]); });
        });
        w += kVectors * kLanes;
      };
      int64_t lane = tile.first_lane;
      int64_t rest = tile.channels;
      while (rest > 0) {
        const int64_t count = std::min(kBlock - lane, rest);
        int64_t c = lane;
        for (; c + 4 <= lane + count; c += 4) {
          unroll<4>([&](auto i) ATTUNE_UNROLLED { add_channel(c + i()); });
        }
        for (; c < lane + count; ++c) add_channel(c);
        unroll<kPointers>([&](auto n) ATTUNE_UNROLLED { x[n()] += step[n()]; });
        lane = 0;
        rest -= count;
      }
    }
  }

  if (tile.clamp) {
    const BlockVector low = hn::Set(d, tile.low);
    const BlockVector high = hn::Set(d, tile.high);
    unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
      unroll<kPixels>([&](auto n)
                          ATTUNE_UNROLLED { sum[v()][n()] = min_keep_nan(max_keep_nan(sum[v()][n()], low), high); });
    });
  }
  unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
    unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
      float* p = out_of(n()) + v() / kBlockVectors * tile.out_channel_stride;
      hn::StoreU(sum[v()][n()], d, p + v() % kBlockVectors * kLanes);
    });
  });
}

/// `tiles` tiles; more than one only of dense ones, which then lie one behind the other from pixel `first` on. Moves
/// the tile's prefetch address on.
template <int kBlocks, int kPixels, bool kDense>
HWY_NOINLINE void compute_tiles(Tile& tile, int64_t first, int64_t tiles) {
  const float* prefetch = tile.prefetch;
  for (; tiles > 0; --tiles, first += kPixels) compute_sums<kBlocks, kPixels, kDense>(tile, first, prefetch);
  tile.prefetch = prefetch;
}

using ComputeTiles = void (*)(Tile&, int64_t, int64_t);

/// The functions for tiles of kBlocks blocks, by pixels - 1.
template <int kBlocks, bool kDense, class Pixels = std::make_integer_sequence<int, tile_pixels(kBlocks)>>
struct TileTable;
template <int kBlocks, bool kDense, int... kN>
struct TileTable<kBlocks, kDense, std::integer_sequence<int, kN...>> {
  static constexpr ComputeTiles kTiles[] = {&compute_tiles<kBlocks, kN + 1, kDense>...};
};

/// The tile function for 1 <= blocks <= kMaxTileBlocks and 1 <= pixels <= tile_pixels(blocks).
template <bool kDense>
HWY_INLINE ComputeTiles find_tile(int64_t blocks, int64_t pixels) {
  if constexpr (kMaxTileBlocks >= 4) {
    if (blocks == 4) return TileTable<4, kDense>::kTiles[pixels - 1];
  }
  if constexpr (kMaxTileBlocks >= 3) {
    if (blocks == 3) return TileTable<3, kDense>::kTiles[pixels - 1];
  }
  if constexpr (kMaxTileBlocks >= 2) {
    if (blocks == 2) return TileTable<2, kDense>::kTiles[pixels - 1];
  }
  return TileTable<1, kDense>::kTiles[pixels - 1];
}

/// Cuts `pixels` neighbouring pixels into tiles of about the same size for `blocks` blocks, and calls body(function,
/// pixels of a tile, first pixel, tiles) once or twice.
template <class Body>
HWY_INLINE void for_dense_tiles(int64_t blocks, int64_t pixels, Body&& body) {
  const int64_t most = tile_pixels(static_cast<int>(blocks));
  const int64_t tiles = (pixels + most - 1) / most;
  const int64_t count = pixels / tiles;
  const int64_t larger = pixels % tiles;
  if (larger > 0) body(find_tile<true>(blocks, count + 1), count + 1, int64_t{0}, larger);
  body(find_tile<true>(blocks, count), count, larger * (count + 1), tiles - larger);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
