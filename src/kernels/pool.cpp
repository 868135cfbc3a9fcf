#include "kernels/pool.h"

#include <algorithm>
#include <limits>

#include "kernels/conv_window.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

constexpr float kLowest = std::numeric_limits<float>::lowest();

// In the blocked layout an item is a block and a vector holds lanes of one pixel; in the plain one an item is a channel
// and a vector holds neighbouring pixels.
struct Geometry {
  WindowAxis ya;
  WindowAxis xa;
  int64_t out_w;
  int64_t padded_end_h;  // the input's size and its padding after it
  int64_t padded_end_w;
};

// What an average over the taps of one axis that lie inside divides by, of that axis. ceil_mode may make the last
// window reach beyond the padding: that part never counts.
int64_t count_taps(const WindowAxis& axis, int64_t padded_end, int64_t out, bool include_pad) {
  if (!include_pad) {
    const WindowRange taps = taps_inside(axis, out);
    return taps.end - taps.begin;
  }
  const int64_t room = padded_end - axis.first(out);
  return std::clamp<int64_t>((room + axis.dilation - 1) / axis.dilation, 0, axis.taps);
}

template <bool kMax, class V>
HWY_INLINE V join(V sum, V value) {
  // The order of operands is onnxruntime's: a NaN wins over what came before and loses to what comes after.
  return kMax ? hn::Max(sum, value) : hn::Add(sum, value);
}

// kPixels neighbouring pixels of the blocked layout, one vector of lanes.
template <bool kMax, int kPixels>
HWY_INLINE void pool_pixels(const float* in, int64_t row_step, int64_t col_step, int64_t pixel_step, WindowRange rows,
                            WindowRange cols, float count, float* out) {
  const BlockTag d;
  for (int v = 0; v < kBlock; v += kLanes) {
    BlockVector sum[kPixels];
    unroll<kPixels>([&](auto n) ATTUNE_UNROLLED { sum[n()] = hn::Set(d, kMax ? kLowest : 0.0F); });
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* p = in + row * row_step + cols.begin * col_step + v;
      for (int64_t col = cols.begin; col < cols.end; ++col, p += col_step) {
        unroll<kPixels>([&](auto n)
                            ATTUNE_UNROLLED { sum[n()] = join<kMax>(sum[n()], hn::LoadU(d, p + n() * pixel_step)); });
      }
    }
    const BlockVector divisor = hn::Set(d, count);
    unroll<kPixels>([&](auto n) ATTUNE_UNROLLED {
      hn::StoreU(kMax ? sum[n()] : hn::Div(sum[n()], divisor), d, out + n() * kBlock + v);
    });
  }
}

template <bool kMax>
void pool_row_blocked(const Geometry& g, bool include_pad, const float* in, int64_t in_row_stride, int64_t y,
                      float* out) {
  const WindowRange rows = taps_inside(g.ya, y);
  const WindowRange whole = whole_windows(g.xa, g.out_w);
  const float* in_row = in + g.ya.first(y) * in_row_stride;
  const int64_t row_step = g.ya.dilation * in_row_stride;
  const int64_t col_step = g.xa.dilation * kBlock;
  const int64_t pixel_step = g.xa.stride * kBlock;
  const int64_t count_y = count_taps(g.ya, g.padded_end_h, y, include_pad);
  const auto one = [&](int64_t x) HWY_ATTR {
    const float divisor = static_cast<float>(count_y * count_taps(g.xa, g.padded_end_w, x, include_pad));
    pool_pixels<kMax, 1>(in_row + g.xa.first(x) * kBlock, row_step, col_step, pixel_step, rows, taps_inside(g.xa, x),
                         divisor, out + x * kBlock);
  };
  constexpr int kPixels = 8;
  int64_t x = 0;
  for (; x < whole.begin; ++x) one(x);
  const WindowRange all{0, g.xa.taps};
  const float divisor = static_cast<float>(count_y * g.xa.taps);
  for (; x + kPixels <= whole.end; x += kPixels) {
    pool_pixels<kMax, kPixels>(in_row + g.xa.first(x) * kBlock, row_step, col_step, pixel_step, rows, all, divisor,
                               out + x * kBlock);
  }
  if (x + 4 <= whole.end) {
    pool_pixels<kMax, 4>(in_row + g.xa.first(x) * kBlock, row_step, col_step, pixel_step, rows, all, divisor,
                         out + x * kBlock);
    x += 4;
  }
  for (; x < g.out_w; ++x) one(x);
}

