#include <algorithm>

#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

using Ints = std::vector<int64_t>;

const std::vector<float> kImage{1, 2, 3, 4};
const std::vector<float> kKernel{1, 2, 3, 4, 5, 6, 7, 8, 9};

OpTest transposed(const Ints& strides) {
  OpTest test("ConvTranspose", 11);
  test.attribute("strides", strides).input<float>({1, 1, 2, 2}, kImage).input<float>({1, 1, 3, 3}, kKernel);
  return test;
}

// Expected values in this test are onnxruntime's.
TEST(ConvTranspose, Attributes) {
  transposed({2, 2})
      .output<float>({1, 1, 5, 5},
                     {1, 2, 5, 4, 6, 4, 5, 14, 10, 12, 10, 14, 36, 24, 30, 12, 15, 34, 20, 24, 21, 24, 55, 32, 36})
      .run();
  transposed({2, 2})
      .attribute("pads", Ints{1, 0, 0, 1})
      .attribute("output_padding", Ints{1, 0})
      .output<float>({1, 1, 5, 4}, {4, 5, 14, 10, 10, 14, 36, 24, 12, 15, 34, 20, 21, 24, 55, 32, 0, 0, 0, 0})
      .run();
  transposed({2, 2})
      .attribute("auto_pad", std::string("SAME_UPPER"))
      .output<float>({1, 1, 4, 4}, {1, 2, 5, 4, 4, 5, 14, 10, 10, 14, 36, 24, 12, 15, 34, 20})
      .run();
  transposed({2, 2})
      .attribute("auto_pad", std::string("SAME_LOWER"))
      .output<float>({1, 1, 4, 4}, {5, 14, 10, 12, 14, 36, 24, 30, 15, 34, 20, 24, 24, 55, 32, 36})
      .run();
  for (const Ints& shape : {Ints{4, 6}, Ints{1, 1, 4, 6}}) {
    transposed({2, 2})
        .attribute("output_shape", shape)
        .output<float>({1, 1, 4, 6},
                       {4, 5, 14, 10, 12, 0, 10, 14, 36, 24, 30, 0, 12, 15, 34, 20, 24, 0, 21, 24, 55, 32, 36, 0})
        .run();
  }
  OpTest("ConvTranspose")
      .attribute("dilations", Ints{2, 1})
      .input<float>({1, 1, 2, 2}, kImage)
      .input<float>({1, 1, 2, 2}, {1, 2, 4, 5})
      .output<float>({1, 1, 4, 3}, {1, 4, 4, 3, 10, 8, 4, 13, 10, 12, 31, 20})
      .run();
}

TEST(ConvTranspose, OneAxisAndGroups) {
  OpTest("ConvTranspose")
      .attribute("strides", Ints{2})
      .attribute("pads", Ints{1, 0})
      .input<float>({1, 1, 3}, {1, 2, 3})
      .input<float>({1, 1, 3}, {1, -1, 2})
      .output<float>({1, 1, 6}, {-1, 4, -2, 7, -3, 6})
      .run();
  OpTest("ConvTranspose")
      .attribute("group", int64_t{2})
      .input<float>({1, 4, 1, 2}, {0, 1, 2, 3, 4, 5, 6, 7})
      .input<float>({4, 3, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
      .input<float>({6}, {1, 2, 3, 4, 5, 6})
      .output<float>({1, 6, 1, 2}, {7, 10, 10, 15, 13, 20, 82, 97, 93, 110, 104, 123})
      .run();
}

/// By the definition, in double: output channel m of a 2x2 kernel with stride 2 sees one tap a pixel.
TEST(ConvTranspose, DoublesAnImage) {
  const int64_t in_channels = 20;
  const int64_t out_channels = 19;
  const Tensor x = random_floats({2, in_channels, 3, 5}, 1);
  const Tensor w = random_floats({in_channels, out_channels, 2, 2}, 2);
  const Tensor bias = random_floats({out_channels}, 3);
  Tensor y = Tensor::allocate(DataType::kFloat, {2, out_channels, 6, 10});
  size_t place = 0;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t m = 0; m < out_channels; ++m) {
      for (int64_t row = 0; row < 6; ++row) {
        for (int64_t column = 0; column < 10; ++column) {
          double sum = bias.values<float>()[static_cast<size_t>(m)];
          for (int64_t c = 0; c < in_channels; ++c) {
            sum +=
                double{x.values<float>()[static_cast<size_t>(((n * in_channels + c) * 3 + row / 2) * 5 + column / 2)]} *
                double{w.values<float>()[static_cast<size_t>(((c * out_channels + m) * 2 + row % 2) * 2 + column % 2)]};
          }
          y.values<float>()[place++] = static_cast<float>(sum);
        }
      }
    }
  }
  OpTest("ConvTranspose").attribute("strides", Ints{2, 2}).input(x).input(w).input(bias).output(y).run();
  for (float& value : y.values<float>()) value = std::max(value, 0.0F);
  OpTest("FusedConvTranspose", 1, "attune")
      .attribute("strides", Ints{2, 2})
      .attribute("activation", std::string("Relu"))
      .input(x)
      .input(w)
      .input(bias)
      .output(y)
      .run();
  BlockedTest blocked("ConvTranspose");
  blocked.attribute("strides", Ints{2, 2}).blocked(x).constant(w).constant(bias);
  blocked.expect(Layout::kBlocked, Layout::kBlocked);
}

