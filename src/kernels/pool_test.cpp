#include "kernels/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

int64_t out_size(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads, bool ceil_mode) {
  const int64_t room = in + pads - dilation * (kernel - 1) - 1;
  return (ceil_mode ? room + stride - 1 : room) / stride + 1;
}

PoolShape make_shape(int64_t batch, int64_t channels, int64_t h, int64_t w, int64_t kh, int64_t kw, int64_t stride,
                     int64_t dilation, std::array<int64_t, 4> pads, bool ceil_mode = false) {
  PoolShape s{batch,  channels, h,        w,        0,       0,       kh,      kw,
              stride, stride,   dilation, dilation, pads[0], pads[1], pads[2], pads[3]};
  s.out_h = out_size(h, kh, stride, dilation, pads[0] + pads[2], ceil_mode);
  s.out_w = out_size(w, kw, stride, dilation, pads[1] + pads[3], ceil_mode);
  return s;
}

std::vector<double> reference_pool(const PoolShape& s, PoolKind kind, const std::vector<float>& input) {
  std::vector<double> output;
  for (int64_t plane = 0; plane < s.batch * s.channels; ++plane) {
    for (int64_t y = 0; y < s.out_h; ++y) {
      for (int64_t x = 0; x < s.out_w; ++x) {
        double sum = 0.0;
        double max = std::numeric_limits<float>::lowest();
        int64_t inside = 0;
        int64_t padded = 0;
        for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
          for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
            const int64_t iy = y * s.stride_h + ky * s.dilation_h - s.pad_top;
            const int64_t ix = x * s.stride_w + kx * s.dilation_w - s.pad_left;
            padded += iy < s.in_h + s.pad_bottom && ix < s.in_w + s.pad_right;
            if (iy < 0 || ix < 0 || iy >= s.in_h || ix >= s.in_w) continue;
            ++inside;
            const double value = input[static_cast<size_t>((plane * s.in_h + iy) * s.in_w + ix)];
            sum += value;
            max = std::max(max, value);
          }
        }
        const int64_t count = kind == PoolKind::kAverage ? inside : padded;
        output.push_back(kind == PoolKind::kMax ? max : sum / static_cast<double>(count));
      }
    }
  }
  return output;
}

const std::vector<PoolShape>& test_shapes() {
  static const std::vector<PoolShape> shapes = {
      make_shape(2, 16, 6, 7, 2, 2, 2, 1, {0, 0, 0, 0}),       make_shape(1, 5, 13, 40, 3, 3, 2, 1, {1, 1, 1, 1}),
      make_shape(1, 33, 9, 38, 3, 3, 1, 1, {1, 1, 1, 1}),      make_shape(2, 3, 14, 37, 3, 2, 2, 1, {0, 1, 1, 0}, true),
      make_shape(1, 8, 15, 21, 5, 5, 3, 1, {2, 2, 2, 2}),      make_shape(1, 17, 11, 60, 3, 3, 1, 2, {2, 2, 2, 2}),
      make_shape(1, 1, 1, 75, 1, 4, 2, 1, {0, 1, 0, 2}),       make_shape(1, 24, 8, 8, 7, 7, 1, 1, {3, 3, 3, 3}),
      make_shape(1, 15, 7, 9, 3, 3, 2, 1, {0, 0, 0, 0}, true), make_shape(1, 6, 2, 2, 3, 3, 1, 1, {1, 1, 1, 1}),
      make_shape(1, 6, 5, 100, 2, 2, 2, 1, {0, 0, 0, 0}),      make_shape(1, 6, 5, 65, 3, 3, 2, 2, {1, 1, 1, 1}),
  };
  return shapes;
}

class PoolTest : public EachTargetTest {
 protected:
  // Runs on the plain `input` in `layout`, rows at a time; gives the plain output.
  static std::vector<float> run(const PoolShape& s, PoolKind kind, ImageLayout layout, const std::vector<float>& input,
                                Parallel& parallel, int64_t rows_at_once) {
    const int64_t block = block_channels();
    const bool blocked = layout == ImageLayout::kBlocked;
    const std::vector<float> in = blocked ? to_blocked(input, s.batch, s.channels, s.in_h * s.in_w) : input;
    const int64_t size = blocked_size(s.batch, s.channels, s.out_h, s.out_w, blocked ? block : 1);
    std::vector<float> out(static_cast<size_t>(size), NAN);
    const auto view = [&](auto* data, int64_t h, int64_t w) {
      return blocked ? blocked_image(data, s.channels, h, w, block) : plain_image(data, s.channels, h, w);
    };
    for (int64_t y = 0; y < s.out_h; y += rows_at_once) {
      run_pool(s, kind, layout, view(in.data(), s.in_h, s.in_w), view(out.data(), s.out_h, s.out_w),
               {y, std::min(y + rows_at_once, s.out_h)}, parallel);
    }
    return blocked ? to_plain(out, s.batch, s.channels, s.out_h * s.out_w) : out;
  }
};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(PoolTest);

