#include "ops/op_test.h"

namespace attune {
namespace {

OpTest attention(std::string_view name, int64_t heads) {
  OpTest test(name, 1, "com.microsoft");
  test.attribute("num_heads", heads).tolerance(1e-5, 1e-4);
  return test;
}

/// Weights of nothing, so that all scores are equal, and values that are the input.
OpTest means() {
  OpTest test = attention("Attention", 1);
  test.input<float>({1, 3, 1}, {1, 2, 6}).input<float>({1, 3}, {0, 0, 1}).input<float>({3}, {0, 0, .5F});
  return test;
}

TEST(MicrosoftAttention, Masks) {
  means().output<float>({1, 3, 1}, {3.5F, 3.5F, 3.5F}).run();
  means().attribute("unidirectional", int64_t{1}).output<float>({1, 3, 1}, {1.5F, 2, 3.5F}).run();
  means().input<int32_t>({1, 3}, {1, 1, 0}).output<float>({1, 3, 1}, {2, 2, 2}).run();
  means().input<int32_t>({1}, {1}).output<float>({1, 3, 1}, {1.5F, 1.5F, 1.5F}).run();
  means().input<int32_t>({1, 3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1}).output<float>({1, 3, 1}, {1.5F, 2.5F, 6.5F}).run();
  means().input<int32_t>({1, 1, 3, 3}, std::vector<int32_t>(9, 1)).fails("mask of rank 4");
  means().input<int32_t>({2}, {0, 1}).fails("mask of ranges");
}

TEST(MicrosoftAttention, PastAndPresent) {
  means()
      .no_input()
      .input<float>({2, 1, 1, 1, 1}, {7, 1.5F})
      .output<float>({1, 3, 1}, {3, 3, 3})
      .output<float>({2, 1, 1, 4, 1}, {7, 0, 0, 0, 1.5F, 1.5F, 2.5F, 6.5F})
      .run();
}

TEST(MicrosoftAttention, RefusesWhatItLacks) {
  means().attribute("do_rotary", int64_t{1}).fails("do_rotary");
  means().attribute("qkv_hidden_sizes", std::vector<int64_t>{1, 2}).fails("must have 3 sizes");
}

TEST(MicrosoftMultiHeadAttention, TwoHeads) {
  OpTest test = attention("MultiHeadAttention", 2);
  test.input<float>({1, 1, 2}, {0, 0})
      .input<float>({1, 2, 2}, {1, 2, 3, 4})
      .input<float>({1, 2, 2}, {1, 2, 3, 6})
      .input<float>({6}, {0, 0, 0, 0, 1, -1})
      .output<float>({1, 1, 2}, {3, 3})
      .output<float>({1, 2, 2, 1}, {1, 3, 2, 4})
      .output<float>({1, 2, 2, 1}, {2, 4, 1, 5})
      .run();
}

TEST(MicrosoftMultiHeadAttention, RefusesWhatItLacks) {
  attention("MultiHeadAttention", 1).input<float>({1, 1, 1}, {0}).fails("packed projection");
  OpTest test("MultiHeadAttention", 1, "com.microsoft");
  test.input<float>({1, 1, 1}, {0}).input<float>({1, 1, 1}, {0}).input<float>({1, 1, 1}, {0}).fails("num_heads");
}

}  // namespace
}  // namespace attune
