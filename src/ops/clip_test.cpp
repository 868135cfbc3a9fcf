#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kMax = std::numeric_limits<float>::max();

TEST(Clip, LimitsFromInputs) {
  for (const int version : {11, 12, 13}) {
    OpTest("Clip", version)
        .input<float>({2, 2}, {kNaN, 1, 5, -3})
        .input<float>({}, {0})
        .input<float>({1}, {2})
        .output<float>({2, 2}, {kNaN, 1, 2, 0})
        .run();
  }
  OpTest("Clip").input<float>({2}, {-3, 3}).no_input().input<float>({}, {0}).output<float>({2}, {-3, 0}).run();
  OpTest("Clip").input<float>({2}, {-3, 3}).input<float>({}, {0}).output<float>({2}, {0, 3}).run();
  OpTest("Clip").input<float>({2}, {kInf, -kInf}).output<float>({2}, {kMax, -kMax}).run();
  OpTest("Clip").input<float>({0}, {}).input<float>({}, {0}).output<float>({0}, {}).run();
}

TEST(Clip, MinimumAboveMaximumGivesMaximum) {
  OpTest("Clip")
      .input<float>({4}, {kNaN, 1, 5, -3})
      .input<float>({}, {2})
      .input<float>({}, {0})
      .output<float>({4}, {kNaN, 0, 0, 0})
      .run();
  OpTest("Clip")
      .input<int32_t>({1}, {9})
      .input<int32_t>({}, {2})
      .input<int32_t>({}, {0})
      .output<int32_t>({1}, {0})
      .run();
}

TEST(Clip, OtherTypes) {
  OpTest("Clip")
      .input<int8_t>({3}, {-128, 5, 127})
      .input<int8_t>({}, {-2})
      .input<int8_t>({}, {6})
      .output<int8_t>({3}, {-2, 5, 6})
      .run();
  OpTest("Clip").input<uint64_t>({2}, {1, 9}).no_input().input<uint64_t>({}, {6}).output<uint64_t>({2}, {1, 6}).run();
  OpTest("Clip").input<double>({2}, {1, 9}).input<double>({}, {1.5}).output<double>({2}, {1.5, 9}).run();
}

TEST(Clip, LimitsFromAttributes) {
  OpTest("Clip", 6)
      .attribute("min", -1.0F)
      .attribute("max", 1.0F)
      .input<float>({3}, {-2, 0.5F, 2})
      .output<float>({3}, {-1, 0.5F, 1})
      .run();
  OpTest("Clip", 10).attribute("min", 0.0F).input<double>({2}, {-2, 2}).output<double>({2}, {0, 2}).run();
}

TEST(Clip, RefusesLimitsThatAreNoScalars) {
  OpTest("Clip").input<float>({1}, {1}).input<float>({2}, {0, 1}).fails("min should be a scalar");
  OpTest("Clip").input<float>({1}, {1}).no_input().input<float>({1, 1}, {0}).fails("max should be a scalar");
  OpTest("Clip", 6).input<int32_t>({1}, {1}).fails("is invalid");
}

}  // namespace
}  // namespace attune
