#include "kernels/conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

std::string describe(const ConvShape& s) {
  const auto text = [](std::initializer_list<int64_t> values) {
    std::string joined;
    for (int64_t value : values) joined += (joined.empty() ? "" : ",") + std::to_string(value);
    return joined;
  };
  return "batch " + text({s.batch}) + " channels " + text({s.in_channels, s.out_channels}) + " groups " +
         text({s.groups}) + " input " + text({s.in_h, s.in_w}) + " kernel " + text({s.kernel_h, s.kernel_w}) +
         " stride " + text({s.stride_h, s.stride_w}) + " dilation " + text({s.dilation_h, s.dilation_w}) + " pads " +
         text({s.pad_top, s.pad_left, s.pad_bottom, s.pad_right});
}

std::vector<double> reference_conv(const ConvShape& s, const std::vector<float>& input,
                                   const std::vector<float>& weights, const float* bias) {
  const int64_t in_group = s.in_channels / s.groups;
  const int64_t out_group = s.out_channels / s.groups;
  std::vector<double> output;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t o = 0; o < s.out_channels; ++o) {
      for (int64_t y = 0; y < s.out_h(); ++y) {
        for (int64_t x = 0; x < s.out_w(); ++x) {
          double sum = bias != nullptr ? bias[o] : 0.0;
          for (int64_t i = 0; i < in_group; ++i) {
            const int64_t channel = o / out_group * in_group + i;
            for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
              for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const int64_t iy = y * s.stride_h + ky * s.dilation_h - s.pad_top;
                const int64_t ix = x * s.stride_w + kx * s.dilation_w - s.pad_left;
                if (iy < 0 || iy >= s.in_h || ix < 0 || ix >= s.in_w) continue;
                sum += static_cast<double>(
                           input[static_cast<size_t>(((n * s.in_channels + channel) * s.in_h + iy) * s.in_w + ix)]) *
                       weights[static_cast<size_t>(((o * in_group + i) * s.kernel_h + ky) * s.kernel_w + kx)];
              }
            }
          }
          output.push_back(sum);
        }
      }
    }
  }
  return output;
}

double activate_reference(const Activation& activation, double x) {
  switch (activation.kind) {
    case Activation::Kind::kRelu:
      return std::max(x, 0.0);
    case Activation::Kind::kClip:
      return std::min<double>(std::max<double>(x, activation.alpha), activation.beta);
    case Activation::Kind::kSilu:
      return x / (1.0 + std::exp(-activation.alpha * x));
    default:
      return x;
  }
}

// A layer with its data in the layouts that its kernel wants.
class Layer {
 public:
  Layer(const ConvShape& shape, ConvKernel kernel)
      : shape_(shape),
        kernel_(kernel),
        input_(random_floats(shape.batch * shape.in_channels * shape.in_h * shape.in_w, 1)),
        weights_(random_floats(
            shape.out_channels * (shape.in_channels / shape.groups) * shape.kernel_h * shape.kernel_w, 2)),
        bias_(random_floats(shape.out_channels, 3)) {
    const float scale = 1.0F / std::sqrt(static_cast<float>(weights_.size()) / static_cast<float>(shape.out_channels));
    for (float& weight : weights_) weight *= scale;
    SerialParallel serial;
    packed_.assign(static_cast<size_t>(packed_conv_weights_size(shape, kernel_)), NAN);
    pack_conv_weights(shape, kernel_, weights_.data(), packed_.data(), serial);
    laid_out_ = conv_input_layout(kernel_) == ImageLayout::kPlain
                    ? input_
                    : to_blocked(input_, shape.batch, shape.in_channels, shape.in_h * shape.in_w);
  }

  const float* bias() const { return bias_.data(); }
  std::vector<double> reference(const float* bias) const { return reference_conv(shape_, input_, weights_, bias); }

  std::vector<float> empty_output() const {
    return std::vector<float>(static_cast<size_t>(blocked_size(shape_.batch, shape_.out_channels, shape_.out_h(),
                                                               shape_.out_w(), block_channels())),
                              NAN);
  }

  void run(const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel, float* output) const {
    run_images(shape_.batch, laid_out_.data(), epilogue, rows, parallel, output);
  }

