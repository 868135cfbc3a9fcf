#include "kernels/depthwise.h"

#include <algorithm>
#include <utility>

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

HWY_ALIGN constexpr float kZeroBlock[kBlock] = {};

// What the pixels of one row are computed from. Strides are in floats.
struct Row {
  const float* in;       // tap (0, 0) of the row's first pixel; with padding left of the image
  int64_t first_column;  // of that tap, negative in the padding
  int64_t in_w;
  int64_t in_row_step;    // from a row of taps to the next
  int64_t tap_columns;    // from a tap to the next: the dilation
  int64_t pixel_columns;  // from a pixel's first tap to the next pixel's: the stride
  const float* weights;
  WindowRange tap_rows;
  int64_t kernel_w;
  const float* bias;      // one block
  const float* residual;  // of the row; null for none
  bool clamp;
  float low;
  float high;
};

// Pixels [first, first + kPixelCount) to `out`, one block wide. kTaps and kStride are the width of the kernel and the
// stride where they are known and the dilation is 1: an input is then loaded once for all the taps that it meets in a
// row. 0: any. Only with kClipped may taps lie left or right of the image, where they read zeros: a few pixels at the
// ends of a row computed one by one would take as long as all others of an image of 14 x 14.
template <int kPixelCount, int kTaps, int kStride, bool kClipped>
HWY_INLINE void compute_pixels(const Row& s, int64_t first, float* out) {
  const BlockTag d;
  const int64_t first_column = s.first_column + first * s.pixel_columns;
  const auto inside = [&](int64_t column) {
    return static_cast<uint64_t>(first_column + column) < static_cast<uint64_t>(s.in_w);
  };
  for (int64_t v = 0; v < kBlock; v += kLanes) {
    const float* in = s.in + first * s.pixel_columns * kBlock + v;
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
          BlockVector value = hn::Zero(d);
          if (!kClipped || inside(column())) value = hn::LoadU(d, x + column() * kBlock);
          unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED {
            constexpr int kTap = decltype(column)::value - decltype(n)::value * kStride;
            if constexpr (kTap >= 0 && kTap < kTaps) sum[n()] = hn::MulAdd(value, weight[kTap], sum[n()]);
          });
        });
      } else {
        for (int64_t tap = 0; tap < s.kernel_w; ++tap) {
          const BlockVector weight = hn::LoadU(d, w + tap * kBlock);
          unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED {
            const int64_t column = tap * s.tap_columns + n() * s.pixel_columns;
            const float* p = !kClipped || inside(column) ? x + column * kBlock : kZeroBlock + v;
            sum[n()] = hn::MulAdd(hn::LoadU(d, p), weight, sum[n()]);
          });
        }
      }
    }
    if (s.clamp) {
      const BlockVector low = hn::Set(d, s.low);
      const BlockVector high = hn::Set(d, s.high);
      unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED { sum[n()] = min_keep_nan(max_keep_nan(sum[n()], low), high); });
    }
    unroll<kPixelCount>([&](auto n) ATTUNE_UNROLLED { hn::StoreU(sum[n()], d, out + n() * kBlock + v); });
  }
}

// `groups` groups of kPixelCount neighbouring pixels from `first` on.
template <int kPixelCount, int kTaps, int kStride, bool kClipped>
HWY_NOINLINE void compute_groups(const Row& s, int64_t first, int64_t groups, float* out) {
  for (; groups > 0; --groups, first += kPixelCount, out += kPixelCount * kBlock) {
    compute_pixels<kPixelCount, kTaps, kStride, kClipped>(s, first, out);
  }
}

using ComputeGroups = void (*)(const Row&, int64_t, int64_t, float*);

// The functions of one width of kernel and stride, by the pixels of a group - 1.
struct GroupTable {
  ComputeGroups whole[kPixels];
  ComputeGroups clipped[kPixels];
};

template <int kTaps, int kStride, int... kN>
constexpr GroupTable make_table(std::integer_sequence<int, kN...>) {
  return {{&compute_groups<kN + 1, kTaps, kStride, false>...}, {&compute_groups<kN + 1, kTaps, kStride, true>...}};
}

template <int kTaps, int kStride>
const GroupTable& group_table() {
  static constexpr GroupTable kTable = make_table<kTaps, kStride>(std::make_integer_sequence<int, kPixels>());
  return kTable;
}

const GroupTable& find_table(const ConvShape& shape) {
  if (shape.dilation_w == 1) {
    if (shape.kernel_w == 3 && shape.stride_w == 1) return group_table<3, 1>();
    if (shape.kernel_w == 3 && shape.stride_w == 2) return group_table<3, 2>();
    if (shape.kernel_w == 5 && shape.stride_w == 1) return group_table<5, 1>();
    if (shape.kernel_w == 5 && shape.stride_w == 2) return group_table<5, 2>();
  }
  return group_table<0, 0>();
}

}  // namespace

