#include "kernels/resize.h"

#include <algorithm>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resize.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace {

using IndexTag = hn::RebindToSigned<FloatTag>;

// One row: the image's row 0 is `in`. Every form blends the rows first, then the columns, so that all give the same
// bits.
struct ResizeRow {
  const ResizeAxis& height;
  const ResizeAxis& width;
  int64_t y;
  const float* in;
  int64_t in_row_stride;
  float* out;

  const float* source(int64_t tap) const {
    return in + height.index[static_cast<size_t>(tap * height.out_size + y)] * in_row_stride;
  }
  float weight(int64_t tap) const {
    return height.weight.empty() ? 1.0F : height.weight[static_cast<size_t>(tap * height.out_size + y)];
  }
};

void copy_row_blocked(const ResizeRow& r) {
  const BlockTag d;
  const float* row = r.source(0);
  const int32_t* index = r.width.index.data();
  float* out = r.out;
  for (int64_t x = 0; x < r.width.out_size; ++x, out += kBlock) {
    const float* p = row + int64_t{index[x]} * kBlock;
    for (int i = 0; i < kBlock; i += kLanes) hn::StoreU(hn::LoadU(d, p + i), d, out + i);
  }
}

// Two rows by two columns.
void blend_row_blocked(const ResizeRow& r) {
  const BlockTag d;
  const int64_t out_w = r.width.out_size;
  const float* top = r.source(0);
  const float* bottom = r.source(1);
  const BlockVector top_weight = hn::Set(d, r.weight(0));
  const BlockVector bottom_weight = hn::Set(d, r.weight(1));
  const int32_t* index = r.width.index.data();
  const float* weight = r.width.weight.data();
  for (int64_t x = 0; x < out_w; ++x) {
    const int64_t left = int64_t{index[x]} * kBlock;
    const int64_t right = int64_t{index[out_w + x]} * kBlock;
    const BlockVector left_weight = hn::Set(d, weight[x]);
    const BlockVector right_weight = hn::Set(d, weight[out_w + x]);
    for (int i = 0; i < kBlock; i += kLanes) {
      BlockVector first = hn::Mul(hn::LoadU(d, top + left + i), top_weight);
      first = hn::MulAdd(hn::LoadU(d, bottom + left + i), bottom_weight, first);
      BlockVector second = hn::Mul(hn::LoadU(d, top + right + i), top_weight);
      second = hn::MulAdd(hn::LoadU(d, bottom + right + i), bottom_weight, second);
      hn::StoreU(hn::MulAdd(second, right_weight, hn::Mul(first, left_weight)), d, r.out + x * kBlock + i);
    }
  }
}

// Any number of taps.
void filter_row_blocked(const ResizeRow& r) {
  const BlockTag d;
  const int64_t out_w = r.width.out_size;
  const int32_t* index = r.width.index.data();
  const float* weight = r.width.weight.data();
  for (int64_t x = 0; x < out_w; ++x) {
    for (int i = 0; i < kBlock; i += kLanes) {
      BlockVector sum = hn::Zero(d);
      for (int64_t tx = 0; tx < r.width.taps; ++tx) {
        const int64_t column = int64_t{index[tx * out_w + x]} * kBlock + i;
        BlockVector line = hn::Zero(d);
        for (int64_t ty = 0; ty < r.height.taps; ++ty) {
          line = hn::MulAdd(hn::LoadU(d, r.source(ty) + column), hn::Set(d, r.weight(ty)), line);
        }
        sum = hn::MulAdd(line, hn::Set(d, r.width.weight.empty() ? 1.0F : weight[tx * out_w + x]), sum);
      }
      hn::StoreU(sum, d, r.out + x * kBlock + i);
    }
  }
}

