#include "kernels/channel_shuffle.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/channel_shuffle.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// Pixels whose output is made at once, by the same lookups.
constexpr int kPixels = 4;

// The lanes of a vector of output that come from the same vector of input.
struct Piece {
  HWY_ALIGN int32_t from[kLanes];   // for each output lane the input lane
  HWY_ALIGN int32_t taken[kLanes];  // all bits set where the output lane is of this piece, else 0
  int64_t offset;                   // of the input vector, in floats from the pixel in block 0
};

// The pieces of the output vector that begins at `channel`; returns how many. Lanes after the last channel have none.
int find_pieces(const ChannelShuffleShape& shape, int64_t in_channel_stride, int64_t channel, Piece (&pieces)[kLanes]) {
  int count = 0;
  for (int lane = 0; lane < kLanes && channel + lane < shape.channels; ++lane) {
    const int64_t source = shape.source(channel + lane);
    const int64_t offset = source / kBlock * in_channel_stride + source % kBlock / kLanes * kLanes;
    int i = 0;
    while (i < count && pieces[i].offset != offset) ++i;
    if (i == count) pieces[count++] = Piece{{}, {}, offset};
    pieces[i].from[lane] = static_cast<int32_t>(source % kLanes);
    pieces[i].taken[lane] = -1;
  }
  return count;
}

// One vector of kCount neighbouring pixels.
template <int kCount>
HWY_INLINE void shuffle_pixels(const Piece* pieces, int count, const float* in, float* out) {
  const BlockTag d;
  const hn::RebindToSigned<BlockTag> di;
  BlockVector value[kCount];
  unroll<kCount>([&](auto n) ATTUNE_UNROLLED { value[n()] = hn::Zero(d); });
  for (int i = 0; i < count; ++i) {
    const auto from = hn::SetTableIndices(d, pieces[i].from);
    const auto taken = hn::MaskFromVec(hn::BitCast(d, hn::Load(di, pieces[i].taken)));
    const float* source = in + pieces[i].offset;
    unroll<kCount>([&](auto n) ATTUNE_UNROLLED {
      const BlockVector found = hn::TableLookupLanes(hn::LoadU(d, source + n() * kBlock), from);
      value[n()] = hn::IfThenElse(taken, found, value[n()]);
    });
  }
  unroll<kCount>([&](auto n) ATTUNE_UNROLLED { hn::StoreU(value[n()], d, out + n() * kBlock); });
}

}  // namespace

// A block of output channels, rows [begin, end). Its channels come from all over the input, but several from each
// vector that they come from.
void shuffle_rows(const ChannelShuffleShape& shape, const ConstImage& in, const Image& out, int64_t block,
                  int64_t begin, int64_t end) {
  Piece pieces[kLanes];
  for (int v = 0; v < kBlock; v += kLanes) {
    const int count = find_pieces(shape, in.channel_stride, block * kBlock + v, pieces);
    for (int64_t y = begin; y < end; ++y) {
      const float* from = in.data + y * in.row_stride;
      float* to = out.data + block * out.channel_stride + y * out.row_stride + v;
      int64_t x = 0;
      for (; x + kPixels <= shape.width; x += kPixels) {
        shuffle_pixels<kPixels>(pieces, count, from + x * kBlock, to + x * kBlock);
      }
      for (; x < shape.width; ++x) shuffle_pixels<1>(pieces, count, from + x * kBlock, to + x * kBlock);
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(shuffle_rows);

namespace {

// About what a core moves in 10 us.
constexpr int64_t kTaskFloats = 65536;

void shuffle_blocked(const ChannelShuffleShape& shape, const ConstImage& in, const Image& out, Parallel& parallel) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(shape.channels, block);
  const auto shuffle = HWY_DYNAMIC_DISPATCH(shuffle_rows);
  const int64_t row_floats = std::max<int64_t>(shape.width * block, 1);
  for_ranges(parallel, shape.batch * blocks * shape.height, std::max<int64_t>(kTaskFloats / row_floats, 1),
             [&](int64_t begin, int64_t end, int) {
               while (begin < end) {
                 const int64_t plane = begin / shape.height;
                 const int64_t first = begin % shape.height;
                 const int64_t last = std::min(first + end - begin, shape.height);
                 ConstImage image = in;
                 image.data += plane / blocks * in.image_stride;
                 Image target = out;
                 target.data += plane / blocks * out.image_stride;
                 shuffle(shape, image, target, plane % blocks, first, last);
                 begin += last - first;
               }
             });
}

void shuffle_plain(const ChannelShuffleShape& shape, const ConstImage& in, const Image& out, Parallel& parallel) {
  const int64_t plane_floats = std::max<int64_t>(shape.height * shape.width, 1);
  for_ranges(parallel, shape.batch * shape.channels, std::max<int64_t>(2 * kTaskFloats / plane_floats, 1),
             [&](int64_t begin, int64_t end, int) {
               for (int64_t plane = begin; plane < end; ++plane) {
                 const int64_t image = plane / shape.channels;
                 const int64_t channel = plane % shape.channels;
                 const float* from = in.data + image * in.image_stride + shape.source(channel) * in.channel_stride;
                 float* to = out.data + image * out.image_stride + channel * out.channel_stride;
                 for (int64_t y = 0; y < shape.height; ++y) {
                   std::copy_n(from + y * in.row_stride, shape.width, to + y * out.row_stride);
                 }
               }
             });
}

}  // namespace

void shuffle_channels(const ChannelShuffleShape& shape, ImageLayout layout, const ConstImage& in, const Image& out,
                      Parallel& parallel) {
  if (layout == ImageLayout::kBlocked) return shuffle_blocked(shape, in, out, parallel);
  shuffle_plain(shape, in, out, parallel);
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