// Items [begin, end): the rows of a band of one block. Items are counted over the blocks of a band, then over the
// `bands` bands that `rows` are cut into, then over images.
void run_depthwise_items(const ConvShape& shape, const float* packed, const ConstImage& in, const Image& out,
                         const ConvEpilogue& epilogue, RowRange rows, int64_t bands, int64_t begin, int64_t end) {
  const WindowAxis ya{shape.in_h, shape.kernel_h, shape.stride_h, shape.dilation_h, shape.pad_top};
  const WindowAxis xa{shape.in_w, shape.kernel_w, shape.stride_w, shape.dilation_w, shape.pad_left};
  const int64_t out_w = shape.out_w();
  const WindowRange whole = whole_windows(xa, out_w);
  const GroupTable& table = find_table(shape);
  // A row is cut into groups of about the same number of pixels, the first `larger` of one more than `pixels`.
  const int64_t groups = count_blocks(out_w, kPixels);
  const int64_t pixels = out_w / groups;
  const int64_t larger = out_w % groups;
  const Finish finish = make_finish(epilogue);
  const ConstImage& residual = epilogue.residual;
  const bool residual_last = residual.data != nullptr && epilogue.act_before_add;
  const int64_t blocks = count_blocks(shape.out_channels, kBlock);
  const int64_t height = rows.end - rows.begin;
  HWY_ALIGN float bias[kBlock];
  HWY_ALIGN float scratch[kPixels * kBlock];

  Row s;
  s.first_column = xa.first(0);
  s.in_w = shape.in_w;
  s.in_row_step = shape.dilation_h * in.row_stride;
  s.tap_columns = shape.dilation_w;
  s.pixel_columns = shape.stride_w;
  s.kernel_w = shape.kernel_w;
  s.bias = bias;
  s.clamp = finish.clamp;
  s.low = finish.low;
  s.high = finish.high;

  for (int64_t index = begin; index < end; ++index) {
    const int64_t block = index % blocks;
    const int64_t band = index / blocks % bands;
    const int64_t image = index / blocks / bands;
    const int64_t end_y = rows.begin + height * (band + 1) / bands;
    for (int64_t i = 0; i < kBlock; ++i) {
      const int64_t channel = block * kBlock + i;
      bias[i] = epilogue.bias != nullptr && channel < shape.out_channels ? epilogue.bias[channel] : 0.0F;
    }
    s.weights = packed + block * shape.kernel_h * shape.kernel_w * kBlock;
    const float* in_block = in.data + image * in.image_stride + block * in.channel_stride;
    float* out_block = out.data + image * out.image_stride + block * out.channel_stride;
    for (int64_t y = rows.begin + height * band / bands; y < end_y; ++y) {
      s.tap_rows = taps_inside(ya, y);
      float* out_row = out_block + y * out.row_stride;
      const float* residual_row = nullptr;
      if (residual.data != nullptr) {
        residual_row =
            residual.data + image * residual.image_stride + block * residual.channel_stride + y * residual.row_stride;
      }
      s.in = in_block + (ya.first(y) * in.row_stride + s.first_column * kBlock);
      s.residual = residual_last ? nullptr : residual_row;
      const auto is_clipped = [&](int64_t x, int64_t count) { return x < whole.begin || x + count > whole.end; };
      for (int64_t group = 0, x = 0; group < groups;) {
        const int64_t count = pixels + (group < larger ? 1 : 0);
        const bool clipped = is_clipped(x, count);
        const ComputeGroups compute = (clipped ? table.clipped : table.whole)[count - 1];
        if (residual_last) {
          // The residual is wanted last and may be the output: the sums wait elsewhere.
          compute(s, x, 1, scratch);
          finish_row(epilogue.activation, scratch, out_row + x * kBlock, count * kBlock, residual_row + x * kBlock);
          ++group;
          x += count;
          continue;
        }
        const int64_t alike = group < larger ? larger : groups;
        int64_t end_group = group + 1;
        while (end_group < alike && is_clipped(x + (end_group - group) * count, count) == clipped) ++end_group;
        compute(s, x, end_group - group, out_row + x * kBlock);
        x += (end_group - group) * count;
        group = end_group;
      }
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

HWY_EXPORT(run_depthwise_items);

namespace {

// About the products of vectors that take 10 us: they come from the first-level cache, about one a cycle.
constexpr int64_t kTaskProducts = 16384;
// Bands for each thread, of rows enough that most of a row's input is read for the next one as well. Threads share
// images out by rows, as in other convolutions: what a thread wrote lies in its core's cache.
constexpr int64_t kBandsPerThread = 2;
constexpr int64_t kMinBandRows = 3;

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
  const int64_t height = rows.end - rows.begin;
  if (height <= 0 || shape.out_w() <= 0) return;
  const int64_t threads = parallel.threads();
  const int64_t block_products = height * shape.out_w() * shape.kernel_h * shape.kernel_w;
  const int64_t wanted = std::max(kBandsPerThread * threads, block_products / (8 * kTaskProducts));
  const int64_t bands = threads == 1 ? 1 : std::clamp<int64_t>(height / kMinBandRows, 1, wanted);
  const int64_t products = std::max<int64_t>(block_products / bands, 1);
  const auto run_items = HWY_DYNAMIC_DISPATCH(run_depthwise_items);
  for_ranges(
      parallel, shape.batch * bands * blocks, kTaskProducts / products + 1,
      [&](int64_t begin, int64_t end, int) { run_items(shape, packed, in, out, epilogue, rows, bands, begin, end); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
