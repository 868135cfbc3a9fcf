#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

template <class T>
OpTest normalization(const Shape& shape, std::vector<T> x, int version = 15) {
  OpTest test("BatchNormalization", version);
  test.attribute("epsilon", 0.0F)
      .input<T>(shape, std::move(x))
      .template input<T>({2}, {1, 2})
      .template input<T>({2}, {0, -1})
      .template input<T>({2}, {3, 4})
      .template input<T>({2}, {4, 0.25});
  return test;
}

TEST(BatchNormalization, EachChannelHasItsOwn) {
  normalization<float>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .output<float>({2, 2, 2}, {-1, -0.5F, -5, -1, 1, 1.5F, 11, 15})
      .run();
  normalization<float>({1, 2, 1, 2}, {1, 2, 3, 4}, 7).output<float>({1, 2, 1, 2}, {-1, -0.5F, -5, -1}).run();
  normalization<float>({2, 2}, {1, 3, 5, 7}, 9).output<float>({2, 2}, {-1, -5, 1, 11}).run();
  normalization<double>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})
      .output<double>({2, 2, 2}, {-1, -0.5, -5, -1, 1, 1.5, 11, 15})
      .run();
}

TEST(BatchNormalization, MixedTypes) {
  OpTest("BatchNormalization", 15)
      .attribute("epsilon", 0.0F)
      .input<float>({1, 1, 2}, {1, 2})
      .input<double>({1}, {2})
      .input<double>({1}, {1})
      .input<float>({1}, {1})
      .input<float>({1}, {4})
      .output<float>({1, 1, 2}, {1, 2})
      .run();
}

TEST(BatchNormalization, BlockedImages) {
  for (const int64_t width : {1, 5, 131}) {
    BlockedTest test("BatchNormalization");
    test.blocked(random_floats({2, 19, 3, width}, 1));
    for (uint32_t i = 0; i < 3; ++i) test.constant(random_floats({19}, 2 + i));
    test.constant(random_floats({19}, 5, 0.5F, 2.0F)).expect(Layout::kBlocked, Layout::kBlocked);
  }
}

TEST(BatchNormalization, EmptyAndWrong) {
  normalization<float>({0, 2, 2}, {}).output<float>({0, 2, 2}, {}).run();
  normalization<float>({1, 3, 1}, {1, 2, 3}).fails("for 3 channels");
  normalization<float>({1, 2, 1}, {1, 2}, 7).attribute("spatial", int64_t{0}).fails("spatial = 0");
}

TEST(BatchNormalization, TrainsByTheBatch) {
  OpTest("BatchNormalization", 15)
      .attribute("training_mode", int64_t{1})
      .attribute("epsilon", 0.0F)
      .attribute("momentum", 0.5F)
      .input<float>({2, 1, 2}, {1, 3, 1, 3})
      .input<float>({1}, {2})
      .input<float>({1}, {10})
      .input<float>({1}, {0})
      .input<float>({1}, {3})
      .output<float>({2, 1, 2}, {8, 12, 8, 12})
      .output<float>({1}, {1})
      .output<float>({1}, {2})
      .run();
}

}  // namespace
}  // namespace attune