constexpr PoolKind kKinds[] = {PoolKind::kMax, PoolKind::kAverage, PoolKind::kAverageIncludePad};
constexpr ImageLayout kLayouts[] = {ImageLayout::kPlain, ImageLayout::kBlocked};

TEST_P(PoolTest, MatchesReference) {
  SerialParallel serial;
  for (size_t i = 0; i < test_shapes().size(); ++i) {
    const PoolShape& s = test_shapes()[i];
    const std::vector<float> input = random_floats(s.batch * s.channels * s.in_h * s.in_w, 1);
    for (PoolKind kind : kKinds) {
      for (ImageLayout layout : kLayouts) {
        SCOPED_TRACE(testing::Message() << "shape " << i << " kind " << static_cast<int>(kind) << " layout "
                                        << static_cast<int>(layout));
        expect_near(run(s, kind, layout, input, serial, s.out_h), reference_pool(s, kind, input),
                    kind == PoolKind::kMax ? 0.0 : 1e-6);
      }
    }
  }
}

TEST_P(PoolTest, BitsDependOnNeitherThreadsNorRows) {
  SerialParallel serial;
  ThreadsParallel threads(3);
  for (const PoolShape& s : test_shapes()) {
    const std::vector<float> input = random_floats(s.batch * s.channels * s.in_h * s.in_w, 1);
    for (PoolKind kind : kKinds) {
      for (ImageLayout layout : kLayouts) {
        const std::vector<float> expected = run(s, kind, layout, input, serial, s.out_h);
        EXPECT_TRUE(same_bits(expected, run(s, kind, layout, input, threads, s.out_h)));
        EXPECT_TRUE(same_bits(expected, run(s, kind, layout, input, threads, 1)));
        EXPECT_TRUE(same_bits(expected, run(s, kind, layout, input, serial, 2)));
      }
    }
  }
}

TEST_P(PoolTest, GlobalMatchesReference) {
  for (int64_t channels : {1, 5, 16, 17, 40}) {
    for (auto [h, w] : {std::pair<int64_t, int64_t>{1, 1}, {7, 7}, {3, 19}, {2, 301}}) {
      SCOPED_TRACE(testing::Message() << channels << " channels of " << h << "x" << w);
      const std::vector<float> input = random_floats(2 * channels * h * w, 1);
      const int64_t block = block_channels();
      const std::vector<float> blocked = to_blocked(input, 2, channels, h * w);
      for (PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
        const PoolShape whole{2, channels, h, w, 1, 1, h, w};
        const std::vector<double> expected = reference_pool(whole, kind, input);
        std::vector<float> plain[2];
        std::vector<float> from_blocked[2];
        for (int i = 0; i < 2; ++i) {
          ThreadsParallel parallel(1 + 2 * i);
          plain[i].assign(static_cast<size_t>(2 * channels), NAN);
          run_global_pool(2, channels, h, w, kind, ImageLayout::kPlain, plain_image(input.data(), channels, h, w),
                          plain_image(plain[i].data(), channels, 1, 1), parallel);
          std::vector<float> out(static_cast<size_t>(blocked_size(2, channels, 1, 1, block)), NAN);
          run_global_pool(2, channels, h, w, kind, ImageLayout::kBlocked,
                          blocked_image(blocked.data(), channels, h, w, block),
                          blocked_image(out.data(), channels, 1, 1, block), parallel);
          from_blocked[i] = to_plain(out, 2, channels, 1);
          expect_near(plain[i], expected, kind == PoolKind::kMax ? 0.0 : 1e-6);
          expect_near(from_blocked[i], expected, kind == PoolKind::kMax ? 0.0 : 1e-6);
        }
        EXPECT_TRUE(same_bits(plain[0], plain[1]));
        EXPECT_TRUE(same_bits(from_blocked[0], from_blocked[1]));
      }
    }
  }
}

TEST_P(PoolTest, ReadsOnlyItsInputRows) {
  SerialParallel serial;
  for (const PoolShape& s : test_shapes()) {
    const RowRange rows{s.out_h / 2, std::min(s.out_h, s.out_h / 2 + 1)};
    const RowRange needed = pool_input_rows(s, rows);
    const int64_t block = block_channels();
    std::vector<float> in(static_cast<size_t>(blocked_size(s.batch, s.channels, s.in_h, s.in_w, block)), 0.5F);
    for (size_t i = 0; i < in.size(); ++i) {
      const int64_t y = static_cast<int64_t>(i) / (s.in_w * block) % s.in_h;
      if (y < needed.begin || y >= needed.end) in[i] = 1e9F;
    }
    std::vector<float> out(static_cast<size_t>(blocked_size(s.batch, s.channels, s.out_h, s.out_w, block)), 0.0F);
    run_pool(s, PoolKind::kMax, ImageLayout::kBlocked,
             blocked_image<const float>(in.data(), s.channels, s.in_h, s.in_w, block),
             blocked_image(out.data(), s.channels, s.out_h, s.out_w, block), rows, serial);
    for (float value : out) ASSERT_LE(value, 0.5F);
  }
}

}  // namespace
}  // namespace attune::kernels