void copy_row_plain(const ResizeRow& r) {
  const FloatTag d;
  const IndexTag di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* row = r.source(0);
  const int32_t* index = r.width.index.data();
  int64_t x = 0;
  for (; x + lanes <= r.width.out_size; x += lanes) {
    hn::StoreU(hn::GatherIndex(d, row, hn::LoadU(di, index + x)), d, r.out + x);
  }
  for (; x < r.width.out_size; ++x) r.out[x] = row[index[x]];
}

// Every pixel twice.
void double_row_plain(const ResizeRow& r) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const float* row = r.source(0);
  int64_t x = 0;
  for (; x + lanes <= r.width.in_size; x += lanes) {
    const FloatVector pixels = hn::LoadU(d, row + x);
    hn::StoreInterleaved2(pixels, pixels, d, r.out + 2 * x);
  }
  for (; x < r.width.in_size; ++x) r.out[2 * x] = r.out[2 * x + 1] = row[x];
}

// As many pixels as `d` has lanes, from x on; any number of taps.
template <class D>
HWY_INLINE void filter_pixels_plain(D d, const ResizeRow& r, int64_t x) {
  using V = hn::Vec<D>;
  const hn::RebindToSigned<D> di;
  const int64_t out_w = r.width.out_size;
  const int32_t* index = r.width.index.data() + x;
  const float* weight = r.width.weight.data() + x;
  V sum = hn::Zero(d);
  for (int64_t tx = 0; tx < r.width.taps; ++tx) {
    const auto places = hn::LoadU(di, index + tx * out_w);
    V line = hn::Zero(d);
    for (int64_t ty = 0; ty < r.height.taps; ++ty) {
      line = hn::MulAdd(hn::GatherIndex(d, r.source(ty), places), hn::Set(d, r.weight(ty)), line);
    }
    sum = hn::MulAdd(line, r.width.weight.empty() ? hn::Set(d, 1.0F) : hn::LoadU(d, weight + tx * out_w), sum);
  }
  hn::StoreU(sum, d, r.out + x);
}

// The same from one row of pixels that the taps of the height are in already.
template <class D>
HWY_INLINE void filter_pixels_of_row(D d, const ResizeRow& r, const float* row, int64_t x) {
  const hn::RebindToSigned<D> di;
  const int64_t out_w = r.width.out_size;
  const int32_t* index = r.width.index.data() + x;
  const float* weight = r.width.weight.data() + x;
  hn::Vec<D> sum = hn::Zero(d);
  for (int64_t tx = 0; tx < r.width.taps; ++tx) {
    const auto w = r.width.weight.empty() ? hn::Set(d, 1.0F) : hn::LoadU(d, weight + tx * out_w);
    sum = hn::MulAdd(hn::GatherIndex(d, row, hn::LoadU(di, index + tx * out_w)), w, sum);
  }
  hn::StoreU(sum, d, r.out + x);
}

// The widest row that is blended on the stack.
constexpr int64_t kWidestRow = 4096;

// Rows first: that reads them once and in order, and leaves as many gathers, which are slow, as the width has taps.
void filter_row_in_two_steps(const ResizeRow& r) {
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t in_w = r.width.in_size;
  HWY_ALIGN float blended[kWidestRow];
  for (int64_t x = 0; x < in_w; x += lanes) {
    const bool whole = x + lanes <= in_w;
    const auto left = static_cast<size_t>(in_w - x);
    FloatVector sum = hn::Zero(d);
    for (int64_t ty = 0; ty < r.height.taps; ++ty) {
      const float* p = r.source(ty) + x;
      sum = hn::MulAdd(whole ? hn::LoadU(d, p) : load_tail(d, p, left), hn::Set(d, r.weight(ty)), sum);
    }
    if (whole) {
      hn::StoreU(sum, d, blended + x);
    } else {
      store_tail(sum, d, blended + x, left);
    }
  }
  int64_t x = 0;
  for (; x + lanes <= r.width.out_size; x += lanes) filter_pixels_of_row(d, r, blended, x);
  for (; x < r.width.out_size; ++x) filter_pixels_of_row(hn::CappedTag<float, 1>(), r, blended, x);
}

