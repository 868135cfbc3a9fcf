#include "ops/op_test.h"

namespace attune {
namespace {

/// One head of size 1 and two keys, so that scores are products of numbers.
OpTest small() {
  OpTest test("Attention", 24);
  test.attribute("scale", 1.0F);
  test.input<float>({1, 1, 2, 1}, {0, 0}).input<float>({1, 1, 2, 1}, {1, 2}).input<float>({1, 1, 2, 1}, {10, 30});
  return test;
}

TEST(Attention, EqualScoresGiveTheMean) { small().output<float>({1, 1, 2, 1}, {20, 20}).run(); }

TEST(Attention, Masks) {
  small().attribute("is_causal", int64_t{1}).output<float>({1, 1, 2, 1}, {10, 20}).run();
  small().input<bool>({2, 2}, {false, true, false, false}).output<float>({1, 1, 2, 1}, {30, 0}).run();
  small().input<float>({1, 2}, {0, -1e30F}).output<float>({1, 1, 2, 1}, {10, 10}).run();
  small().input<bool>({2, 1}, {true, true}).output<float>({1, 1, 2, 1}, {10, 10}).run();  // short: the rest is masked
  small().no_input().no_input().no_input().input<int64_t>({1}, {1}).output<float>({1, 1, 2, 1}, {10, 10}).run();
}

TEST(Attention, PastAndPresent) {
  OpTest("Attention", 24)
      .attribute("is_causal", int64_t{1})
      .input<float>({1, 1, 1, 1}, {0})
      .input<float>({1, 1, 1, 1}, {1})
      .input<float>({1, 1, 1, 1}, {8})
      .no_input()
      .input<float>({1, 1, 1, 1}, {5})
      .input<float>({1, 1, 1, 1}, {4})
      .output<float>({1, 1, 1, 1}, {6})
      .output<float>({1, 1, 2, 1}, {5, 1})
      .output<float>({1, 1, 2, 1}, {4, 8})
      .run();
}

TEST(Attention, ThreeAxesAndGroupedHeads) {
  OpTest("Attention", 24)
      .attribute("q_num_heads", int64_t{2})
      .attribute("kv_num_heads", int64_t{1})
      .input<float>({1, 1, 2}, {0, 0})
      .input<float>({1, 2, 1}, {1, 1})
      .input<float>({1, 2, 1}, {2, 4})
      .output<float>({1, 1, 2}, {3, 3})
      .run();
}

TEST(Attention, ScoresAsAnOutput) {
  const auto scores = [](int64_t mode) {
    OpTest test = small();
    test.attribute("qk_matmul_output_mode", mode).attribute("softcap", 2.0F);
    return test.no_input().no_input().no_input();
  };
  scores(0).output(Tensor()).output(Tensor()).output(Tensor()).output<float>({1, 1, 2, 2}, {0, 0, 0, 0}).run();
  scores(3).output(Tensor()).output(Tensor()).output(Tensor()).output<float>({1, 1, 2, 2}, {.5F, .5F, .5F, .5F}).run();
}

TEST(Attention, Errors) {
  OpTest("Attention", 24)
      .input<float>({1, 1, 2}, {0, 0})
      .input<float>({1, 1, 2}, {0, 0})
      .input<float>({1, 1, 2}, {0, 0})
      .fails("q_num_heads and kv_num_heads");
  small().attribute("qk_matmul_output_mode", int64_t{4}).fails("qk_matmul_output_mode");
  small().input<float>({3, 2}, {0, 0, 0, 0, 0, 0}).fails("does not broadcast");
}

}  // namespace
}  // namespace attune
