#include "kernels/conv_transpose_patches.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_transpose_patches.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

// Pixels that are summed at once: eight chains keep two units of latency four busy.
constexpr int kPixels = 8;

// The patches of kCount neighbouring pixels, kWidth floats each, of which a patch takes `lanes`. The vectors are no
// wider than a patch: four lanes cost half of what sixteen do where those go through the units twice.
template <int kWidth, int kCount>
HWY_INLINE void compute_patches(const float* in, int64_t in_channel_stride, int64_t channels, const float* packed,
                                const float* bias, float* patches) {
  const hn::CappedTag<float, kWidth> d;
  constexpr int kStep = static_cast<int>(hn::MaxLanes(d));
  for (int v = 0; v < kWidth; v += kStep) {
    hn::Vec<decltype(d)> sum[kCount];
    unroll<kCount>([&](auto n) ATTUNE_UNROLLED { sum[n()] = hn::LoadU(d, bias + v); });
    const float* w = packed + v;
    const float* block = in;
    for (int64_t first = 0; first < channels; first += kBlock, block += in_channel_stride) {
      const int64_t count = std::min<int64_t>(kBlock, channels - first);
      for (int64_t c = 0; c < count; ++c, w += kBlock) {
        const auto weight = hn::LoadU(d, w);
        unroll<kCount>([&](auto n) ATTUNE_UNROLLED {
          sum[n()] = hn::MulAdd(hn::Set(d, block[n() * kBlock + c]), weight, sum[n()]);
        });
      }
    }
    unroll<kCount>([&](auto n) ATTUNE_UNROLLED { hn::StoreU(sum[n()], d, patches + n() * kWidth + v); });
  }
}

// Input row `y` of an image.
template <int kWidth>
void run_row(const ConvTransposeShape& shape, const float* packed, const float* in, int64_t in_channel_stride,
             const float* bias, const Image& out, float* out_image, const Activation& activation, RowRange rows,
             int64_t y) {
  HWY_ALIGN float patches[kPixels * kWidth];
  const int64_t out_w = shape.in_w * shape.stride_w;
  const int64_t begin = std::max<int64_t>(0, rows.begin - y * shape.stride_h);
  const int64_t end = std::min(shape.stride_h, rows.end - y * shape.stride_h);
  for (int64_t x = 0; x < shape.in_w; x += kPixels) {
    const int64_t count = std::min<int64_t>(kPixels, shape.in_w - x);
    const float* pixel = in + x * kBlock;
    if (count == kPixels) {
      compute_patches<kWidth, kPixels>(pixel, in_channel_stride, shape.in_channels, packed, bias, patches);
    } else {
      for (int64_t n = 0; n < count; ++n) {
        compute_patches<kWidth, 1>(pixel + n * kBlock, in_channel_stride, shape.in_channels, packed, bias,
                                   patches + n * kWidth);
      }
    }
    for (int64_t c = 0; c < shape.out_channels; ++c) {
      for (int64_t i = begin; i < end; ++i) {
        const float* from = patches + (c * shape.stride_h + i) * shape.stride_w;
        float* to = out_image + c * out.channel_stride + (y * shape.stride_h + i) * out.row_stride + x * shape.stride_w;
        for (int64_t n = 0; n < count; ++n, from += kWidth) {
          for (int64_t j = 0; j < shape.stride_w; ++j) *to++ = from[j];
        }
      }
    }
  }
  if (activation.kind == Activation::Kind::kNone) return;
  for (int64_t c = 0; c < shape.out_channels; ++c) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = out_image + c * out.channel_stride + (y * shape.stride_h + i) * out.row_stride;
      activate_array(activation, row, row, out_w);
    }
  }
}

}  // namespace

// Rows [begin, end) of the input, counted over images from `first` on.
void run_patch_rows(const ConvTransposeShape& shape, const float* packed, const ConstImage& in, const Image& out,
                    const ConvEpilogue& epilogue, RowRange rows, RowRange in_rows, int64_t begin, int64_t end) {
  const int64_t patch = shape.stride_h * shape.stride_w;
  const int64_t lanes = shape.out_channels * patch;
  HWY_ALIGN float bias[kBlock] = {};
  if (epilogue.bias != nullptr) {
    for (int64_t i = 0; i < lanes; ++i) bias[i] = epilogue.bias[i / patch];
  }
  const auto run = lanes <= 4 ? &run_row<4> : lanes <= 8 ? &run_row<8> : &run_row<kBlock>;
  const int64_t height = in_rows.end - in_rows.begin;
  for (int64_t index = begin; index < end; ++index) {
    const int64_t image = index / height;
    const int64_t y = in_rows.begin + index % height;
    run(shape, packed, in.data + image * in.image_stride + y * in.row_stride, in.channel_stride, bias, out,
        out.data + image * out.image_stride, epilogue.activation, rows, y);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_patch_rows);

namespace {

// About the products of eight pixels by a vector that take 10 us.
constexpr int64_t kTaskProducts = 65536;

}  // namespace

bool patches_fit(const ConvTransposeShape& shape) {
  return shape.groups == 1 && shape.dilation_h == 1 && shape.dilation_w == 1 && shape.kernel_h == shape.stride_h &&
         shape.kernel_w == shape.stride_w && shape.out_channels <= block_channels() / (shape.kernel_h * shape.kernel_w);
}

int64_t packed_patches_size(const ConvTransposeShape& shape) { return shape.in_channels * block_channels(); }

void pack_patches(const ConvTransposeShape& shape, const float* weights, float* packed) {
  const int64_t block = block_channels();
  const int64_t lanes = shape.out_channels * shape.kernel_h * shape.kernel_w;
  for (int64_t c = 0; c < shape.in_channels; ++c, packed += block, weights += lanes) {
    std::copy_n(weights, lanes, packed);
    std::fill(packed + lanes, packed + block, 0.0F);
  }
}

void run_patches(const ConvTransposeShape& shape, const float* packed, const ConstImage& in, const Image& out,
                 const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel) {
  if (rows.begin >= rows.end || shape.in_w <= 0) return;
  const RowRange in_rows{rows.begin / shape.stride_h, (rows.end + shape.stride_h - 1) / shape.stride_h};
  const int64_t row_products = std::max<int64_t>(shape.in_w * shape.in_channels, 1);
  const auto run = HWY_DYNAMIC_DISPATCH(run_patch_rows);
  for_ranges(
      parallel, shape.batch * (in_rows.end - in_rows.begin), kTaskProducts / row_products + 1,
      [&](int64_t begin, int64_t end, int) { run(shape, packed, in, out, epilogue, rows, in_rows, begin, end); });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