void filter_row_plain(const ResizeRow& r) {
  if (r.height.taps > 1 && r.width.in_size <= kWidestRow) return filter_row_in_two_steps(r);
  const FloatTag d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t x = 0;
  for (; x + lanes <= r.width.out_size; x += lanes) filter_pixels_plain(d, r, x);
  for (; x < r.width.out_size; ++x) filter_pixels_plain(hn::CappedTag<float, 1>(), r, x);
}

bool doubles(const ResizeAxis& width) {
  if (width.out_size != 2 * width.in_size) return false;
  for (int64_t x = 0; x < width.out_size; ++x) {
    if (width.index[static_cast<size_t>(x)] != x / 2) return false;
  }
  return true;
}

}  // namespace

// Rows [begin, end) of the output, counted over the channels (or blocks) of an image from `rows.begin` on, then over
// images.
void resize_rows(int64_t channels, const ResizeAxis& height, const ResizeAxis& width, ImageLayout layout,
                 const ConstImage& in, const Image& out, float extrapolation_value, RowRange rows, int64_t begin,
                 int64_t end) {
  const bool blocked = layout == ImageLayout::kBlocked;
  const int64_t pixel = blocked ? kBlock : 1;
  const int64_t items = count_blocks(channels, pixel);
  const int64_t count = rows.end - rows.begin;
  const bool copy = height.weight.empty() && width.weight.empty();
  const bool pairs = height.taps == 2 && width.taps == 2;
  void (*resize_row)(const ResizeRow&) = nullptr;
  if (blocked) {
    resize_row = copy ? &copy_row_blocked : (pairs ? &blend_row_blocked : &filter_row_blocked);
  } else {
    resize_row = !copy ? &filter_row_plain : (doubles(width) ? &double_row_plain : &copy_row_plain);
  }
  for (int64_t index = begin; index < end; ++index) {
    const int64_t y = rows.begin + index % count;
    const int64_t item = index / count % items;
    const int64_t image = index / count / items;
    float* out_row = out.data + image * out.image_stride + item * out.channel_stride + y * out.row_stride;
    if (!height.outside.empty() && height.outside[static_cast<size_t>(y)] != 0) {
      std::fill_n(out_row, width.out_size * pixel, extrapolation_value);
      continue;
    }
    const bool again = copy && index > begin && y > rows.begin && height.outside.empty() &&
                       height.index[static_cast<size_t>(y)] == height.index[static_cast<size_t>(y - 1)];
    if (again) {
      std::copy_n(out_row - out.row_stride, width.out_size * pixel, out_row);
      continue;
    }
    const float* in_item = in.data + image * in.image_stride + item * in.channel_stride;
    resize_row({height, width, y, in_item, in.row_stride, out_row});
    for (size_t x = 0; x < width.outside.size(); ++x) {
      if (width.outside[x] != 0) std::fill_n(out_row + static_cast<int64_t>(x) * pixel, pixel, extrapolation_value);
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(resize_rows);

namespace {

// The floats that take about 10 us to read and write.
constexpr int64_t kTaskFloats = 65536;

}  // namespace

void run_resize(int64_t batch, int64_t channels, const ResizeAxis& height, const ResizeAxis& width, ImageLayout layout,
                const ConstImage& in, const Image& out, float extrapolation_value, RowRange rows, Parallel& parallel) {
  const int64_t pixel = layout == ImageLayout::kBlocked ? block_channels() : 1;
  const int64_t total = batch * count_blocks(channels, pixel) * (rows.end - rows.begin);
  const int64_t row_floats = std::max<int64_t>(width.out_size * pixel * height.taps * width.taps, 1);
  const auto run = HWY_DYNAMIC_DISPATCH(resize_rows);
  for_ranges(parallel, total, kTaskFloats / row_floats + 1, [&](int64_t begin, int64_t end, int) {
    run(channels, height, width, layout, in, out, extrapolation_value, rows, begin, end);
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
