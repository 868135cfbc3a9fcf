#include "ops/op_test.h"

namespace attune {
namespace {

OpTest quantized(std::string_view name) { return OpTest(name, 1, "com.microsoft"); }

template <class T>
OpTest& with(OpTest& test, const Shape& shape, std::vector<T> values, float scale, T zero) {
  return test.input<T>(shape, std::move(values)).template input<float>({}, {scale}).template input<T>({}, {zero});
}

TEST(MicrosoftQuantized, AddAndMul) {
  OpTest add = quantized("QLinearAdd");
  with<uint8_t>(add, {3}, {10, 20, 255}, .5F, 10);
  with<uint8_t>(add, {1}, {4}, 1, 2);
  add.input<float>({}, {.5F}).input<uint8_t>({}, {1}).output<uint8_t>({3}, {5, 15, 250}).run();
  OpTest mul = quantized("QLinearMul");
  with<int8_t>(mul, {3}, {-10, 20, 127}, .5F, 0);
  with<int8_t>(mul, {3}, {2, 2, 2}, 1, 0);
  mul.input<float>({1}, {1}).input<int8_t>({1}, {-1}).output<int8_t>({3}, {-11, 19, 126}).run();
}

TEST(MicrosoftQuantized, WithoutZeroPoints) {
  quantized("QLinearLeakyRelu")
      .attribute("alpha", .5F)
      .input<int8_t>({2}, {-8, 8})
      .input<float>({}, {1})
      .no_input()
      .input<float>({}, {2})
      .output<int8_t>({2}, {-2, 4})
      .run();
}

TEST(MicrosoftQuantized, SigmoidAndSoftmax) {
  OpTest sigmoid = quantized("QLinearSigmoid");
  with<uint8_t>(sigmoid, {2}, {128, 138}, .1F, 128);
  sigmoid.input<float>({}, {.01F}).input<uint8_t>({}, {0}).output<uint8_t>({2}, {50, 73}).run();
  OpTest softmax = quantized("QLinearSoftmax");
  softmax.attribute("opset", int64_t{13});
  with<uint8_t>(softmax, {1, 2}, {0, 0}, .1F, 0);
  softmax.input<float>({}, {.01F}).input<uint8_t>({}, {5}).output<uint8_t>({1, 2}, {55, 55}).run();
  OpTest without = quantized("QLinearSoftmax");
  with<uint8_t>(without, {1, 2}, {0, 0}, .1F, 0);
  without.input<float>({}, {.01F}).input<uint8_t>({}, {5}).fails("opset");
}

TEST(MicrosoftQuantized, Pools) {
  OpTest average = quantized("QLinearAveragePool");
  average.attribute("kernel_shape", std::vector<int64_t>{1, 2});
  with<uint8_t>(average, {1, 1, 1, 3}, {1, 3, 9}, 1, 0);
  average.input<float>({}, {1}).input<uint8_t>({}, {0}).output<uint8_t>({1, 1, 1, 2}, {2, 6}).run();
  OpTest last = quantized("QLinearAveragePool");
  last.attribute("kernel_shape", std::vector<int64_t>{1, 2}).attribute("channels_last", int64_t{1});
  with<uint8_t>(last, {1, 1, 2, 2}, {1, 3, 9, 5}, 1, 0);
  last.input<float>({}, {1}).input<uint8_t>({}, {0}).output<uint8_t>({1, 1, 1, 2}, {5, 4}).run();
  for (const int64_t channels_last : {0, 1}) {
    OpTest global = quantized("QLinearGlobalAveragePool");
    global.attribute("channels_last", channels_last);
    with<uint8_t>(global, {1, 1, 1, 4}, {1, 3, 9, 7}, 1, 0);
    global.input<float>({}, {1}).input<uint8_t>({}, {1});
    if (channels_last == 0) global.output<uint8_t>({1, 1, 1, 1}, {6}).run();
    if (channels_last == 1) global.output<uint8_t>({1, 1, 1, 4}, {2, 4, 10, 8}).run();
  }
}

TEST(MicrosoftQuantized, Concat) {
  OpTest concat = quantized("QLinearConcat");
  concat.attribute("axis", int64_t{0}).input<float>({}, {1}).input<uint8_t>({}, {10});
  with<uint8_t>(concat, {2}, {4, 8}, .5F, 0);
  with<uint8_t>(concat, {1}, {20}, 1, 10);
  concat.output<uint8_t>({3}, {12, 14, 20}).run();
  OpTest odd = quantized("QLinearConcat");
  odd.attribute("axis", int64_t{0}).input<float>({}, {1}).input<uint8_t>({}, {10}).input<uint8_t>({1}, {1});
  odd.input<float>({}, {1}).fails("a scale and a zero point for each");
}

TEST(MicrosoftQuantized, Gemm) {
  const auto gemm = [] {
    OpTest test = quantized("QGemm");
    test.attribute("transB", int64_t{1});
    with<uint8_t>(test, {1, 2}, {3, 5}, .5F, 1);
    with<int8_t>(test, {2, 2}, {1, 2, -1, 0}, 2, 0);
    test.input<int32_t>({2}, {10, 20});
    return test;
  };
  // (2, 4) times the columns (1, 2) and (-1, 0), and the bias.
  gemm().output<float>({1, 2}, {20, 18}).run();
  gemm().input<float>({}, {2}).input<uint8_t>({}, {3}).output<uint8_t>({1, 2}, {13, 12}).run();
}

TEST(MicrosoftQuantized, IntegerProducts) {
  quantized("MatMulIntegerToFloat")
      .input<uint8_t>({1, 2}, {3, 5})
      .input<int8_t>({2, 2}, {1, -1, 2, 0})
      .input<float>({}, {.5F})
      .input<float>({2}, {2, 4})
      .input<uint8_t>({}, {1})
      .no_input()
      .input<float>({2}, {1, 0})
      .output<float>({1, 2}, {11, -4})
      .run();
  // Quantized by steps of 1 from 0 on: exactly.
  quantized("DynamicQuantizeMatMul")
      .input<float>({1, 2}, {255, 0})
      .input<uint8_t>({2, 1}, {3, 7})
      .input<float>({1}, {.5F})
      .input<uint8_t>({1}, {1})
      .input<float>({1}, {.25F})
      .output<float>({1, 1}, {255.25F})
      .run();
}

}  // namespace
}  // namespace attune
