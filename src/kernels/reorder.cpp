#include "kernels/reorder.h"

#include <algorithm>
#include <cstring>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reorder.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

using Half = hn::FixedTag<float, 4>;
using HalfVector = hn::Vec<Half>;

// Transposes four vectors of four floats. Moves bits only.
HWY_INLINE void transpose_4x4(HalfVector& a, HalfVector& b, HalfVector& c, HalfVector& d) {
  const Half tag;
  const hn::Repartition<double, Half> wide;
  const auto ab_low = hn::BitCast(wide, hn::InterleaveLower(tag, a, b));  // a0 b0 a1 b1
  const auto ab_high = hn::BitCast(wide, hn::InterleaveUpper(tag, a, b));
  const auto cd_low = hn::BitCast(wide, hn::InterleaveLower(tag, c, d));
  const auto cd_high = hn::BitCast(wide, hn::InterleaveUpper(tag, c, d));
  a = hn::BitCast(tag, hn::InterleaveLower(wide, ab_low, cd_low));
  b = hn::BitCast(tag, hn::InterleaveUpper(wide, ab_low, cd_low));
  c = hn::BitCast(tag, hn::InterleaveLower(wide, ab_high, cd_high));
  d = hn::BitCast(tag, hn::InterleaveUpper(wide, ab_high, cd_high));
}

// `pixels` pixels of `lanes` channels, `in_stride` apart, to one block.
void block_row(const float* HWY_RESTRICT in, int64_t in_stride, int64_t lanes, int64_t pixels,
               float* HWY_RESTRICT out) {
  const Half d;
  int64_t x = 0;
  for (; x + 4 <= pixels; x += 4) {
    int64_t lane = 0;
    for (; lane + 4 <= lanes; lane += 4) {
      const float* p = in + lane * in_stride + x;
      HalfVector r0 = hn::LoadU(d, p);
      HalfVector r1 = hn::LoadU(d, p + in_stride);
      HalfVector r2 = hn::LoadU(d, p + 2 * in_stride);
      HalfVector r3 = hn::LoadU(d, p + 3 * in_stride);
      transpose_4x4(r0, r1, r2, r3);
      float* q = out + x * kBlock + lane;
      hn::StoreU(r0, d, q);
      hn::StoreU(r1, d, q + kBlock);
      hn::StoreU(r2, d, q + 2 * kBlock);
      hn::StoreU(r3, d, q + 3 * kBlock);
    }
    for (; lane < kBlock; ++lane) {
      for (int64_t i = 0; i < 4; ++i) out[(x + i) * kBlock + lane] = lane < lanes ? in[lane * in_stride + x + i] : 0.0F;
    }
  }
  for (; x < pixels; ++x) {
    for (int64_t lane = 0; lane < kBlock; ++lane) {
      out[x * kBlock + lane] = lane < lanes ? in[lane * in_stride + x] : 0.0F;
    }
  }
}

void unblock_row(const float* HWY_RESTRICT in, int64_t pixels, int64_t lanes, float* HWY_RESTRICT out,
                 int64_t out_stride) {
  const Half d;
  int64_t x = 0;
  for (; x + 4 <= pixels; x += 4) {
    int64_t lane = 0;
    for (; lane + 4 <= lanes; lane += 4) {
      const float* p = in + x * kBlock + lane;
      HalfVector r0 = hn::LoadU(d, p);
      HalfVector r1 = hn::LoadU(d, p + kBlock);
      HalfVector r2 = hn::LoadU(d, p + 2 * kBlock);
      HalfVector r3 = hn::LoadU(d, p + 3 * kBlock);
      transpose_4x4(r0, r1, r2, r3);
      float* q = out + lane * out_stride + x;
      hn::StoreU(r0, d, q);
      hn::StoreU(r1, d, q + out_stride);
      hn::StoreU(r2, d, q + 2 * out_stride);
      hn::StoreU(r3, d, q + 3 * out_stride);
    }
    for (; lane < lanes; ++lane) {
      for (int64_t i = 0; i < 4; ++i) out[lane * out_stride + x + i] = in[(x + i) * kBlock + lane];
    }
  }
  for (; x < pixels; ++x) {
    for (int64_t lane = 0; lane < lanes; ++lane) out[lane * out_stride + x] = in[x * kBlock + lane];
  }
}

}  // namespace

// Rows [begin, end) of one image and block.
void block_rows(const ReorderShape& shape, const ConstImage& in, const Image& out, int64_t image, int64_t block,
                int64_t begin, int64_t end) {
  const int64_t lanes = std::min<int64_t>(kBlock, shape.channels - block * kBlock);
  const float* from = in.data + image * in.image_stride + block * kBlock * in.channel_stride;
  float* to = out.data + image * out.image_stride + block * out.channel_stride;
  if (in.row_stride == shape.width && out.row_stride == shape.width * kBlock) {
    // Rows that follow each other are one long row: narrow images would leave most of them to the scalar tail.
    block_row(from + begin * in.row_stride, in.channel_stride, lanes, (end - begin) * shape.width,
              to + begin * out.row_stride);
    return;
  }
  for (int64_t y = begin; y < end; ++y) {
    block_row(from + y * in.row_stride, in.channel_stride, lanes, shape.width, to + y * out.row_stride);
  }
}

