#include "kernels/conv_stem.h"

#include <algorithm>
#include <cstring>

#include "kernels/conv_window.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_stem.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_tile-inl.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// A tile: neighbouring pixels of one row. Strides are in floats.
struct StemTile {
  const float* in;  // channel 0, tap (0, 0) of the first pixel
  int64_t in_channel_stride;
  int64_t in_row_step;  // from a row of taps to the next
  int64_t in_col_step;  // from a tap to the next
  int64_t pixel_step;
  int64_t channels;
  WindowRange tap_rows;
  int64_t kernel_h;
  int64_t kernel_w;
  const float* weights;
  const float* bias;
  const float* residual;  // null for none
  int64_t residual_channel_stride;
  float* out;
  int64_t out_channel_stride;
  bool clamp;
  float low;
  float high;
};

template <int kBlocks, int kPixels>
HWY_NOINLINE void compute_stem_tile(const StemTile& tile) {
  constexpr int kVectors = kBlocks * kBlockVectors;
  const BlockTag d;
  BlockVector sum[kVectors][kPixels];
  unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
    const BlockVector bias = hn::LoadU(d, tile.bias + v() * kLanes);
    unroll<kPixels>([&](auto n) ATTUNE_UNROLLED { sum[v()][n()] = bias; });
  });
  if (tile.residual != nullptr) {
    unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
      const float* p =
          tile.residual + v() / kBlockVectors * tile.residual_channel_stride + v() % kBlockVectors * kLanes;
      unroll<kPixels>([&](auto n)
                          ATTUNE_UNROLLED { sum[v()][n()] = hn::Add(sum[v()][n()], hn::LoadU(d, p + n() * kBlock)); });
    });
  }
  const int64_t row_weights = tile.kernel_w * kVectors * kLanes;
  for (int64_t channel = 0; channel < tile.channels; ++channel) {
    for (int64_t row = tile.tap_rows.begin; row < tile.tap_rows.end; ++row) {
      const float* HWY_RESTRICT w = tile.weights + (channel * tile.kernel_h + row) * row_weights;
      const float* x[kPixels];
      unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
        x[n()] = tile.in + (channel * tile.in_channel_stride + row * tile.in_row_step + n() * tile.pixel_step);
      });
      int64_t column = 0;
      for (int64_t tap = 0; tap < tile.kernel_w; ++tap) {
        BlockVector weight[kVectors];
        unroll<kVectors>([&](auto v) ATTUNE_UNROLLED { weight[v()] = hn::LoadU(d, w + v() * kLanes); });
        unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
          const BlockVector value = hn::Set(d, x[n()][column]);
          unroll<kVectors>([&](auto v)
                               ATTUNE_UNROLLED { sum[v()][n()] = hn::MulAdd(value, weight[v()], sum[v()][n()]); });
        });
        w += kVectors * kLanes;
        column += tile.in_col_step;
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
  unroll<kVectors>([&](auto v) ATTUNE_UNROLLED {
    float* p = tile.out + v() / kBlockVectors * tile.out_channel_stride + v() % kBlockVectors * kLanes;
    unroll<kPixels>([&](auto n) ATTUNE_UNROLLED { hn::StoreU(sum[v()][n()], d, p + n() * kBlock); });
  });
}

template <int kBlocks, class Pixels = std::make_integer_sequence<int, tile_pixels(kBlocks)>>
struct StemTable;
template <int kBlocks, int... kN>
struct StemTable<kBlocks, std::integer_sequence<int, kN...>> {
  static constexpr void (*kTiles[])(const StemTile&) = {&compute_stem_tile<kBlocks, kN + 1>...};
};

void compute_stem(int64_t blocks, int64_t pixels, const StemTile& tile) {
  if constexpr (kMaxTileBlocks >= 4) {
    if (blocks == 4) return StemTable<4>::kTiles[pixels - 1](tile);
  }
  if constexpr (kMaxTileBlocks >= 3) {
    if (blocks == 3) return StemTable<3>::kTiles[pixels - 1](tile);
  }
  if constexpr (kMaxTileBlocks >= 2) {
    if (blocks == 2) return StemTable<2>::kTiles[pixels - 1](tile);
  }
  StemTable<1>::kTiles[pixels - 1](tile);
}

}  // namespace

