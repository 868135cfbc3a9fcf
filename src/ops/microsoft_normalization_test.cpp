#include "ops/op_test.h"

namespace attune {
namespace {

OpTest norm(std::string_view name) { return OpTest(name, 1, "com.microsoft"); }

TEST(MicrosoftNormalization, SkipLayerNormalization) {
  norm("SkipLayerNormalization")
      .input<float>({1, 2, 2}, {1, 2, 3, 4})
      .input<float>({2, 2}, {1, 2, 0, -3})
      .input<float>({2}, {1, 2})
      .input<float>({2}, {0, 1})
      .input<float>({2}, {0, 1})
      .output<float>({1, 2, 2}, {-1, 3, 1, -1})
      .output<float>({1, 2, 1}, {3.5F, 2.5F})
      .output<float>({1, 2, 1}, {2.0F / 3, 2})
      .output<float>({1, 2, 2}, {2, 5, 3, 2})
      .run();
  norm("SkipLayerNormalization")
      .input<float>({1, 2}, {1, 2})
      .input<float>({1, 3}, {1, 2, 3})
      .input<float>({2}, {1, 1})
      .fails("cannot be broadcast");
}

TEST(MicrosoftNormalization, SkipSimplifiedLayerNormalization) {
  norm("SkipSimplifiedLayerNormalization")
      .input<float>({1, 2}, {1, 2})
      .input<float>({1, 2}, {1, 1})
      .input<float>({2}, {1, 2})
      .input<float>({2}, {1, 1})
      .output<float>({1, 2}, {.848528F, 2.262742F})
      .output(Tensor())
      .output(Tensor())
      .output<float>({1, 2}, {3, 4})
      .run();
  norm("SkipSimplifiedLayerNormalization")
      .input<float>({1, 2}, {1, 2})
      .input<float>({1, 2}, {1, 1})
      .input<float>({2}, {1, 2})
      .fails("mean and deviation", 2);
}

OpTest embedding() {
  OpTest test = norm("EmbedLayerNormalization");
  test.input<int32_t>({1, 2}, {1, 0})
      .input<int32_t>({1, 2}, {0, 1})
      .input<float>({2, 2}, {0, 1, 2, 3})
      .input<float>({3, 2}, {1, 0, 0, 1, 9, 9})
      .input<float>({2, 2}, {1, 1, 0, 5})
      .input<float>({2}, {1, 1})
      .input<float>({2}, {0, 1});
  return test;
}

TEST(MicrosoftNormalization, EmbedLayerNormalization) {
  // Rows of sums: (2, 3) + (1, 1) + (1, 0) and (0, 1) + (0, 5) + (0, 1).
  embedding()
      .output<float>({1, 2, 2}, {0, 1, -1, 2})
      .output<int32_t>({1}, {0})
      .output<float>({1, 2, 2}, {4, 4, 0, 7})
      .tolerance(1e-4, 0)
      .run();
  embedding()
      .input<int32_t>({1, 2}, {1, 0})
      .input<int32_t>({1, 2}, {2, 2})
      .output<float>({1, 2, 2}, {-1, 2, -1, 2})
      .output<int32_t>({1}, {1})
      .tolerance(1e-4, 0)
      .run();
  norm("EmbedLayerNormalization")
      .input<int32_t>({1, 1}, {2})
      .no_input()
      .input<float>({2, 2}, {0, 1, 2, 3})
      .input<float>({1, 2}, {1, 0})
      .no_input()
      .input<float>({2}, {1, 1})
      .input<float>({2}, {0, 1})
      .fails("out of");
}

}  // namespace
}  // namespace attune
