#include "kernels/conv_transpose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernels/conv_transpose_patches.h"
#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

std::vector<double> reference_conv_transpose(const ConvTransposeShape& s, const std::vector<float>& input,
                                             const std::vector<float>& weights, const std::vector<float>& bias) {
  const int64_t in_group = s.in_channels / s.groups;
  const int64_t out_group = s.out_channels / s.groups;
  std::vector<double> output;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t o = 0; o < s.out_channels; ++o) {
      output.insert(output.end(), static_cast<size_t>(s.out_h * s.out_w), bias[static_cast<size_t>(o)]);
    }
  }
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t i = 0; i < s.in_channels; ++i) {
      for (int64_t o = 0; o < out_group; ++o) {
        const int64_t channel = i / in_group * out_group + o;
        for (int64_t iy = 0; iy < s.in_h; ++iy) {
          for (int64_t ix = 0; ix < s.in_w; ++ix) {
            const double value = input[static_cast<size_t>(((n * s.in_channels + i) * s.in_h + iy) * s.in_w + ix)];
            for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
              for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const int64_t y = iy * s.stride_h - s.pad_top + ky * s.dilation_h;
                const int64_t x = ix * s.stride_w - s.pad_left + kx * s.dilation_w;
                if (y < 0 || x < 0 || y >= s.out_h || x >= s.out_w) continue;
                output[static_cast<size_t>(((n * s.out_channels + channel) * s.out_h + y) * s.out_w + x)] +=
                    value * weights[static_cast<size_t>(((i * out_group + o) * s.kernel_h + ky) * s.kernel_w + kx)];
              }
            }
          }
        }
      }
    }
  }
  return output;
}

// batch, channels in and out, groups, input, output, kernel, stride, dilation, pads top and left
const ConvTransposeShape kShapes[] = {
    {1, 16, 16, 1, 5, 6, 10, 12, 2, 2, 2, 2, 1, 1, 0, 0},
    {2, 24, 1, 1, 7, 9, 14, 18, 2, 2, 2, 2, 1, 1, 0, 0},
    {1, 33, 40, 1, 4, 5, 8, 10, 4, 4, 2, 2, 1, 1, 1, 1},
    {1, 5, 17, 1, 6, 3, 12, 6, 3, 3, 2, 2, 1, 1, 1, 1},   // output padding
    {1, 8, 9, 1, 4, 4, 12, 11, 2, 2, 3, 3, 1, 1, 0, 0},   // phases without a tap
    {1, 9, 8, 1, 4, 7, 10, 19, 3, 3, 2, 3, 2, 2, 1, 2},   // dilation beside the stride
    {1, 16, 24, 1, 5, 5, 5, 5, 3, 3, 1, 1, 1, 1, 1, 1},   // stride 1
    {1, 12, 18, 3, 5, 4, 10, 8, 3, 3, 2, 2, 1, 1, 1, 1},  // groups that share blocks
    {1, 32, 32, 2, 3, 3, 6, 6, 2, 2, 2, 2, 1, 1, 0, 0},
    {1, 10, 10, 10, 3, 4, 6, 8, 4, 4, 2, 2, 1, 1, 1, 1},   // depthwise
    {2, 20, 12, 1, 1, 30, 1, 61, 1, 5, 1, 2, 1, 1, 0, 1},  // 1-D
    {1, 16, 16, 1, 3, 3, 9, 9, 4, 4, 4, 4, 2, 2, 1, 1},    // gcd(stride, dilation) > 1
};

class ConvTransposeTest : public EachTargetTest {
 protected:
  static std::vector<float> run(const ConvTransposeShape& s, Parallel& parallel, int64_t rows_at_once,
                                bool only_needed_rows = false) {
    const std::vector<float> weights = make_weights(s);
    const std::vector<float> bias = random_floats(s.out_channels, 3);
    std::vector<float> packed(static_cast<size_t>(packed_conv_transpose_weights_size(s)), NAN);
    pack_conv_transpose_weights(s, weights.data(), packed.data(), parallel);
    const int64_t block = block_channels();
    const std::vector<float> input = to_blocked(make_input(s), s.batch, s.in_channels, s.in_h * s.in_w);
    std::vector<float> output(static_cast<size_t>(blocked_size(s.batch, s.out_channels, s.out_h, s.out_w, block)), NAN);
    ConvEpilogue epilogue;
    epilogue.bias = bias.data();
    for (int64_t y = 0; y < s.out_h; y += rows_at_once) {
      const RowRange rows{y, std::min(y + rows_at_once, s.out_h)};
      std::vector<float> in = input;
      const RowRange needed = conv_transpose_input_rows(s, rows);
      for (size_t i = 0; only_needed_rows && i < in.size(); ++i) {
        const int64_t row = static_cast<int64_t>(i) / (s.in_w * block) % s.in_h;
        if (row < needed.begin || row >= needed.end) in[i] = NAN;
      }
      run_conv_transpose(s, packed.data(), blocked_image<const float>(in.data(), s.in_channels, s.in_h, s.in_w, block),
                         blocked_image(output.data(), s.out_channels, s.out_h, s.out_w, block), epilogue, rows,
                         parallel);
    }
    return to_plain(output, s.batch, s.out_channels, s.out_h * s.out_w);
  }

