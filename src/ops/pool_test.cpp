#include <limits>

#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

using Ints = std::vector<int64_t>;

constexpr int kRows = 5;
constexpr int kColumns = 4;
const std::vector<float> kImage{1, 5, 2, 4, 3, 0, -1, 7, 9, 8, -6, 6, -2, 1, 0, 3, 5, 4, 2, -3};

template <class T>
std::vector<T> image_as() {
  return std::vector<T>(kImage.begin(), kImage.end());
}

OpTest pool(std::string_view op_type, const Ints& kernel, const Ints& strides, const Ints& pads, int version = 11) {
  OpTest test(op_type, version);
  test.attribute("kernel_shape", kernel).attribute("strides", strides).attribute("pads", pads);
  return test;
}

// Expected values in this file are onnxruntime's.
TEST(MaxPool, Images) {
  const Shape shape{1, 1, kRows, kColumns};
  pool("MaxPool", {2, 3}, {2, 1}, {1, 0, 0, 1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 3}, {5, 5, 4, 9, 8, 7, 5, 4, 3})
      .run();
  OpTest("MaxPool")
      .attribute("kernel_shape", Ints{2, 2})
      .attribute("dilations", Ints{2, 2})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 2}, {9, 8, 3, 7, 9, 8})
      .run();
  OpTest("MaxPool")
      .attribute("kernel_shape", Ints{2, 2})
      .attribute("strides", Ints{2, 3})
      .attribute("ceil_mode", int64_t{1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 2}, {5, 7, 9, 6, 5, -3})
      .run();
  OpTest("MaxPool")
      .attribute("kernel_shape", Ints{3, 2})
      .attribute("strides", Ints{2, 2})
      .attribute("auto_pad", std::string("SAME_UPPER"))
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 2}, {5, 7, 9, 7, 5, 3})
      .run();
}

TEST(MaxPool, Indices) {
  const Shape shape{1, 1, kRows, kColumns};
  const Shape out{1, 1, 3, 3};
  pool("MaxPool", {2, 3}, {2, 1}, {1, 0, 0, 1})
      .input<float>(shape, kImage)
      .output<float>(out, {5, 5, 4, 9, 8, 7, 5, 4, 3})
      .output<int64_t>(out, {1, 1, 3, 8, 9, 7, 16, 17, 15})
      .run();
  pool("MaxPool", {2, 3}, {2, 1}, {1, 0, 0, 1})
      .attribute("storage_order", int64_t{1})
      .input<float>(shape, kImage)
      .output<float>(out, {5, 5, 4, 9, 8, 7, 5, 4, 3})
      .output<int64_t>(out, {5, 5, 15, 2, 7, 16, 4, 9, 18})
      .run();
  // Indices count through the whole tensor.
  OpTest("MaxPool")
      .attribute("kernel_shape", Ints{2})
      .input<float>({1, 2, 2}, {1, 2, 4, 3})
      .output<float>({1, 2, 1}, {2, 4})
      .output<int64_t>({1, 2, 1}, {1, 2})
      .run();
}

TEST(MaxPool, OtherTypes) {
  const Shape shape{1, 1, kRows, kColumns};
  pool("MaxPool", {2, 3}, {2, 1}, {1, 0, 0, 1}, 12)
      .input<double>(shape, image_as<double>())
      .output<double>({1, 1, 3, 3}, {5, 5, 4, 9, 8, 7, 5, 4, 3})
      .run();
  pool("MaxPool", {2, 3}, {2, 1}, {1, 0, 0, 1}, 12)
      .input<int8_t>(shape, image_as<int8_t>())
      .output<int8_t>({1, 1, 3, 3}, {5, 5, 4, 9, 8, 7, 5, 4, 3})
      .run();
  pool("MaxPool", {2}, {2}, {0, 0}, 12)
      .input<uint8_t>({1, 1, 4}, {1, 200, 3, 4})
      .output<uint8_t>({1, 1, 2}, {200, 4})
      .run();
}

TEST(MaxPool, OneAndThreeAxes) {
  pool("MaxPool", {3}, {2}, {1, 1})
      .input<float>({1, 1, 5}, {1, 2, -3, -4, -5})
      .output<float>({1, 1, 3}, {2, 2, -4})
      .run();
  std::vector<float> volume(24);
  for (size_t i = 0; i < 24; ++i) volume[i] = static_cast<float>(i % 7);
  pool("MaxPool", {2, 2, 2}, {1, 1, 2}, {0, 0, 0, 0, 0, 0})
      .input<float>({1, 1, 2, 3, 4}, volume)
      .output<float>({1, 1, 1, 2, 2}, {6, 6, 6, 6})
      .run();
  pool("AveragePool", {2, 2, 2}, {1, 1, 2}, {1, 0, 0, 0, 0, 0})
      .input<float>({1, 1, 2, 3, 4}, volume)
      .output<float>({1, 1, 2, 2, 2}, {2.5F, 2.75F, 3, 3.25F, 3.25F, 2.625F, 2.875F, 3.125F})
      .run();
  pool("AveragePool", {2, 2, 2}, {1, 1, 2}, {1, 0, 0, 0, 0, 0})
      .attribute("count_include_pad", int64_t{1})
      .input<float>({1, 1, 2, 3, 4}, volume)
      .output<float>({1, 1, 2, 2, 2}, {1.25F, 1.375F, 1.5F, 1.625F, 3.25F, 2.625F, 2.875F, 3.125F})
      .run();
}

