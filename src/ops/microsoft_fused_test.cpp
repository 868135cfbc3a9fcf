#include "ops/op_test.h"

namespace attune {
namespace {

OpTest fused(std::string_view name) { return OpTest(name, 1, "com.microsoft"); }

TEST(MicrosoftFused, Gelus) {
  const std::vector<float> exact{-.158655F, 0, .841345F, 1.9545F};
  fused("Gelu").input<float>({4}, {-1, 0, 1, 2}).output<float>({4}, exact).run();
  fused("BiasGelu").input<float>({2, 2}, {-2, -1, 0, 1}).input<float>({2}, {1, 1}).output<float>({2, 2}, exact).run();
  const std::vector<float> by_tanh{-.158808F, 0, .841192F, 1.954598F};
  fused("FastGelu").input<float>({4}, {-1, 0, 1, 2}).output<float>({4}, by_tanh).run();
  fused("FastGelu").input<float>({2, 2}, {-2, -1, 0, 1}).input<float>({2}, {1, 1}).output<float>({2, 2}, by_tanh).run();
  fused("QuickGelu").input<float>({3}, {-1, 0, 1}).output<float>({3}, {-.154205F, 0, .845795F}).run();
  fused("QuickGelu").attribute("alpha", 1.0F).input<float>({1}, {1}).output<float>({1}, {.731059F}).run();
  fused("Gelu").input<double>({0, 3}, {}).output<double>({0, 3}, {}).run();
}

TEST(MicrosoftFused, MatMul) {
  fused("FusedMatMul")
      .attribute("alpha", 2.0F)
      .attribute("transB", int64_t{1})
      .input<float>({1, 2}, {1, 2})
      .input<float>({3, 2}, {1, 0, 0, 1, 1, 1})
      .output<float>({1, 3}, {2, 4, 6})
      .run();
  fused("FusedMatMul").input<float>({1, 2}, {1, 2}).input<float>({3, 1}, {1, 2, 3}).fails("dimension mismatch");
}

/// The first axis of A are its rows, the second the batch.
TEST(MicrosoftFused, MatMulTransposesTheBatch) {
  fused("FusedMatMul")
      .attribute("transBatchA", int64_t{1})
      .input<float>({1, 2, 2}, {1, 2, 3, 4})
      .input<float>({2, 2, 1}, {1, 1, 1, 2})
      .output<float>({2, 1, 1}, {3, 11})
      .run();
}

TEST(MicrosoftFused, Gemm) {
  OpTest test = fused("FusedGemm");
  test.attribute("activation", std::string("LeakyRelu"))
      .attribute("activation_alpha", .5F)
      .attribute("alpha", 2.0F)
      .attribute("transA", int64_t{1})
      .input<float>({2, 1}, {1, -1})
      .input<float>({2, 2}, {1, 2, 3, 1})
      .input<float>({2}, {1, 0})
      .output<float>({1, 2}, {-1.5F, 2})
      .run();
  fused("FusedGemm")
      .attribute("activation", std::string("Sine"))
      .input<float>({1, 1}, {1})
      .input<float>({1, 1}, {1})
      .fails("fused activation 'Sine'");
}

TEST(MicrosoftFused, Conv) {
  fused("FusedConv")
      .attribute("activation", std::string("Relu"))
      .input<float>({1, 1, 1, 3}, {1, -2, 3})
      .input<float>({1, 1, 1, 1}, {2})
      .input<float>({1}, {1})
      .output<float>({1, 1, 1, 3}, {3, 0, 7})
      .run();
  fused("FusedConv")
      .attribute("activation", std::string("Clip"))
      .attribute("activation_params", std::vector<float>{-1, 5})
      .input<float>({1, 1, 1, 3}, {1, -2, 3})
      .input<float>({1, 1, 1, 1}, {2})
      .no_input()
      .input<float>({1, 1, 1, 3}, {1, 1, 1})
      .output<float>({1, 1, 1, 3}, {3, -1, 5})
      .run();
  fused("FusedConv").input<float>({1, 2, 3}, {1, 2, 3, 4, 5, 6}).input<float>({1, 1, 1}, {2}).fails("Input channels C");
}

}  // namespace
}  // namespace attune
