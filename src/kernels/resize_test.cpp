#include "kernels/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

ResizeAxisSpec make_spec(int64_t in, int64_t out, ResizeMode mode,
                         ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel) {
  ResizeAxisSpec spec;
  spec.in_size = in;
  spec.out_size = out;
  spec.scale = static_cast<float>(out) / static_cast<float>(in);
  spec.mode = mode;
  spec.coordinates = coordinates;
  return spec;
}

std::vector<int32_t> nearest_indices(ResizeAxisSpec spec, ResizeRounding rounding) {
  spec.rounding = rounding;
  return make_resize_axis(spec).index;
}

using Indices = std::vector<int32_t>;

// Expected values follow from the formulas of ONNX's Resize.
TEST(ResizeAxisTest, Nearest) {
  const ResizeAxisSpec up = make_spec(2, 4, ResizeMode::kNearest);  // -0.25, 0.25, 0.75, 1.25
  EXPECT_EQ(nearest_indices(up, ResizeRounding::kRoundPreferFloor), (Indices{0, 0, 1, 1}));
  EXPECT_EQ(nearest_indices(up, ResizeRounding::kFloor), (Indices{0, 0, 0, 1}));
  EXPECT_EQ(nearest_indices(up, ResizeRounding::kCeil), (Indices{0, 1, 1, 1}));
  const ResizeAxisSpec down = make_spec(4, 2, ResizeMode::kNearest);  // 0.5, 2.5
  EXPECT_EQ(nearest_indices(down, ResizeRounding::kRoundPreferFloor), (Indices{0, 2}));
  EXPECT_EQ(nearest_indices(down, ResizeRounding::kRoundPreferCeil), (Indices{1, 3}));
  const auto asymmetric = make_spec(3, 6, ResizeMode::kNearest, ResizeCoordinates::kAsymmetric);
  EXPECT_EQ(nearest_indices(asymmetric, ResizeRounding::kFloor), (Indices{0, 0, 1, 1, 2, 2}));
  const auto corners = make_spec(4, 3, ResizeMode::kNearest, ResizeCoordinates::kAlignCorners);  // 0, 1.5, 3
  EXPECT_EQ(nearest_indices(corners, ResizeRounding::kRoundPreferFloor), (Indices{0, 1, 3}));
  const auto tf = make_spec(2, 4, ResizeMode::kNearest, ResizeCoordinates::kTfHalfPixelForNn);
  EXPECT_EQ(nearest_indices(tf, ResizeRounding::kFloor), (Indices{0, 0, 1, 1}));
}

TEST(ResizeAxisTest, Linear) {
  const ResizeAxis axis = make_resize_axis(make_spec(2, 4, ResizeMode::kLinear));
  EXPECT_EQ(axis.taps, 2);
  EXPECT_EQ(axis.index, (Indices{0, 0, 0, 1, 1, 1, 1, 1}));
  EXPECT_EQ(axis.weight, (std::vector<float>{1.0F, 0.75F, 0.25F, 1.0F, 0.0F, 0.25F, 0.75F, 0.0F}));
  const ResizeAxis one = make_resize_axis(make_spec(5, 1, ResizeMode::kLinear, ResizeCoordinates::kPytorchHalfPixel));
  EXPECT_EQ(one.index[0], 0);
  EXPECT_EQ(one.weight[0], 1.0F);
}

// From ONNX's node tests resize_downsample_scales_linear_antialias and resize_upsample_scales_cubic: the weights of
// constant images are 1, and shrinking by 0.6 takes a triangle of 1 / 0.6 pixels to either side.
TEST(ResizeAxisTest, WeightsAddUpToOne) {
  for (ResizeMode mode : {ResizeMode::kLinear, ResizeMode::kCubic}) {
    for (bool antialias : {false, true}) {
      for (bool exclude : {false, true}) {
        for (int64_t out : {1, 3, 7, 11, 23}) {
          ResizeAxisSpec spec = make_spec(11, out, mode);
          spec.antialias = antialias;
          spec.exclude_outside = exclude;
          const ResizeAxis axis = make_resize_axis(spec);
          for (int64_t x = 0; x < out; ++x) {
            float total = 0.0F;
            for (int64_t tap = 0; tap < axis.taps; ++tap) total += axis.weight[static_cast<size_t>(tap * out + x)];
            EXPECT_NEAR(total, 1.0F, 1e-5F);
          }
        }
      }
    }
  }
}

TEST(ResizeAxisTest, AntialiasTakesAllPixels) {
  ResizeAxisSpec spec = make_spec(4, 2, ResizeMode::kLinear);
  spec.antialias = true;
  const ResizeAxis axis = make_resize_axis(spec);
  // Output 0 lies at 0.5 with a triangle of 2 to either side: pixels -1 (as 0), 0, 1, 2 weigh 1, 3, 3, 1 of 8.
  std::vector<float> share(4, 0.0F);
  for (int64_t tap = 0; tap < axis.taps; ++tap) {
    share[static_cast<size_t>(axis.index[static_cast<size_t>(tap * 2)])] += axis.weight[static_cast<size_t>(tap * 2)];
  }
  EXPECT_NEAR(share[0], 0.5F, 1e-6F);
  EXPECT_NEAR(share[1], 0.375F, 1e-6F);
  EXPECT_NEAR(share[2], 0.125F, 1e-6F);
  EXPECT_EQ(share[3], 0.0F);
}

