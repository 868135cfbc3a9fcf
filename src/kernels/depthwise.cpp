#include "kernels/depthwise.h"

#include <algorithm>

#include "kernels/conv_window.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// Pixels that are summed at once: with five weights and an input they fill 14 of AVX2's 16 registers, and eight sums
// keep two units of latency four busy.
constexpr int kPixels = 8;

// What a run of pixels of one row is computed from. Strides are in floats.
struct Segment {
  const float* in;      // tap (0, 0) of the first pixel
  int64_t in_row_step;  // from a row of taps to the next
  int64_t in_col_step;  // from a tap to the next
  int64_t pixel_step;   // from a pixel's input to the next pixel's
  const float* weights;
  WindowRange tap_rows;
  WindowRange tap_cols;
  int64_t kernel_w;
  const float* bias;      // one block
  const float* residual;  // null for none
  bool clamp;
  float low;
  float high;
};

// kPixelCount pixels. kTaps and kStride are the width of the kernel and the stride where they are known and the
// dilation is 1: an input is then loaded once for all the taps that it meets in a row. 0: any.
template <int kPixelCount, int kTaps, int kStride>
HWY_INLINE void compute_pixels(const Segment& s, int64_t first, float* out) {
  const BlockTag d;
  for (int64_t v = 0; v < kBlock; v += kLanes) {
    const float* in = s.in + first * s.pixel_step + v;
    BlockVector sum[kPixelCount];
    const BlockVector bias = hn::LoadU(d, s.bias + v);
    unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED { sum[n()] = bias; });
    if (s.residual != nullptr) {
      unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED {
        sum[n()] = hn::Add(bias, hn::LoadU(d, s.residual + (first + n()) * kBlock + v));
      });
    }
    for (int64_t row = s.tap_rows.begin; row < s.tap_rows.end; ++row) {
      const float* x = in + row * s.in_row_step;
      const float* w = s.weights + row * s.kernel_w * kBlock + v;
      if constexpr (kTaps > 0) {
        BlockVector weight[kTaps];
        unroll<kTaps>([&](auto t) ATTUNE_UNROLLED { weight[t()] = hn::LoadU(d, w + t() * kBlock); });
        unroll<(kPixelCount - 1) * kStride + kTaps>([&](auto column) ATTUNE_UNROLLED {
          const BlockVector value = hn::LoadU(d, x + column() * kBlock);
          unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED {
            constexpr int kTap = decltype(column)::value - decltype(n)::value * kStride;
            if constexpr (kTap >= 0 && kTap < kTaps) sum[n()] = hn::MulAdd(value, weight[kTap], sum[n()]);
          });
        });
      } else {
        for (int64_t tap = s.tap_cols.begin; tap < s.tap_cols.end; ++tap) {
          const BlockVector weight = hn::LoadU(d, w + tap * kBlock);
          const float* p = x + tap * s.in_col_step;
          unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED {
            sum[n()] = hn::MulAdd(hn::LoadU(d, p + n() * s.pixel_step), weight, sum[n()]);
          });
        }
      }
    }
    if (s.clamp) {
      const BlockVector low = hn::Set(d, s.low);
      const BlockVector high = hn::Set(d, s.high);
      unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED { sum[n()] = min_keep_nan(max_keep_nan(sum[n()], low), high); });
    }
    unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED { hn::StoreU(sum[n()], d, out + (first + n()) * kBlock + v); });
  }
}

template <int kTaps, int kStride>
HWY_NOINLINE void compute_segment(const Segment& s, float* out, int64_t pixels) {
  int64_t n = 0;
  for (; n + kPixels <= pixels; n += kPixels) compute_pixels<kPixels, kTaps, kStride>(s, n, out);
  if (n + 4 <= pixels) {
    compute_pixels<4, kTaps, kStride>(s, n, out);
    n += 4;
  }
  if (n + 2 <= pixels) {
    compute_pixels<2, kTaps, kStride>(s, n, out);
    n += 2;
  }
  if (n < pixels) compute_pixels<1, kTaps, kStride>(s, n, out);
}

using ComputeSegment = void (*)(const Segment&, float*, int64_t);

ComputeSegment find_segment(const ConvShape& shape) {
  if (shape.dilation_w == 1) {
    if (shape.kernel_w == 3 && shape.stride_w == 1) return &compute_segment<3, 1>;
    if (shape.kernel_w == 3 && shape.stride_w == 2) return &compute_segment<3, 2>;
    if (shape.kernel_w == 5 && shape.stride_w == 1) return &compute_segment<5, 1>;
    if (shape.kernel_w == 5 && shape.stride_w == 2) return &compute_segment<5, 2>;
  }
  return &compute_segment<0, 0>;
}

}  // namespace

