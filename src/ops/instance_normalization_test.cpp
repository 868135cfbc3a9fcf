#include "ops/op_test.h"

namespace attune {
namespace {

// Expected values in this file are onnxruntime's.
TEST(InstanceNormalization, EachChannelOfEachImage) {
  OpTest("InstanceNormalization")
      .attribute("epsilon", 1e-2F)
      .input<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .input<float>({2}, {1, 2})
      .input<float>({2}, {0, -1})
      .output<float>({2, 2, 2}, {-0.98058057F, 0.9805808F, -2.9611616F, 0.9611616F, -0.98058033F, 0.98058033F,
                                 -2.9611626F, 0.96116066F})
      .run();
  OpTest("InstanceNormalization")
      .attribute("epsilon", 0.0F)
      .input<double>({1, 1, 1, 2}, {1, 2})
      .input<double>({1}, {2})
      .input<double>({1}, {1})
      .output<double>({1, 1, 1, 2}, {-1, 3})
      .run();
}

TEST(GroupNormalization, ScaledByChannel) {
  OpTest("GroupNormalization", 21)
      .attribute("num_groups", int64_t{2})
      .input<float>({1, 4, 2}, {1, 2, 3, 5, 8, 13, 21, 34})
      .input<float>({4}, {1, 2, 3, 4})
      .input<float>({4}, {0, 1, 2, 3})
      .output<float>({1, 4, 2},
                     {-1.1832132F, -0.5070914F, 1.3380609F, 4.042548F, -1.3593116F, 0.1676482F, 3.8143785F, 9.10784F})
      .run();
}

TEST(GroupNormalization, ScaledByGroup) {
  OpTest("GroupNormalization", 18)
      .attribute("num_groups", int64_t{2})
      .input<float>({1, 4, 2}, {1, 2, 3, 5, 8, 13, 21, 34})
      .input<float>({2}, {1, 2})
      .input<float>({2}, {0, 1})
      .output<float>({1, 4, 2}, {-1.1832132F, -0.5070914F, 0.16903046F, 1.5212742F, -1.239541F, -0.22156787F,
                                 1.4071892F, 4.05392F})
      .run();
}

TEST(InstanceNormalization, EmptyAndWrong) {
  OpTest("InstanceNormalization")
      .input<float>({1, 1, 0}, {})
      .input<float>({1}, {1})
      .input<float>({1}, {1})
      .output<float>({1, 1, 0}, {})
      .run();
  OpTest("InstanceNormalization")
      .input<float>({1, 2, 1}, {1, 2})
      .input<float>({1}, {1})
      .input<float>({2}, {1, 1})
      .fails("scale of shape {1} where 2 values are needed");
  OpTest("InstanceNormalization")
      .input<float>({1, 2}, {1, 2})
      .input<float>({2}, {1, 1})
      .input<float>({2}, {1, 1})
      .fails("no spatial axis");
  OpTest group("GroupNormalization", 21);
  group.input<float>({1, 3, 1}, {1, 2, 3}).input<float>({3}, {1, 1, 1}).input<float>({3}, {1, 1, 1});
  group.fails("num_groups");
  group.attribute("num_groups", int64_t{2}).fails("3 channels do not make 2 groups");
}

}  // namespace
}  // namespace attune