TEST(ResizeAxisTest, CropExtrapolates) {
  ResizeAxisSpec spec = make_spec(4, 3, ResizeMode::kLinear, ResizeCoordinates::kTfCropAndResize);
  spec.roi_begin = 0.5F;
  spec.roi_end = 1.5F;  // 1.5, 3, 4.5
  const ResizeAxis axis = make_resize_axis(spec);
  EXPECT_EQ(axis.outside, (std::vector<uint8_t>{0, 0, 1}));
  EXPECT_EQ(axis.index[0], 1);
  EXPECT_EQ(axis.weight[0], 0.5F);
}

std::vector<double> reference_resize(int64_t planes, const ResizeAxis& height, const ResizeAxis& width,
                                     const std::vector<float>& input, float extrapolation_value) {
  std::vector<double> output;
  const auto weight = [](const ResizeAxis& axis, int64_t tap, int64_t out) {
    return axis.weight.empty() ? 1.0 : axis.weight[static_cast<size_t>(tap * axis.out_size + out)];
  };
  const auto outside = [](const ResizeAxis& axis, int64_t out) {
    return !axis.outside.empty() && axis.outside[static_cast<size_t>(out)] != 0;
  };
  for (int64_t plane = 0; plane < planes; ++plane) {
    for (int64_t y = 0; y < height.out_size; ++y) {
      for (int64_t x = 0; x < width.out_size; ++x) {
        double sum = 0.0;
        for (int64_t ty = 0; ty < height.taps; ++ty) {
          for (int64_t tx = 0; tx < width.taps; ++tx) {
            const int64_t iy = height.index[static_cast<size_t>(ty * height.out_size + y)];
            const int64_t ix = width.index[static_cast<size_t>(tx * width.out_size + x)];
            sum += weight(height, ty, y) * weight(width, tx, x) *
                   input[static_cast<size_t>((plane * height.in_size + iy) * width.in_size + ix)];
          }
        }
        output.push_back(outside(height, y) || outside(width, x) ? extrapolation_value : sum);
      }
    }
  }
  return output;
}

class ResizeTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(ResizeTest);

TEST_P(ResizeTest, MatchesReferenceWithAnyThreadsAndRows) {
  struct Case {
    ResizeMode mode;
    int64_t in_h, in_w, out_h, out_w;
    ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
    bool antialias = false;
  };
  const Case cases[] = {
      {ResizeMode::kNearest, 5, 19, 10, 38},
      {ResizeMode::kNearest, 5, 7, 9, 23, ResizeCoordinates::kAsymmetric},
      {ResizeMode::kNearest, 12, 35, 5, 21},
      {ResizeMode::kNearest, 6, 9, 5, 8, ResizeCoordinates::kTfCropAndResize},
      {ResizeMode::kLinear, 6, 21, 12, 42},
      {ResizeMode::kLinear, 5, 3, 7, 50, ResizeCoordinates::kAlignCorners},
      {ResizeMode::kLinear, 6, 9, 5, 37, ResizeCoordinates::kTfCropAndResize},
      {ResizeMode::kCubic, 7, 9, 10, 23},
      {ResizeMode::kLinear, 17, 40, 6, 19, ResizeCoordinates::kHalfPixel, true},
  };
  for (size_t i = 0; i < std::size(cases); ++i) {
    const Case& c = cases[i];
    const auto axis = [&](int64_t in, int64_t out) {
      ResizeAxisSpec spec = make_spec(in, out, c.mode, c.coordinates);
      spec.antialias = c.antialias;
      spec.roi_begin = -0.2F;
      spec.roi_end = 0.9F;
      return make_resize_axis(spec);
    };
    const ResizeAxis height = axis(c.in_h, c.out_h);
    const ResizeAxis width = axis(c.in_w, c.out_w);
    for (int64_t channels : {1, 5, 17}) {
      SCOPED_TRACE(testing::Message() << "case " << i << " channels " << channels);
      const std::vector<float> input = random_floats(2 * channels * c.in_h * c.in_w, 1);
      const std::vector<double> expected = reference_resize(2 * channels, height, width, input, 7.0F);
      for (ImageLayout layout : {ImageLayout::kPlain, ImageLayout::kBlocked}) {
        const bool blocked = layout == ImageLayout::kBlocked;
        const int64_t block = block_channels();
        const std::vector<float> in = blocked ? to_blocked(input, 2, channels, c.in_h * c.in_w) : input;
        const auto view = [&](auto* data, int64_t h, int64_t w) {
          return blocked ? blocked_image(data, channels, h, w, block) : plain_image(data, channels, h, w);
        };
        std::vector<float> first;
        for (int run = 0; run < 3; ++run) {
          ThreadsParallel parallel(run == 1 ? 3 : 1);
          const int64_t rows_at_once = run == 2 ? 1 : c.out_h;
          std::vector<float> out(static_cast<size_t>(blocked_size(2, channels, c.out_h, c.out_w, blocked ? block : 1)),
                                 NAN);
          for (int64_t y = 0; y < c.out_h; y += rows_at_once) {
            run_resize(2, channels, height, width, layout, view(in.data(), c.in_h, c.in_w),
                       view(out.data(), c.out_h, c.out_w), 7.0F, {y, y + rows_at_once}, parallel);
          }
          if (blocked) out = to_plain(out, 2, channels, c.out_h * c.out_w);
          if (run == 0) first = out;
          EXPECT_TRUE(same_bits(out, first));
        }
        expect_near(first, expected, c.mode == ResizeMode::kNearest ? 0.0 : 1e-6);
      }
    }
  }
}

}  // namespace
}  // namespace attune::kernels