  void run_images(int64_t batch, const float* input, const ConvEpilogue& epilogue, RowRange rows, Parallel& parallel,
                  float* output) const {
    ConvShape shape = shape_;
    shape.batch = batch;
    std::vector<float> workspace(static_cast<size_t>(conv_workspace_size(shape, kernel_, parallel.threads())), NAN);
    const bool plain = conv_input_layout(kernel_) == ImageLayout::kPlain;
    const ConstImage in = plain ? plain_image(input, shape.in_channels, shape.in_h, shape.in_w)
                                : blocked_image(input, shape.in_channels, shape.in_h, shape.in_w, block_channels());
    run_conv(shape, kernel_, packed_.data(), in, output_image(output), epilogue, rows, workspace.data(), parallel);
  }

  Image output_image(float* output) const {
    return blocked_image(output, shape_.out_channels, shape_.out_h(), shape_.out_w(), block_channels());
  }
  const float* input_of_image(int64_t image) const {
    return laid_out_.data() + static_cast<int64_t>(laid_out_.size()) / shape_.batch * image;
  }
  std::vector<float> plain_output(const std::vector<float>& output) const {
    return to_plain(output, shape_.batch, shape_.out_channels, shape_.out_h() * shape_.out_w());
  }

 private:
  ConvShape shape_;
  ConvKernel kernel_;
  std::vector<float> input_;
  std::vector<float> weights_;
  std::vector<float> bias_;
  std::vector<float> packed_;
  std::vector<float> laid_out_;
};

