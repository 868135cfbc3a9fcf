#include "kernels/copy_channels.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/copy_channels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// `lanes` neighbouring lanes of each pixel, up to kUnit at once; `lanes` is a multiple of that.
template <int kUnit>
void copy_lanes(const float* HWY_RESTRICT from, float* HWY_RESTRICT to, int64_t lanes, int64_t pixels) {
  const hn::CappedTag<float, kUnit> d;
  constexpr int kStep = static_cast<int>(hn::MaxLanes(d));
  for (int64_t x = 0; x < pixels; ++x, from += kBlock, to += kBlock) {
    for (int64_t i = 0; i < lanes; i += kStep) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  }
}

void copy_row(const float* from, float* to, int64_t from_lane, int64_t to_lane, int64_t lanes, int64_t pixels) {
  const int64_t units = from_lane | to_lane | lanes;
  from += from_lane;
  to += to_lane;
  if (units % 8 == 0) {
    copy_lanes<8>(from, to, lanes, pixels);
  } else if (units % 4 == 0) {
    copy_lanes<4>(from, to, lanes, pixels);
  } else {
    copy_lanes<1>(from, to, lanes, pixels);
  }
}

}  // namespace

// Rows [begin, end), counted over the images.
void copy_channel_rows(const ChannelCopy& copy, const ConstImage& in, const Image& out, int64_t begin, int64_t end) {
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / copy.height;
    const int64_t y = index % copy.height;
    const float* from = in.data + image * in.image_stride + y * in.row_stride;
    float* to = out.data + image * out.image_stride + y * out.row_stride;
    for (int64_t channel = 0; channel < copy.channels;) {
      const int64_t source = copy.from_channel + channel;
      const int64_t target = copy.to_channel + channel;
      const int64_t lanes =
          std::min<int64_t>({kBlock - source % kBlock, kBlock - target % kBlock, copy.channels - channel});
      copy_row(from + source / kBlock * in.channel_stride, to + target / kBlock * out.channel_stride, source % kBlock,
               target % kBlock, lanes, copy.width);
      channel += lanes;
    }
    const int64_t behind = copy.to_channel + copy.channels;
    if (behind % kBlock == 0) continue;
    float* last = to + behind / kBlock * out.channel_stride;
    for (int64_t x = 0; x < copy.width; ++x)
      std::fill(last + x * kBlock + behind % kBlock, last + (x + 1) * kBlock, 0.0F);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(copy_channel_rows);

namespace {

// The floats that take about 10 us to copy.
constexpr int64_t kTaskFloats = 32768;

}  // namespace

void copy_channels(const ChannelCopy& copy, const ConstImage& in, const Image& out, Parallel& parallel) {
  if (copy.channels <= 0 || copy.width <= 0) return;
  const int64_t row_floats = copy.channels * copy.width;
  const auto run = HWY_DYNAMIC_DISPATCH(copy_channel_rows);
  for_ranges(parallel, copy.batch * copy.height, kTaskFloats / row_floats + 1,
             [&](int64_t begin, int64_t end, int) { run(copy, in, out, begin, end); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
