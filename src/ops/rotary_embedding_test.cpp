#include "ops/op_test.h"

namespace attune {
namespace {

TEST(RotaryEmbedding, HalvesAndPairs) {
  const auto rotate = [](int64_t interleaved) {
    OpTest test("RotaryEmbedding", 23);
    test.attribute("interleaved", interleaved);
    test.input<float>({1, 1, 1, 4}, {1, 2, 3, 4}).input<float>({2, 2}, {9, 9, 0, 1}).input<float>({2, 2}, {9, 9, 1, 0});
    return test.input<int64_t>({1, 1}, {1});
  };
  rotate(0).output<float>({1, 1, 1, 4}, {-3, 2, 1, 4}).run();
  rotate(1).output<float>({1, 1, 1, 4}, {-2, 1, 3, 4}).run();
}

TEST(RotaryEmbedding, ThreeAxesAndPartOfTheHead) {
  OpTest("RotaryEmbedding", 23)
      .attribute("num_heads", int64_t{2})
      .attribute("rotary_embedding_dim", int64_t{2})
      .input<float>({1, 1, 6}, {1, 2, 3, 4, 5, 6})
      .input<float>({1, 1, 1}, {0})
      .input<float>({1, 1, 1}, {1})
      .output<float>({1, 1, 6}, {-2, 1, 3, -5, 4, 6})
      .run();
}

TEST(RotaryEmbedding, Errors) {
  OpTest("RotaryEmbedding", 23)
      .input<float>({1, 1, 1, 2}, {1, 2})
      .input<float>({1, 1}, {1})
      .input<float>({1, 1}, {1})
      .input<int64_t>({1, 1}, {1})
      .fails("position 1 in a cache of 1");
  OpTest("RotaryEmbedding", 23)
      .input<float>({1, 1, 2}, {1, 2})
      .input<float>({1, 1}, {1})
      .input<float>({1, 1}, {1})
      .fails("heads");
}

TEST(SwiGlu, GatesTheSecond) {
  OpTest("SwiGLU", 28).input<float>({2}, {0, 100}).input<float>({2}, {5, 2}).output<float>({2}, {0, 200}).run();
  OpTest("SwiGLU", 28).input<float>({2}, {0, 1}).input<float>({1}, {5}).fails("Dimensions of A and B");
}

}  // namespace
}  // namespace attune
