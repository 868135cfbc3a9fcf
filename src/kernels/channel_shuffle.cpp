#include "kernels/channel_shuffle.h"

#include <algorithm>

#include "kernels/simd.h"

namespace attune::kernels {
namespace {

// About what a core moves in 10 us, a float at a time.
constexpr int64_t kTaskFloats = 32768;

// A block of output channels, rows [begin, end). The channels come from all over the input, so that a pixel's lanes are
// moved one by one: a load and a store each, which is as fast as a gather.
template <int kBlock>
void shuffle_rows(const ChannelShuffleShape& shape, const ConstImage& in, const Image& out, int64_t block,
                  int64_t begin, int64_t end) {
  int64_t offsets[kBlock] = {};
  for (int64_t lane = 0; lane < kBlock && block * kBlock + lane < shape.channels; ++lane) {
    const int64_t source = shape.source(block * kBlock + lane);
    offsets[lane] = source / kBlock * in.channel_stride + source % kBlock;
  }
  for (int64_t y = begin; y < end; ++y) {
    const float* from = in.data + y * in.row_stride;
    float* to = out.data + block * out.channel_stride + y * out.row_stride;
    for (int64_t x = 0; x < shape.width; ++x, from += kBlock, to += kBlock) {
      for (int lane = 0; lane < kBlock; ++lane) to[lane] = from[offsets[lane]];
    }
  }
}

void shuffle_blocked(const ChannelShuffleShape& shape, const ConstImage& in, const Image& out, Parallel& parallel) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(shape.channels, block);
  const auto shuffle = block == 16 ? &shuffle_rows<16> : (block == 8 ? &shuffle_rows<8> : &shuffle_rows<4>);
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
  for_ranges(parallel, shape.batch * shape.channels, std::max<int64_t>(4 * kTaskFloats / plane_floats, 1),
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
