#include "ops/op_test.h"

namespace attune {
namespace {

// Values by numpy.
TEST(Gemm, TransposesAndScales) {
  const std::vector<float> a{1, 2, 3, 4, 5, 6};
  const std::vector<float> b{1, 0, -1, 2, 0.5F, 1};
  OpTest("Gemm").input<float>({2, 3}, a).input<float>({3, 2}, b).output<float>({2, 2}, {0.5F, 7, 2, 16}).run();
  OpTest("Gemm")
      .attribute("transA", int64_t{1})
      .attribute("alpha", 2.0F)
      .input<float>({3, 2}, {1, 4, 2, 5, 3, 6})
      .input<float>({3, 2}, b)
      .output<float>({2, 2}, {1, 14, 4, 32})
      .run();
  OpTest("Gemm", 7)
      .attribute("transB", int64_t{1})
      .attribute("alpha", 0.5F)
      .attribute("beta", 2.0F)
      .input<float>({2, 3}, a)
      .input<float>({2, 3}, {1, -1, 0.5F, 0, 2, 1})
      .input<float>({2}, {1, -1})
      .output<float>({2, 2}, {2.25F, 1.5F, 3, 6})
      .run();
}

TEST(Gemm, AddendBroadcasts) {
  const auto product = [](const Shape& shape, std::vector<float> c, float beta, std::vector<float> expected) {
    OpTest("Gemm", 11)
        .attribute("beta", beta)
        .input<float>({2, 1}, {1, 2})
        .input<float>({1, 3}, {1, 10, 100})
        .input<float>(shape, std::move(c))
        .output<float>({2, 3}, std::move(expected))
        .run();
  };
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{1, 1}}) product(shape, {5}, 1, {6, 15, 105, 7, 25, 205});
  for (const Shape& shape : {Shape{3}, Shape{1, 3}}) product(shape, {1, 2, 3}, 1, {2, 12, 103, 3, 22, 203});
  product({3}, {1, 2, 3}, -2, {-1, 6, 94, 0, 16, 194});
  product({2, 1}, {1, 2}, 1, {2, 11, 101, 4, 22, 202});
  product({2, 1}, {1, 2}, 3, {4, 13, 103, 8, 26, 206});
  product({2, 3}, {1, 2, 3, 4, 5, 6}, 1, {2, 12, 103, 6, 25, 206});
  product({2, 3}, {1, 2, 3, 4, 5, 6}, 2, {3, 14, 106, 10, 30, 212});
  product({2, 3}, {1, 2, 3, 4, 5, 6}, 0, {1, 10, 100, 2, 20, 200});
}

TEST(Gemm, OneRowWithAnAddendOfItsShape) {
  OpTest("Gemm")
      .input<float>({1, 1}, {2})
      .input<float>({1, 1}, {3})
      .input<float>({1, 1}, {4})
      .output<float>({1, 1}, {10})
      .run();
  OpTest("Gemm")
      .input<float>({2, 1}, {2, 3})
      .input<float>({1, 1}, {3})
      .input<float>({2, 1}, {4, 5})
      .output<float>({2, 1}, {10, 14})
      .run();
}

TEST(Gemm, OtherTypes) {
  OpTest("Gemm")
      .attribute("alpha", 0.5F)
      .attribute("transB", int64_t{1})
      .input<double>({1, 2}, {1, 2})
      .input<double>({2, 2}, {1, 2, 3, 4})
      .input<double>({2}, {10, 20})
      .output<double>({1, 2}, {12.5, 25.5})
      .run();
  OpTest("Gemm")
      .attribute("transA", int64_t{1})
      .input<int32_t>({2, 1}, {1, 2})
      .input<int32_t>({2, 1}, {3, 4})
      .input<int32_t>({1}, {-1})
      .output<int32_t>({1, 1}, {10})
      .run();
}

TEST(Gemm, EmptyOperands) {
  OpTest("Gemm").input<float>({0, 2}, {}).input<float>({2, 2}, {1, 2, 3, 4}).output<float>({0, 2}, {}).run();
  OpTest("Gemm")
      .input<float>({2, 0}, {})
      .input<float>({0, 2}, {})
      .input<float>({2}, {1, 2})
      .output<float>({2, 2}, {1, 2, 1, 2})
      .run();
}

TEST(Gemm, ContradictingShapes) {
  const std::vector<float> four{1, 2, 3, 4};
  OpTest("Gemm").input<float>({2, 2}, four).input<float>({1, 4}, four).fails("Dimension mismatch");
  OpTest("Gemm").input<float>({4}, four).input<float>({2, 2}, four).fails("Gemm takes matrices");
  OpTest("Gemm")
      .input<float>({2, 2}, four)
      .input<float>({2, 2}, four)
      .input<float>({3}, {1, 2, 3})
      .fails("Invalid bias shape for broadcast");
  OpTest("Gemm")
      .input<float>({1, 2}, {1, 2})
      .input<float>({2, 2}, four)
      .input<float>({2, 2}, four)
      .fails("Invalid bias shape for broadcast");
}

}  // namespace
}  // namespace attune