// Pixels [begin, end) of a row of the plain layout whose windows are whole, a vector of them at once for strides 1 and
// 2. Larger strides go pixel by pixel: networks pool in the blocked layout.
template <bool kMax>
HWY_INLINE void pool_whole_plain(const Geometry& g, const float* in_row, int64_t row_step, WindowRange rows,
                                 float divisor, int64_t begin, int64_t end, float* out) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const FloatVector divisors = hn::Set(d, divisor);
  int64_t x = begin;
  if (g.xa.stride == 1 || g.xa.stride == 2) {
    // A stride of 2 reads two whole vectors, one float more than its window: the last vector of a row stays away from
    // the end of the row.
    const int64_t stop = g.xa.stride == 1 ? end : end - 1;
    for (; x + lanes <= stop; x += lanes) {
      FloatVector sum = hn::Set(d, kMax ? kLowest : 0.0F);
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        const float* p = in_row + row * row_step + g.xa.first(x);
        for (int64_t col = 0; col < g.xa.taps; ++col, p += g.xa.dilation) {
          FloatVector value;
          if (g.xa.stride == 1) {
            value = hn::LoadU(d, p);
          } else {
            value = hn::ConcatEven(d, hn::LoadU(d, p + lanes), hn::LoadU(d, p));
          }
          sum = join<kMax>(sum, value);
        }
      }
      hn::StoreU(kMax ? sum : hn::Div(sum, divisors), d, out + x);
    }
  }
  for (; x < end; ++x) {
    const hn::CappedTag<float, 1> one;
    auto sum = hn::Set(one, kMax ? kLowest : 0.0F);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* p = in_row + row * row_step + g.xa.first(x);
      for (int64_t col = 0; col < g.xa.taps; ++col, p += g.xa.dilation) sum = join<kMax>(sum, hn::Set(one, *p));
    }
    const float total = hn::GetLane(sum);
    out[x] = kMax ? total : total / divisor;
  }
}

template <bool kMax>
void pool_row_plain(const Geometry& g, bool include_pad, const float* in, int64_t in_row_stride, int64_t y,
                    float* out) {
  const WindowRange rows = taps_inside(g.ya, y);
  const WindowRange whole = whole_windows(g.xa, g.out_w);
  const float* in_row = in + g.ya.first(y) * in_row_stride;
  const int64_t row_step = g.ya.dilation * in_row_stride;
  const int64_t count_y = count_taps(g.ya, g.padded_end_h, y, include_pad);
  const auto one = [&](int64_t x) HWY_ATTR {
    const WindowRange cols = taps_inside(g.xa, x);
    const hn::CappedTag<float, 1> tag;
    auto sum = hn::Set(tag, kMax ? kLowest : 0.0F);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* p = in_row + row * row_step + g.xa.first(x);
      for (int64_t col = cols.begin; col < cols.end; ++col) {
        sum = join<kMax>(sum, hn::Set(tag, p[col * g.xa.dilation]));
      }
    }
    const float total = hn::GetLane(sum);
    out[x] = kMax ? total : total / static_cast<float>(count_y * count_taps(g.xa, g.padded_end_w, x, include_pad));
  };
  for (int64_t x = 0; x < whole.begin; ++x) one(x);
  pool_whole_plain<kMax>(g, in_row, row_step, rows, static_cast<float>(count_y * g.xa.taps), whole.begin, whole.end,
                         out);
  for (int64_t x = whole.end; x < g.out_w; ++x) one(x);
}

// Interleaved partial results: eight chains hide a latency of four cycles on two units.
constexpr int kPartials = 8;

template <bool kMax, class V>
HWY_INLINE V join_partials(const V (&part)[kPartials]) {
  const V a = join<kMax>(join<kMax>(part[0], part[4]), join<kMax>(part[2], part[6]));
  const V b = join<kMax>(join<kMax>(part[1], part[5]), join<kMax>(part[3], part[7]));
  return join<kMax>(a, b);
}

// One block of one image.
template <bool kMax>
void pool_all_blocked(const float* in, int64_t row_stride, int64_t height, int64_t width, float* out) {
  const BlockTag d;
  for (int v = 0; v < kBlock; v += kLanes) {
    BlockVector part[kPartials];
    unroll<kPartials>([&](auto i) ATTUNE_UNROLLED { part[i()] = hn::Set(d, kMax ? kLowest : 0.0F); });
    for (int64_t y = 0; y < height; ++y) {
      const float* p = in + y * row_stride + v;
      int64_t x = 0;
      for (; x + kPartials <= width; x += kPartials, p += kPartials * kBlock) {
        unroll<kPartials>([&](auto i)
                              ATTUNE_UNROLLED { part[i()] = join<kMax>(part[i()], hn::LoadU(d, p + i() * kBlock)); });
      }
      unroll<kPartials - 1>([&](auto i) ATTUNE_UNROLLED {
        if (x + i() < width) part[i()] = join<kMax>(part[i()], hn::LoadU(d, p + i() * kBlock));
      });
    }
    const BlockVector all = join_partials<kMax>(part);
    hn::StoreU(kMax ? all : hn::Div(all, hn::Set(d, static_cast<float>(height * width))), d, out + v);
  }
}