/// Few outputs that do not overlap: blocked input, plain output.
TEST(ConvTranspose, PatchesArePlain) {
  const Tensor x = random_floats({2, 20, 3, 9}, 1);
  const Tensor w = random_floats({20, 1, 2, 2}, 2);
  const Tensor bias = random_floats({1}, 3);
  BlockedTest test("FusedConvTranspose", 1, "attune");
  test.attribute("strides", Ints{2, 2}).attribute("activation", std::string("Sigmoid")).blocked(x).constant(w);
  test.constant(bias).expect(Layout::kBlocked, Layout::kPlain);
  BlockedTest padded("ConvTranspose");
  padded.attribute("strides", Ints{2, 2}).attribute("pads", Ints{0, 0, 1, 1}).blocked(x).constant(w);
  padded.expect(Layout::kBlocked, Layout::kBlocked);
}

TEST(ConvTranspose, EmptyInputs) {
  OpTest("ConvTranspose")
      .input<float>({0, 1, 2, 2}, {})
      .input<float>({1, 1, 3, 3}, kKernel)
      .output<float>({0, 1, 4, 4}, {})
      .run();
  OpTest("ConvTranspose")
      .input<float>({1, 1, 0, 2}, {})
      .input<float>({1, 1, 3, 3}, kKernel)
      .output<float>({1, 1, 0, 4}, {})
      .run();
}

TEST(ConvTranspose, InvalidModels) {
  const Tensor w = random_floats({2, 1, 1, 1}, 1);
  OpTest("ConvTranspose")
      .input(random_floats({1, 3, 2, 2}, 2))
      .input(w)
      .fails("filter number not equal to input channel number");
  OpTest("ConvTranspose").input(random_floats({1, 2, 2}, 2)).input(w).fails("X num_dims does not match W num_dims");
  OpTest("ConvTranspose")
      .attribute("group", int64_t{3})
      .input(random_floats({1, 2, 2, 2}, 2))
      .input(w)
      .fails("not divisible by group");
  OpTest("ConvTranspose")
      .attribute("output_shape", Ints{1})
      .input(random_floats({1, 2, 2, 2}, 2))
      .input(w)
      .fails("wrong number of values");
  OpTest("ConvTranspose")
      .attribute("pads", Ints{2, 0, 1, 0})
      .input(random_floats({1, 2, 2, 2}, 2))
      .input(w)
      .fails("The pads leave nothing");
  OpTest("ConvTranspose")
      .attribute("strides", Ints{1, 2})
      .input(random_floats({1, 2, 2, 2, 2}, 2))
      .input(random_floats({2, 1, 1, 1, 1}, 1))
      .fails("strides has 2 values");
}

TEST(ConvTranspose, ByTheDefinition) {
  OpTest("ConvTranspose")
      .attribute("strides", Ints{1, 1, 2})
      .input<float>({1, 1, 1, 1, 2}, {1, 2})
      .input<float>({1, 1, 1, 1, 3}, {1, 10, 100})
      .input<float>({1}, {1000})
      .output<float>({1, 1, 1, 1, 5}, {1001, 1010, 1102, 1020, 1200})
      .run();
  OpTest("ConvTranspose")
      .input<double>({1, 1, 1}, {2})
      .input<double>({1, 1, 2}, {1, 3})
      .output<double>({1, 1, 2}, {2, 6})
      .run();
}

}  // namespace
}  // namespace attune