  static std::vector<float> run_as_patches(const ConvTransposeShape& s, const Activation& activation,
                                           Parallel& parallel, int64_t rows_at_once) {
    const std::vector<float> weights = make_weights(s);
    const std::vector<float> bias = random_floats(s.out_channels, 3);
    std::vector<float> packed(static_cast<size_t>(packed_patches_size(s)), NAN);
    pack_patches(s, weights.data(), packed.data());
    const std::vector<float> input = to_blocked(make_input(s), s.batch, s.in_channels, s.in_h * s.in_w);
    std::vector<float> output(static_cast<size_t>(s.batch * s.out_channels * s.out_h * s.out_w), NAN);
    ConvEpilogue epilogue;
    epilogue.bias = bias.data();
    epilogue.activation = activation;
    for (int64_t y = 0; y < s.out_h; y += rows_at_once) {
      run_patches(s, packed.data(),
                  blocked_image<const float>(input.data(), s.in_channels, s.in_h, s.in_w, block_channels()),
                  plain_image(output.data(), s.out_channels, s.out_h, s.out_w), epilogue,
                  {y, std::min(y + rows_at_once, s.out_h)}, parallel);
    }
    return output;
  }

  static std::vector<double> reference(const ConvTransposeShape& s) {
    return reference_conv_transpose(s, make_input(s), make_weights(s), random_floats(s.out_channels, 3));
  }

 private:
  static std::vector<float> make_input(const ConvTransposeShape& s) {
    return random_floats(s.batch * s.in_channels * s.in_h * s.in_w, 1);
  }
  static std::vector<float> make_weights(const ConvTransposeShape& s) {
    return random_floats(s.in_channels * (s.out_channels / s.groups) * s.kernel_h * s.kernel_w, 2);
  }
};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(ConvTransposeTest);

TEST_P(ConvTransposeTest, MatchesReference) {
  SerialParallel serial;
  for (size_t i = 0; i < std::size(kShapes); ++i) {
    SCOPED_TRACE(testing::Message() << "shape " << i);
    expect_near(run(kShapes[i], serial, kShapes[i].out_h), reference(kShapes[i]), 1e-5);
  }
}

TEST_P(ConvTransposeTest, PatchesMatchReference) {
  SerialParallel serial;
  ThreadsParallel threads(3);
  const ConvTransposeShape shapes[] = {
      {2, 24, 1, 1, 7, 19, 14, 38, 2, 2, 2, 2}, {1, 33, 2, 1, 4, 8, 8, 16, 2, 2, 2, 2},
      {1, 5, 2, 1, 3, 5, 3, 20, 1, 4, 1, 4},    {1, 16, 1, 1, 6, 9, 12, 36, 2, 4, 2, 4},
      {1, 40, 3, 1, 5, 11, 5, 22, 1, 2, 1, 2},  {1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 1},
  };
  for (const ConvTransposeShape& s : shapes) {
    SCOPED_TRACE(testing::Message() << s.in_channels << " to " << s.out_channels << ", stride " << s.stride_w);
    ASSERT_TRUE(patches_fit(s));
    const std::vector<float> output = run_as_patches(s, {}, serial, s.out_h);
    expect_near(output, reference(s), 1e-5);
    EXPECT_TRUE(same_bits(output, run_as_patches(s, {}, threads, s.out_h)));
    EXPECT_TRUE(same_bits(output, run_as_patches(s, {}, serial, 1)));
    const std::vector<float> activated = run_as_patches(s, {Activation::Kind::kRelu}, serial, 3);
    for (size_t i = 0; i < output.size(); ++i) ASSERT_EQ(activated[i], std::max(output[i], 0.0F));
  }
}

TEST_P(ConvTransposeTest, PatchesFitFewOutputs) {
  EXPECT_TRUE(patches_fit({1, 24, 1, 1, 7, 9, 14, 18, 2, 2, 2, 2}));
  EXPECT_FALSE(patches_fit({1, 24, 5, 1, 7, 9, 14, 18, 2, 2, 2, 2}));
  EXPECT_FALSE(patches_fit({1, 24, 1, 1, 7, 9, 15, 19, 3, 3, 2, 2}));
  EXPECT_FALSE(patches_fit({1, 24, 1, 1, 7, 9, 14, 18, 2, 2, 2, 2, 2, 2}));
  EXPECT_FALSE(patches_fit({1, 2, 2, 2, 7, 9, 14, 18, 2, 2, 2, 2}));
}

TEST_P(ConvTransposeTest, BitsDependOnNeitherThreadsNorRows) {
  SerialParallel serial;
  ThreadsParallel threads(3);
  for (size_t i = 0; i < std::size(kShapes); ++i) {
    SCOPED_TRACE(testing::Message() << "shape " << i);
    const std::vector<float> expected = run(kShapes[i], serial, kShapes[i].out_h);
    EXPECT_TRUE(same_bits(expected, run(kShapes[i], threads, kShapes[i].out_h)));
    EXPECT_TRUE(same_bits(expected, run(kShapes[i], serial, 1, true)));
    EXPECT_TRUE(same_bits(expected, run(kShapes[i], serial, 3, true)));
  }
}

}  // namespace
}  // namespace attune::kernels