// One channel of one image.
template <bool kMax>
void pool_all_plain(const float* in, int64_t row_stride, int64_t height, int64_t width, float* out) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const FloatVector none = hn::Set(d, kMax ? kLowest : 0.0F);
  FloatVector part[kPartials];
  unroll<kPartials>([&](auto i) ATTUNE_UNROLLED { part[i()] = none; });
  for (int64_t y = 0; y < height; ++y) {
    const float* p = in + y * row_stride;
    int64_t x = 0;
    for (; x + kPartials * lanes <= width; x += kPartials * lanes) {
      unroll<kPartials>([&](auto i)
                            ATTUNE_UNROLLED { part[i()] = join<kMax>(part[i()], hn::LoadU(d, p + x + i() * lanes)); });
    }
    for (; x + lanes <= width; x += lanes) part[0] = join<kMax>(part[0], hn::LoadU(d, p + x));
    if (x < width) {
      const size_t rest = static_cast<size_t>(width - x);
      const FloatVector tail = hn::IfThenElse(hn::FirstN(d, rest), load_tail(d, p + x, rest), none);
      part[1] = join<kMax>(part[1], tail);
    }
  }
  const FloatVector all = join_partials<kMax>(part);
  const float result = hn::GetLane(kMax ? hn::MaxOfLanes(d, all) : hn::SumOfLanes(d, all));
  *out = kMax ? result : result / static_cast<float>(height * width);
}

}  // namespace

// Rows [begin, end) of the output, counted over the channels (or blocks) of an image from `rows.begin` on, then over
// images.
void pool_rows(const PoolShape& shape, PoolKind kind, ImageLayout layout, const ConstImage& in, const Image& out,
               RowRange rows, int64_t begin, int64_t end) {
  Geometry g;
  g.ya = {shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
  g.xa = {shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w, shape.pad_left};
  g.out_w = shape.out_w;
  g.padded_end_h = shape.in_h + shape.pad_bottom;
  g.padded_end_w = shape.in_w + shape.pad_right;
  const bool include_pad = kind == PoolKind::kAverageIncludePad;
  const bool blocked = layout == ImageLayout::kBlocked;
  const auto pool_row = blocked ? (kind == PoolKind::kMax ? &pool_row_blocked<true> : &pool_row_blocked<false>)
                                : (kind == PoolKind::kMax ? &pool_row_plain<true> : &pool_row_plain<false>);
  const int64_t items = blocked ? count_blocks(shape.channels, kBlock) : shape.channels;
  const int64_t height = rows.end - rows.begin;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t y = rows.begin + index % height;
    const int64_t item = index / height % items;
    const int64_t image = index / height / items;
    pool_row(g, include_pad, in.data + image * in.image_stride + item * in.channel_stride, in.row_stride, y,
             out.data + image * out.image_stride + item * out.channel_stride + y * out.row_stride);
  }
}

// Channels (or blocks) [begin, end), counted over images.
void pool_all(int64_t items, int64_t in_h, int64_t in_w, PoolKind kind, ImageLayout layout, const ConstImage& in,
              const Image& out, int64_t begin, int64_t end) {
  const bool max = kind == PoolKind::kMax;
  const auto pool_item = layout == ImageLayout::kBlocked ? (max ? &pool_all_blocked<true> : &pool_all_blocked<false>)
                                                         : (max ? &pool_all_plain<true> : &pool_all_plain<false>);
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / items;
    const int64_t item = index % items;
    pool_item(in.data + image * in.image_stride + item * in.channel_stride, in.row_stride, in_h, in_w,
              out.data + image * out.image_stride + item * out.channel_stride);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(pool_rows);
HWY_EXPORT(pool_all);

namespace {

// The floats that take about 10 us to join, two vectors of AVX2 a cycle.
constexpr int64_t kTaskFloats = 131072;

}  // namespace

RowRange pool_input_rows(const PoolShape& shape, RowRange rows) {
  const WindowAxis axis{shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
  const WindowRange range = window_input(axis, rows.begin, rows.end);
  return {range.begin, range.end};
}

void run_pool(const PoolShape& shape, PoolKind kind, ImageLayout layout, const ConstImage& in, const Image& out,
              RowRange rows, Parallel& parallel) {
  const int64_t width = layout == ImageLayout::kBlocked ? block_channels() : 1;
  const int64_t total = shape.batch * count_blocks(shape.channels, width) * (rows.end - rows.begin);
  const int64_t row_floats = std::max<int64_t>(shape.out_w * shape.kernel_h * shape.kernel_w * width, 1);
  const auto run = HWY_DYNAMIC_DISPATCH(pool_rows);
  for_ranges(parallel, total, kTaskFloats / row_floats + 1,
             [&](int64_t begin, int64_t end, int) { run(shape, kind, layout, in, out, rows, begin, end); });
}

void run_global_pool(int64_t batch, int64_t channels, int64_t in_h, int64_t in_w, PoolKind kind, ImageLayout layout,
                     const ConstImage& in, const Image& out, Parallel& parallel) {
  const int64_t width = layout == ImageLayout::kBlocked ? block_channels() : 1;
  const int64_t items = count_blocks(channels, width);
  const auto run = HWY_DYNAMIC_DISPATCH(pool_all);
  for_ranges(parallel, batch * items, kTaskFloats / std::max<int64_t>(in_h * in_w * width, 1) + 1,
             [&](int64_t begin, int64_t end, int) { run(items, in_h, in_w, kind, layout, in, out, begin, end); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