TEST(AveragePool, Images) {
  const Shape shape{1, 1, kRows, kColumns};
  pool("AveragePool", {2, 2}, {2, 2}, {1, 1, 1, 1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 3}, {1, 3.5F, 4, 6, 0.25F, 6.5F, 1.5F, 1.75F, 0})
      .run();
  pool("AveragePool", {2, 2}, {2, 2}, {1, 1, 1, 1})
      .attribute("count_include_pad", int64_t{1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 3}, {0.25F, 1.75F, 1, 3, 0.25F, 3.25F, 0.75F, 1.75F, 0})
      .run();
  OpTest("AveragePool")
      .attribute("kernel_shape", Ints{3, 2})
      .attribute("strides", Ints{2, 2})
      .attribute("auto_pad", std::string("SAME_LOWER"))
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 2}, {2.25F, 3, 3.1666667F, 1.5F, 2, 0.5F})
      .run();
  OpTest("AveragePool", 19)
      .attribute("kernel_shape", Ints{2, 2})
      .attribute("dilations", Ints{2, 2})
      .attribute("pads", Ints{1, 0, 0, 1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 4, 3}, {1, 3.5F, -1, 1.5F, 5.75F, -2, 0, 2.75F, -0.5F, 2.5F, 3.75F, -2})
      .run();
}

TEST(AveragePool, CeilModeCountsNoMoreThanThePadding) {
  const Shape shape{1, 1, kRows, kColumns};
  const std::vector<float> included{1, 1.8888888F, 1.8333334F, 2.1111112F, 2, 2.6666667F, 0.8888889F, 0.7777778F, 0};
  pool("AveragePool", {3, 3}, {2, 2}, {1, 1, 1, 1})
      .attribute("ceil_mode", int64_t{1})
      .attribute("count_include_pad", int64_t{1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 3, 3}, included)
      .run();
  pool("AveragePool", {3, 3}, {2, 2}, {1, 1, 1, 1})
      .attribute("ceil_mode", int64_t{1})
      .attribute("count_include_pad", int64_t{1})
      .input<double>(shape, image_as<double>())
      .output<double>({1, 1, 3, 3}, std::vector<double>(included.begin(), included.end()))
      .run();
  pool("AveragePool", {3, 3}, {2, 2}, {0, 0, 0, 0})
      .attribute("ceil_mode", int64_t{1})
      .input<float>(shape, kImage)
      .output<float>({1, 1, 2, 2}, {2.3333333F, 2, 2.3333333F, 0.33333334F})
      .run();
}

TEST(LpPool, Images) {
  pool("LpPool", {2, 2}, {2, 2}, {0, 0, 0, 0})
      .attribute("p", int64_t{3})
      .input<float>({1, 1, kRows, kColumns}, kImage)
      .output<float>({1, 1, 2, 2}, {5.3484817F, 7.4650226F, 10.772174F, 7.7138453F})
      .run();
  OpTest("LpPool", 1)
      .attribute("kernel_shape", Ints{2, 2})
      .attribute("p", 1.0F)
      .input<float>({1, 1, 2, 2}, {1, -2, 3, -4})
      .output<float>({1, 1, 1, 1}, {10})
      .run();
  pool("LpPool", {2, 2}, {1, 1}, {0, 0, 0, 0})
      .attribute("p", int64_t{0})
      .input<float>({1, 1, 2, 2}, {1, 2, 3, 4})
      .fails("p is 0");
}

TEST(Pool, BlockedImages) {
  for (const char* op_type : {"MaxPool", "AveragePool"}) {
    BlockedTest test(op_type);
    test.attribute("kernel_shape", Ints{3, 3}).attribute("strides", Ints{2, 2}).attribute("pads", Ints{1, 1, 1, 1});
    test.blocked(random_floats({2, 19, 7, 8}, 1)).expect(Layout::kBlocked, Layout::kBlocked);
  }
  BlockedTest indices("MaxPool");
  indices.attribute("kernel_shape", Ints{2, 2}).blocked(random_floats({1, 3, 4, 4}, 1));
  indices.expect(Layout::kPlain, Layout::kPlain, 2);
}

TEST(Pool, EmptyInputs) {
  pool("MaxPool", {2, 2}, {1, 1}, {0, 0, 0, 0}).input<float>({0, 1, 3, 3}, {}).output<float>({0, 1, 2, 2}, {}).run();
  pool("AveragePool", {1, 1}, {1, 1}, {0, 0, 0, 0})
      .input<float>({1, 1, 0, 3}, {})
      .output<float>({1, 1, 0, 3}, {})
      .run();
}

TEST(Pool, InvalidModels) {
  const Tensor x = random_floats({1, 1, 3, 3}, 1);
  OpTest("MaxPool").input(x).fails("No kernel shape is set");
  OpTest("MaxPool").attribute("kernel_shape", Ints{2}).input(x).fails("kernel_shape has 1 values, not 2");
  OpTest("MaxPool").attribute("kernel_shape", Ints{0, 2}).input(x).fails("out of range");
  OpTest("AveragePool").attribute("kernel_shape", Ints{4, 2}).input(x).fails("does not fit");
  OpTest("AveragePool").attribute("kernel_shape", Ints{1}).input<float>({1, 1}, {1}).fails("has no spatial axis");
}

}  // namespace
}  // namespace attune