// Rows [begin, end) of the output, counted over the blocks of an image from `rows.begin` on, then over images.
void run_depthwise_rows(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
                        const ConvEpilogue& epilogue, RowRange rows, int64_t begin, int64_t end) {
  const WindowAxis ya{shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
  const WindowAxis xa{shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w, shape.pad_left};
  const int64_t out_w = shape.out_w();
  const WindowRange whole = whole_windows(xa, out_w);
  const ComputeSegment compute_whole = find_segment(shape);
  const Finish finish = make_finish(epilogue);
  const ConstImage& residual = epilogue.residual;
  const bool residual_last = residual.data != nullptr && epilogue.act_before_add;
  const int64_t blocks = count_blocks(shape.out_channels, kBlock);
  const int64_t height = rows.end - rows.begin;
  HWY_ALIGN float bias[kBlock];
  HWY_ALIGN float scratch[kPixels * kBlock];

  Segment s;
  s.in_row_step = shape.dilation_h * in.row_stride;
  s.in_col_step = shape.dilation_w * kBlock;
  s.pixel_step = shape.stride_w * kBlock;
  s.kernel_w = shape.kernel_w;
  s.bias = bias;
  s.clamp = finish.clamp;
  s.low = finish.low;
  s.high = finish.high;

  for (int64_t index = begin; index < end;) {
    const int64_t block = index / height % blocks;
    const int64_t image = index / height / blocks;
    const int64_t stop = std::min(end, index - index % height + height);
    for (int64_t i = 0; i < kBlock; ++i) {
      const int64_t channel = block * kBlock + i;
      bias[i] = epilogue.bias != nullptr && channel < shape.out_channels ? epilogue.bias[channel] : 0.0F;
    }
    s.weights = packed + block * shape.kernel_h * shape.kernel_w * kBlock;
    const float* in_block = in.data + image * in.image_stride + block * in.channel_stride;
    float* out_block = out.data + image * out.image_stride + block * out.channel_stride;
    for (; index < stop; ++index) {
      const int64_t y = rows.begin + index % height;
      s.tap_rows = taps_inside(ya, y);
      float* out_row = out_block + y * out.row_stride;
      const float* residual_row = nullptr;
      if (residual.data != nullptr) {
        residual_row =
            residual.data + image * residual.image_stride + block * residual.channel_stride + y * residual.row_stride;
      }
      const auto compute = [&](ComputeSegment function, int64_t x, int64_t pixels) HWY_ATTR {
        s.in = in_block + (ya.first(y) * in.row_stride + xa.first(x) * kBlock);
        s.residual = residual_row == nullptr || residual_last ? nullptr : residual_row + x * kBlock;
        if (!residual_last) {
          function(s, out_row + x * kBlock, pixels);
          return;
        }
        // The residual is wanted last and may be the output: the sums wait elsewhere.
        for (int64_t n = 0; n < pixels; n += kPixels) {
          const int64_t count = std::min<int64_t>(kPixels, pixels - n);
          function(s, scratch, count);
          finish_row(epilogue.activation, scratch, out_row + (x + n) * kBlock, count * kBlock,
                     residual_row + (x + n) * kBlock);
          s.in += kPixels * s.pixel_step;
        }
      };
      const auto compute_border = [&](int64_t x) HWY_ATTR {
        s.tap_cols = taps_inside(xa, x);
        compute(&compute_segment<0, 0>, x, 1);
      };
      for (int64_t x = 0; x < whole.begin; ++x) compute_border(x);
      s.tap_cols = {0, shape.kernel_w};
      if (whole.begin < whole.end) compute(compute_whole, whole.begin, whole.end - whole.begin);
      for (int64_t x = whole.end; x < out_w; ++x) compute_border(x);
      if (finish.after_store && !residual_last) {
        finish_row(epilogue.activation, out_row, out_row, out_w * kBlock, nullptr);
      }
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_depthwise_rows);

namespace {

// About the products of vectors that take 10 us: they come from the first-level cache, about one a cycle.
constexpr int64_t kTaskProducts = 16384;

}  // namespace

int64_t packed_depthwise_size(const ConvShape& shape) {
  const int64_t block = block_channels();
  return count_blocks(shape.out_channels, block) * block * shape.kernel_h * shape.kernel_w;
}

void pack_depthwise(const ConvShape& shape, const float* weights, float* packed) {
  const int64_t block = block_channels();
  const int64_t taps = shape.kernel_h * shape.kernel_w;
  for (int64_t first = 0; first < shape.out_channels; first += block) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t channel = first; channel < first + block; ++channel) {
        *packed++ = channel < shape.out_channels ? weights[channel * taps + tap] : 0.0F;
      }
    }
  }
}

void run_depthwise(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
                   const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel) {
  const int64_t blocks = count_blocks(shape.out_channels, block_channels());
  const int64_t total = shape.batch * blocks * (rows.end - rows.begin);
  const int64_t row_products = std::max<int64_t>(shape.out_w() * shape.kernel_h * shape.kernel_w, 1);
  const auto run_rows = HWY_DYNAMIC_DISPATCH(run_depthwise_rows);
  for_ranges(parallel, total, kTaskProducts / row_products + 1,
             [&](int64_t begin, int64_t end, int) { run_rows(shape, packed, in, out, epilogue, rows, begin, end); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