std::vector<ConvShape> test_shapes() {
  std::vector<ConvShape> shapes;
  // batch, in channels, out channels, groups, input, kernel, stride, dilation, pads top, left, bottom, right
  const std::vector<ConvShape> listed = {
      {1, 16, 16, 1, 5, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {2, 3, 8, 1, 9, 11, 3, 3, 2, 2, 1, 1, 0, 1, 1, 0},
      {1, 1, 5, 1, 7, 7, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2},
      {1, 4, 33, 1, 13, 30, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3},
      {1, 3, 20, 1, 3, 200, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {1, 2, 9, 1, 12, 9, 3, 5, 1, 3, 2, 2, 1, 4, 0, 3},
      {1, 5, 15, 1, 6, 13, 1, 7, 1, 1, 1, 1, 0, 3, 0, 3},
      {1, 24, 17, 1, 13, 5, 7, 1, 1, 1, 1, 1, 3, 0, 3, 0},
      {2, 33, 70, 1, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {1, 40, 24, 1, 14, 9, 3, 3, 1, 2, 2, 3, 2, 3, 2, 3},
      {1, 100, 130, 1, 4, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {1, 17, 40, 1, 8, 8, 5, 5, 2, 2, 1, 1, 2, 1, 1, 2},
      {1, 8, 8, 1, 3, 3, 3, 3, 1, 1, 1, 1, 5, 5, 5, 5},  // rows and columns that see padding only
      {1, 16, 32, 1, 1, 50, 1, 5, 1, 3, 1, 1, 0, 2, 0, 2},
      {1, 300, 48, 1, 3, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},   // several chunks of channels
      {2, 40, 36, 1, 30, 37, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},  // several runs of Winograd tiles
      {1, 32, 32, 1, 9, 10, 3, 3, 1, 1, 1, 1, 0, 2, 3, 0},
      {2, 20, 36, 1, 19, 23, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2},  // dilated
      {1, 33, 40, 1, 30, 29, 3, 3, 1, 1, 3, 5, 0, 4, 7, 5},
      {1, 24, 16, 1, 7, 26, 3, 3, 1, 1, 9, 12, 9, 12, 9, 12},  // rows of fewer pixels than the dilation
      {1, 16, 16, 1, 15, 14, 3, 3, 1, 1, 1, 4, 1, 4, 1, 4},
      // 1x1
      {1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      {3, 15, 33, 1, 7, 7, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      {1, 200, 72, 1, 5, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      {1, 16, 64, 1, 9, 8, 1, 1, 2, 2, 1, 1, 0, 0, 0, 0},
      {2, 64, 24, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      {1, 13, 40, 1, 4, 4, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
      // groups of whole blocks
      {1, 64, 32, 2, 6, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {2, 6, 48, 3, 5, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      // other groups
      {1, 12, 18, 3, 6, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {1, 64, 64, 16, 7, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {2, 10, 50, 2, 5, 8, 3, 3, 2, 2, 1, 1, 1, 0, 1, 0},
      {1, 20, 40, 5, 5, 4, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
      {1, 9, 27, 9, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {1, 60, 136, 4, 7, 9, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},  // blocks that two groups share
      {1, 34, 150, 2, 4, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},  // several panels
      {2, 600, 21, 3, 3, 4, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},  // several chunks of channels
      // depthwise
      {1, 16, 16, 16, 9, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
      {2, 33, 33, 33, 8, 7, 3, 3, 2, 2, 1, 1, 0, 1, 1, 0},
      {1, 24, 24, 24, 15, 14, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2},
      {1, 40, 40, 40, 12, 25, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2},
      {1, 8, 8, 8, 21, 40, 9, 9, 1, 1, 1, 1, 4, 4, 4, 4},
      {1, 5, 5, 5, 9, 9, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2},
      {1, 17, 17, 17, 9, 30, 7, 7, 2, 2, 1, 1, 3, 3, 3, 3},
      {1, 16, 16, 16, 2, 2, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2},
      {1, 16, 16, 16, 1, 40, 1, 3, 1, 1, 1, 1, 0, 2, 0, 0},
      {1, 16, 16, 16, 1, 33, 1, 31, 1, 1, 1, 1, 0, 15, 0, 15},
      {1, 20, 20, 20, 6, 11, 3, 3, 1, 2, 1, 1, 1, 1, 1, 1},
      {1, 16, 16, 16, 3, 3, 3, 3, 1, 1, 1, 1, 4, 4, 4, 4},
  };
  shapes.insert(shapes.end(), listed.begin(), listed.end());
  return shapes;
}

// Every kernel that can compute a layer.
std::vector<ConvKernel> kernels_of(const ConvShape& shape) {
  std::vector<ConvKernel> kernels = {select_conv_kernel(shape, ImageLayout::kBlocked, 0, 0, false)};
  const ConvKernel plain = select_conv_kernel(shape, ImageLayout::kPlain, 0, 0, false);
  if (plain == ConvKernel::kStem) kernels.push_back(plain);
  if (shape.groups == 1 && shape.kernel_h == 3 && shape.kernel_w == 3 && shape.stride_h == 1 && shape.stride_w == 1) {
    kernels.push_back(ConvKernel::kWinograd6);
    kernels.push_back(ConvKernel::kWinograd4);
    kernels.push_back(ConvKernel::kWinograd2);
  }
  return kernels;
}

// Of a result, beside 1 + its size. Tiles of 6 lose several times more than others (conv_bench.cpp).
double tolerance(ConvKernel kernel) { return kernel == ConvKernel::kWinograd6 ? 2e-5 : 1e-5; }

class ConvTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(ConvTest);

TEST_P(ConvTest, MatchesReference) {
  SerialParallel serial;
  for (const ConvShape& shape : test_shapes()) {
    for (ConvKernel kernel : kernels_of(shape)) {
      SCOPED_TRACE(describe(shape) + " kernel " + std::to_string(static_cast<int>(kernel)));
      const Layer layer(shape, kernel);
      std::vector<float> output = layer.empty_output();
      layer.run({}, {0, shape.out_h()}, serial, output.data());
      expect_near(layer.plain_output(output), layer.reference(nullptr), tolerance(kernel));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(ConvTest, SelectsByLayer) {
  const ConvShape layer{1, 64, 64, 1, 56, 56, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  const auto select = [](const ConvShape& shape, int64_t size) {
    return select_conv_kernel(shape, ImageLayout::kBlocked, size, size);
  };
  EXPECT_EQ(select(layer, 0), ConvKernel::kWinograd4);
  EXPECT_EQ(select(layer, 224), ConvKernel::kWinograd6);
  EXPECT_EQ(select(layer, 56), ConvKernel::kWinograd4);
  EXPECT_EQ(select(layer, 28), ConvKernel::kWinograd4);
  EXPECT_EQ(select(layer, 14), ConvKernel::kWinograd4);
  EXPECT_EQ(select(layer, 3), ConvKernel::kDirect);
  EXPECT_EQ(select_conv_kernel(layer, ImageLayout::kBlocked, 56, 56, false), ConvKernel::kDirect);
  ConvShape other_image = layer;
  other_image.batch = 7;
  other_image.in_h = 5;
  EXPECT_EQ(select(other_image, 56), ConvKernel::kWinograd4);
  // The size of the images in hand decides between tiles, whose weights are the same.
  ConvShape image = layer;
  image.in_h = image.in_w = 224;
  EXPECT_EQ(conv_kernel_for_images(image, ConvKernel::kWinograd4), ConvKernel::kWinograd6);
  EXPECT_EQ(conv_kernel_for_images(image, ConvKernel::kDirect), ConvKernel::kDirect);
  image.in_h = image.in_w = 2;
  EXPECT_EQ(conv_kernel_for_images(image, ConvKernel::kWinograd6), ConvKernel::kWinograd2);
  image.batch = 50;
  EXPECT_EQ(conv_kernel_for_images(image, ConvKernel::kWinograd6), ConvKernel::kWinograd2);
  ConvShape deep = layer;
  deep.in_channels = deep.out_channels = 512;
  EXPECT_EQ(select(deep, 0), ConvKernel::kWinograd4);
  ConvShape dilated = layer;
  dilated.dilation_h = dilated.dilation_w = dilated.pad_top = dilated.pad_left = dilated.pad_bottom =
      dilated.pad_right = 2;
  EXPECT_EQ(select(dilated, 33), ConvKernel::kWinograd6);
  dilated.dilation_h = dilated.dilation_w = dilated.pad_top = dilated.pad_left = dilated.pad_bottom =
      dilated.pad_right = 18;
  EXPECT_EQ(select(dilated, 33), ConvKernel::kDirect);  // most taps lie in the padding
  ConvShape narrow = layer;
  narrow.out_channels = 8;
  EXPECT_EQ(select(narrow, 56), ConvKernel::kDirect);
  ConvShape strided = layer;
  strided.stride_w = 2;
  EXPECT_EQ(select(strided, 56), ConvKernel::kDirect);
  ConvShape first = layer;
  first.in_channels = 3;
  EXPECT_EQ(select_conv_kernel(first, ImageLayout::kPlain), ConvKernel::kStem);
  EXPECT_EQ(select_conv_kernel(first, ImageLayout::kBlocked), ConvKernel::kDirect);
  ConvShape depthwise = layer;
  depthwise.groups = 64;
  EXPECT_EQ(select_conv_kernel(depthwise, ImageLayout::kBlocked), ConvKernel::kDepthwise);
  ConvShape pointwise = layer;
  pointwise.kernel_h = pointwise.kernel_w = 1;
  pointwise.pad_top = pointwise.pad_left = pointwise.pad_bottom = pointwise.pad_right = 0;
  EXPECT_EQ(select_conv_kernel(pointwise, ImageLayout::kBlocked), ConvKernel::kPointwise);
}

TEST_P(ConvTest, AppliesEpilogue) {
  SerialParallel serial;
  for (const ConvShape& shape : test_shapes()) {
    SCOPED_TRACE(describe(shape));
    for (ConvKernel kernel : kernels_of(shape)) {
      SCOPED_TRACE(static_cast<int>(kernel));
      const Layer layer(shape, kernel);
      const int64_t pixels = shape.out_h() * shape.out_w();
      const std::vector<float> residual = random_floats(shape.batch * shape.out_channels * pixels, 4);
      const std::vector<float> blocked_residual = to_blocked(residual, shape.batch, shape.out_channels, pixels);
      const std::vector<double> sums = layer.reference(layer.bias());
      for (Activation activation :
           {Activation{}, Activation{Activation::Kind::kRelu}, Activation{Activation::Kind::kClip, -0.25F, 0.5F},
            Activation{Activation::Kind::kSilu, 1.0F}}) {
        for (int with_residual = 0; with_residual < 3; ++with_residual) {
          std::vector<double> expected = sums;
          for (size_t i = 0; i < expected.size(); ++i) {
            if (with_residual == 1) expected[i] += residual[i];
            expected[i] = activate_reference(activation, expected[i]);
            if (with_residual == 2) expected[i] += residual[i];
          }
          std::vector<float> output = layer.empty_output();
          std::vector<float> in_place = blocked_residual;
          ConvEpilogue epilogue;
          epilogue.bias = layer.bias();
          epilogue.activation = activation;
          epilogue.act_before_add = with_residual == 2;
          std::vector<float> residual_copy = blocked_residual;
          if (with_residual != 0) epilogue.residual = as_const(layer.output_image(residual_copy.data()));
          layer.run(epilogue, {0, shape.out_h()}, serial, output.data());
          expect_near(layer.plain_output(output), expected, tolerance(kernel));
          if (HasFatalFailure()) return;
          if (with_residual != 0) {
            epilogue.residual = as_const(layer.output_image(in_place.data()));
            layer.run(epilogue, {0, shape.out_h()}, serial, in_place.data());
            ASSERT_TRUE(same_bits(layer.plain_output(output), layer.plain_output(in_place)));
          }
        }
      }
    }
  }
}

TEST_P(ConvTest, BitsDependOnNeitherThreadsNorRowsNorBatch) {
  SerialParallel serial;
  for (const ConvShape& shape : test_shapes()) {
    SCOPED_TRACE(describe(shape));
    for (ConvKernel kernel : kernels_of(shape)) {
      SCOPED_TRACE(static_cast<int>(kernel));
      const Layer layer(shape, kernel);
      ConvEpilogue epilogue;
      epilogue.bias = layer.bias();
      std::vector<float> whole = layer.empty_output();
      layer.run(epilogue, {0, shape.out_h()}, serial, whole.data());
      const std::vector<float> expected = layer.plain_output(whole);
      for (int threads : {2, 3, 8}) {
        ThreadsParallel parallel(threads);
        std::vector<float> output = layer.empty_output();
        layer.run(epilogue, {0, shape.out_h()}, parallel, output.data());
        ASSERT_TRUE(same_bits(expected, layer.plain_output(output))) << threads << " threads";
      }
      for (int64_t rows : {1, 2, 3}) {
        std::vector<float> output = layer.empty_output();
        for (int64_t y = 0; y < shape.out_h(); y += rows) {
          layer.run(epilogue, {y, std::min(y + rows, shape.out_h())}, serial, output.data());
        }
        ASSERT_TRUE(same_bits(expected, layer.plain_output(output))) << rows << " rows at a time";
      }
      std::vector<float> output = layer.empty_output();
      const int64_t out_size = static_cast<int64_t>(output.size()) / shape.batch;
      for (int64_t image = 0; image < shape.batch; ++image) {
        layer.run_images(1, layer.input_of_image(image), epilogue, {0, shape.out_h()}, serial,
                         output.data() + image * out_size);
      }
      ASSERT_TRUE(same_bits(expected, layer.plain_output(output))) << "image by image";
    }
  }
}

// Only the rows that conv_input_rows() names may be read: all others are NaN here.
TEST_P(ConvTest, ReadsOnlyItsInputRows) {
  SerialParallel serial;
  for (const ConvShape& shape : test_shapes()) {
    for (ConvKernel kernel : kernels_of(shape)) {
      if (kernel == ConvKernel::kStem) continue;
      SCOPED_TRACE(describe(shape) + " kernel " + std::to_string(static_cast<int>(kernel)));
      const Layer layer(shape, kernel);
      const int64_t out_h = shape.out_h();
      std::vector<float> whole = layer.empty_output();
      layer.run({}, {0, out_h}, serial, whole.data());
      const RowRange rows{out_h / 3, std::min(out_h, out_h / 3 + 2)};
      const RowRange needed = conv_input_rows(shape, kernel, rows);
      const int64_t block = block_channels();
      const int64_t row = shape.in_w * block;
      std::vector<float> input(layer.input_of_image(0), layer.input_of_image(shape.batch));
      for (size_t i = 0; i < input.size(); ++i) {
        const int64_t y = static_cast<int64_t>(i) / row % shape.in_h;
        if (y < needed.begin || y >= needed.end) input[i] = NAN;
      }
      std::vector<float> output = whole;
      layer.run_images(shape.batch, input.data(), {}, rows, serial, output.data());
      ASSERT_TRUE(same_bits(layer.plain_output(whole), layer.plain_output(output)));
    }
  }
}

}  // namespace
}  // namespace attune::kernels