void unblock_rows(const ReorderShape& shape, const ConstImage& in, const Image& out, int64_t image, int64_t block,
                  int64_t begin, int64_t end) {
  const int64_t lanes = std::min<int64_t>(kBlock, shape.channels - block * kBlock);
  const float* from = in.data + image * in.image_stride + block * in.channel_stride;
  float* to = out.data + image * out.image_stride + block * kBlock * out.channel_stride;
  if (in.row_stride == shape.width * kBlock && out.row_stride == shape.width) {
    unblock_row(from + begin * in.row_stride, (end - begin) * shape.width, lanes, to + begin * out.row_stride,
                out.channel_stride);
    return;
  }
  for (int64_t y = begin; y < end; ++y) {
    unblock_row(from + y * in.row_stride, shape.width, lanes, to + y * out.row_stride, out.channel_stride);
  }
}

// Between [pixel][channel] and one block of [pixel][lane]: every pixel is a copy of neighbouring floats.
void block_channels_last(const ReorderShape& shape, const float* in, const Image& out, int64_t image, int64_t block,
                         int64_t begin, int64_t end) {
  const int64_t lanes = std::min<int64_t>(kBlock, shape.channels - block * kBlock);
  const BlockTag d;
  for (int64_t y = begin; y < end; ++y) {
    const float* from = in + ((image * shape.height + y) * shape.width) * shape.channels + block * kBlock;
    float* to = out.data + image * out.image_stride + block * out.channel_stride + y * out.row_stride;
    for (int64_t x = 0; x < shape.width; ++x, from += shape.channels, to += kBlock) {
      if (lanes == kBlock) {
        for (int i = 0; i < kBlock; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
      } else {
        for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = from[lane];
        for (int64_t lane = lanes; lane < kBlock; ++lane) to[lane] = 0.0F;
      }
    }
  }
}

void unblock_channels_last(const ReorderShape& shape, const ConstImage& in, float* out, int64_t image, int64_t block,
                           int64_t begin, int64_t end) {
  const int64_t lanes = std::min<int64_t>(kBlock, shape.channels - block * kBlock);
  const BlockTag d;
  for (int64_t y = begin; y < end; ++y) {
    const float* from = in.data + image * in.image_stride + block * in.channel_stride + y * in.row_stride;
    float* to = out + ((image * shape.height + y) * shape.width) * shape.channels + block * kBlock;
    for (int64_t x = 0; x < shape.width; ++x, from += kBlock, to += shape.channels) {
      if (lanes == kBlock) {
        for (int i = 0; i < kBlock; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
      } else {
        for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = from[lane];
      }
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(block_rows);
HWY_EXPORT(unblock_rows);
HWY_EXPORT(block_channels_last);
HWY_EXPORT(unblock_channels_last);

namespace {

// The floats that take about 10 us to copy.
constexpr int64_t kTaskFloats = 32768;

// body(image, block, first row, end row), the blocks of a band of rows one after the other: in the channels-last layout
// they share cache lines.
template <class Body>
void for_each_band(const ReorderShape& shape, Parallel& parallel, const Body& body) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(shape.channels, block);
  const int64_t row_floats = std::max<int64_t>(shape.width * block, 1);
  const int64_t band = std::clamp<int64_t>(kTaskFloats / row_floats, 1, std::max<int64_t>(shape.height, 1));
  const int64_t bands = (shape.height + band - 1) / band;
  for_ranges(parallel, shape.batch * bands * blocks, kTaskFloats / (row_floats * band) + 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t index = begin; index < end; ++index) {
                 const int64_t first = index / blocks % bands * band;
                 body(index / blocks / bands, index % blocks, first, std::min(first + band, shape.height));
               }
             });
}

}  // namespace

void reorder_plain_to_blocked(const ReorderShape& shape, const ConstImage& in, const Image& out, Parallel& parallel) {
  const auto run = HWY_DYNAMIC_DISPATCH(block_rows);
  for_each_band(shape, parallel, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    run(shape, in, out, image, block, begin, end);
  });
}

void reorder_blocked_to_plain(const ReorderShape& shape, const ConstImage& in, const Image& out, Parallel& parallel) {
  const auto run = HWY_DYNAMIC_DISPATCH(unblock_rows);
  for_each_band(shape, parallel, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    run(shape, in, out, image, block, begin, end);
  });
}

void reorder_channels_last_to_blocked(const ReorderShape& shape, const float* in, const Image& out,
                                      Parallel& parallel) {
  const auto run = HWY_DYNAMIC_DISPATCH(block_channels_last);
  for_each_band(shape, parallel, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    run(shape, in, out, image, block, begin, end);
  });
}

void reorder_blocked_to_channels_last(const ReorderShape& shape, const ConstImage& in, float* out, Parallel& parallel) {
  const auto run = HWY_DYNAMIC_DISPATCH(unblock_channels_last);
  for_each_band(shape, parallel, [&](int64_t image, int64_t block, int64_t begin, int64_t end) {
    run(shape, in, out, image, block, begin, end);
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