// Output rows [begin, end), counted over images of `rows`.
void run_stem_rows(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
                   const ConvEpilogue& epilogue, RowRange rows, int64_t begin, int64_t end) {
  const WindowAxis ya{shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
  const WindowAxis xa{shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w, shape.pad_left};
  const int64_t out_w = shape.out_w();
  const WindowRange whole = whole_windows(xa, out_w);
  const Finish finish = make_finish(epilogue);
  const ConstImage& residual = epilogue.residual;
  const bool residual_last = residual.data != nullptr && epilogue.act_before_add;
  const int64_t all_blocks = count_blocks(shape.out_channels, kBlock);
  const int64_t panels = count_blocks(all_blocks, kMaxTileBlocks);
  const int64_t height = rows.end - rows.begin;
  const int64_t tap_span = (shape.kernel_w - 1) * shape.dilation_w + 1;
  HWY_ALIGN float bias[kMaxTileBlocks * kBlock];
  HWY_ALIGN float scratch[kMaxTileBlocks * kMaxTilePixels * kBlock];
  HWY_ALIGN float patch[kStemPatchFloats];

  StemTile tile;
  tile.in_col_step = shape.dilation_w;
  tile.pixel_step = shape.stride_w;
  tile.channels = shape.in_channels;
  tile.kernel_h = shape.kernel_h;
  tile.kernel_w = shape.kernel_w;
  tile.bias = bias;
  tile.residual_channel_stride = residual.channel_stride;
  tile.clamp = finish.clamp;
  tile.low = finish.low;
  tile.high = finish.high;

  for (int64_t panel = 0; panel < panels; ++panel) {
    const int64_t first_block = all_blocks * panel / panels;
    const int64_t blocks = all_blocks * (panel + 1) / panels - first_block;
    tile.weights = packed + first_block * kBlock * shape.in_channels * shape.kernel_h * shape.kernel_w;
    for (int64_t i = 0; i < blocks * kBlock; ++i) {
      const int64_t channel = first_block * kBlock + i;
      bias[i] = epilogue.bias != nullptr && channel < shape.out_channels ? epilogue.bias[channel] : 0.0F;
    }
    const int64_t most = tile_pixels(static_cast<int>(blocks));
    const int64_t tiles = count_blocks(out_w, most);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t image = index / height;
      const int64_t y = rows.begin + index % height;
      tile.tap_rows = taps_inside(ya, y);
      const float* in_image = in.data + image * in.image_stride;
      float* out_row = out.data + image * out.image_stride + first_block * out.channel_stride + y * out.row_stride;
      const float* residual_row = nullptr;
      if (residual.data != nullptr) {
        residual_row = residual.data + image * residual.image_stride + first_block * residual.channel_stride +
                       y * residual.row_stride;
      }
      for (int64_t i = 0; i < tiles; ++i) {
        const int64_t x = out_w * i / tiles;
        const int64_t pixels = out_w * (i + 1) / tiles - x;
        if (x >= whole.begin && x + pixels <= whole.end) {
          tile.in = in_image + (ya.first(y) * in.row_stride + xa.first(x));
          tile.in_channel_stride = in.channel_stride;
          tile.in_row_step = shape.dilation_h * in.row_stride;
        } else {
          // Beside the left or right border: a copy with the padding as zeros.
          const int64_t width = (pixels - 1) * shape.stride_w + tap_span;
          const int64_t left = std::clamp<int64_t>(-xa.first(x), 0, width);
          const int64_t right = std::clamp<int64_t>(shape.in_w - xa.first(x), left, width);
          for (int64_t c = 0; c < shape.in_channels; ++c) {
            for (int64_t t = tile.tap_rows.begin; t < tile.tap_rows.end; ++t) {
              float* to = patch + (c * shape.kernel_h + t) * width;
              const float* from = in_image + (c * in.channel_stride +
                                              (ya.first(y) + t * shape.dilation_h) * in.row_stride + xa.first(x));
              std::fill(to, to + left, 0.0F);
              std::copy(from + left, from + right, to + left);
              std::fill(to + right, to + width, 0.0F);
            }
          }
          tile.in = patch;
          tile.in_channel_stride = shape.kernel_h * width;
          tile.in_row_step = width;
        }
        tile.residual = residual_row == nullptr || residual_last ? nullptr : residual_row + x * kBlock;
        tile.out = residual_last ? scratch : out_row + x * kBlock;
        tile.out_channel_stride = residual_last ? kMaxTilePixels * kBlock : out.channel_stride;
        compute_stem(blocks, pixels, tile);
        if (finish.after_store) {
          for (int64_t m = 0; m < blocks; ++m) {
            finish_row(epilogue.activation, tile.out + m * tile.out_channel_stride,
                       out_row + m * out.channel_stride + x * kBlock, pixels * kBlock,
                       residual_last ? residual_row + m * residual.channel_stride + x * kBlock : nullptr);
          }
        }
      }
    }
  }
}

int64_t stem_panel_blocks() { return kMaxTileBlocks; }

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_stem_rows);
HWY_EXPORT(stem_panel_blocks);

namespace {

constexpr int64_t kMaxChannels = 4;
// A task should take 10 us or more.
constexpr int64_t kTaskProducts = int64_t{1} << 18;

}  // namespace

bool stem_fits(const ConvShape& shape) {
  // The patch of the widest tile must fit; 12 pixels are the most of any target.
  const int64_t width = 11 * shape.stride_w + (shape.kernel_w - 1) * shape.dilation_w + 1;
  return shape.groups == 1 && shape.in_channels <= kMaxChannels &&
         shape.in_channels * shape.kernel_h * width <= kStemPatchFloats;
}

int64_t packed_stem_size(const ConvShape& shape) {
  const int64_t block = block_channels();
  return count_blocks(shape.out_channels, block) * block * shape.in_channels * shape.kernel_h * shape.kernel_w;
}

void pack_stem(const ConvShape& shape, const float* weights, float* packed) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(shape.out_channels, block);
  const int64_t panels = count_blocks(blocks, HWY_DYNAMIC_DISPATCH(stem_panel_blocks)());
  const int64_t terms = shape.in_channels * shape.kernel_h * shape.kernel_w;
  for (int64_t panel = 0; panel < panels; ++panel) {
    const int64_t first = blocks * panel / panels * block;
    const int64_t end = blocks * (panel + 1) / panels * block;
    for (int64_t term = 0; term < terms; ++term) {
      for (int64_t channel = first; channel < end; ++channel) {
        *packed++ = channel < shape.out_channels ? weights[channel * terms + term] : 0.0F;
      }
    }
  }
}

void run_stem(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
              const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel) {
  const int64_t row_products = shape.out_w() * shape.out_channels * shape.in_channels * shape.kernel_h * shape.kernel_w;
  const auto run_rows = HWY_DYNAMIC_DISPATCH(run_stem_rows);
  for_ranges(parallel, shape.batch * (rows.end - rows.begin), kTaskProducts / std::max<int64_t>(row_products, 1) + 1,
             [&](int64_t begin, int64_t end, int) { run_rows(shape, packed, in, out, epilogue, rows, begin, end); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
