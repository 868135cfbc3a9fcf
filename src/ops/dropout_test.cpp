#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Dropout, PassesItsInputOn) {
  OpTest("Dropout", 7).attribute("ratio", 0.5F).input<float>({2}, {1, 2}).output<float>({2}, {1, 2}).run();
  OpTest("Dropout", 7).input<float>({2}, {1, 2}).output<float>({2}, {1, 2}).output<float>({2}, {1, 1}).run();
  OpTest("Dropout", 10).input<double>({2}, {1, 2}).output<double>({2}, {1, 2}).output<bool>({2}, {true, true}).run();
  OpTest("Dropout", 13)
      .input<float>({2}, {1, 2})
      .input<float>({}, {0.5F})
      .input<bool>({}, {false})
      .output<float>({2}, {1, 2})
      .output<bool>({2}, {true, true})
      .run();
}

TEST(Dropout, Trains) {
  OpTest("Dropout", 13)
      .input<float>({1}, {1})
      .input<float>({}, {0})
      .input<bool>({}, {true})
      .output<float>({1}, {1})
      .run();
  OpTest("Dropout", 13)
      .input<float>({2}, {1, 2})
      .input<float>({}, {1})
      .input<bool>({}, {true})
      .output<float>({2}, {0, 0})
      .output<bool>({2}, {false, false})
      .run();
  const auto kept = OpTest("Dropout", 13)
                        .input(random_floats({1000}, 1, 1.0F, 1.0001F))
                        .input<float>({}, {0.25F})
                        .input<bool>({}, {true})
                        .results(2);
  const auto mask = kept[1].values<bool>();
  const auto count = std::count(mask.begin(), mask.end(), true);
  EXPECT_NEAR(static_cast<double>(count), 750.0, 100.0);
  for (size_t i = 0; i < mask.size(); ++i) EXPECT_NEAR(kept[0].values<float>()[i], mask[i] ? 4.0F / 3 : 0.0F, 1e-3F);
  OpTest("Dropout", 13).input<float>({1}, {1}).input<float>({}, {2}).input<bool>({}, {true}).fails("the ratio is 2");
}

TEST(Dropout, BlockedImages) {
  BlockedTest("Dropout").blocked(random_floats({1, 3, 2, 2}, 1)).expect(Layout::kBlocked, Layout::kBlocked);
}

}  // namespace
}  // namespace attune
