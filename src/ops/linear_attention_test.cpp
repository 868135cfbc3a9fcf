#include "ops/op_test.h"

namespace attune {
namespace {

TEST(LinearAttention, SumsOuterProducts) {
  OpTest("LinearAttention", 27)
      .attribute("q_num_heads", int64_t{1})
      .attribute("kv_num_heads", int64_t{1})
      .attribute("update_rule", std::string("linear"))
      .attribute("scale", 1.0F)
      .input<float>({1, 2, 1}, {1, 2})
      .input<float>({1, 2, 1}, {1, 1})
      .input<float>({1, 2, 1}, {3, 4})
      .output<float>({1, 2, 1}, {3, 14})
      .output<float>({1, 1, 1, 1}, {7})
      .run();
}

TEST(LinearAttention, GatesFadeAndDeltasCorrect) {
  OpTest("LinearAttention", 27)
      .attribute("q_num_heads", int64_t{2})
      .attribute("kv_num_heads", int64_t{1})
      .attribute("scale", 1.0F)
      .input<float>({1, 1, 2}, {1, 2})
      .input<float>({1, 1, 1}, {1})
      .input<float>({1, 1, 1}, {6})
      .input<float>({1, 1, 1, 1}, {4})
      .input<float>({1, 1, 1}, {std::log(0.5F)})
      .input<float>({1, 1, 1}, {0.5F})
      .output<float>({1, 1, 2}, {4, 8})  // 4 fades to 2; 2 + (6 - 2) / 2 = 4
      .output<float>({1, 1, 1, 1}, {4})
      .run();
}

TEST(LinearAttention, Errors) {
  const auto two_heads = [] {
    OpTest test("LinearAttention", 27);
    test.attribute("q_num_heads", int64_t{1}).attribute("kv_num_heads", int64_t{1});
    test.input<float>({1, 1, 1}, {1}).input<float>({1, 1, 1}, {1}).input<float>({1, 1, 1}, {1});
    return test;
  };
  two_heads().fails("decay belongs to the gated rules", 2);
  two_heads().attribute("update_rule", std::string("other")).fails("unknown update_rule", 2);
}

TEST(CausalConvWithState, PastComesFirst) {
  OpTest("CausalConvWithState", 27)
      .input<float>({1, 1, 3}, {1, 2, 3})
      .input<float>({1, 1, 2}, {10, 1})
      .input<float>({1}, {100})
      .input<float>({1, 1, 1}, {5})
      .output<float>({1, 1, 3}, {151, 112, 123})
      .output<float>({1, 1, 1}, {3})
      .run();
  OpTest("CausalConvWithState", 27)
      .attribute("activation", std::string("silu"))
      .input<float>({1, 1, 1}, {0})
      .input<float>({1, 1, 1}, {2})
      .output<float>({1, 1, 1}, {0})
      .output<float>({1, 1, 0}, {})
      .run();
  OpTest("CausalConvWithState", 27).input<float>({1, 2, 1}, {1, 1}).input<float>({1, 1, 1}, {1}).fails("Channels", 2);
}

}  // namespace
}  // namespace attune
