#include <cmath>
#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Values by onnxruntime.
TEST(Softmax, AlongTheLastAxisByDefault) {
  OpTest("Softmax", 13)
      .input<float>({1, 3}, {-1, 0, 1})
      .output<float>({1, 3}, {0.09003058F, 0.24472848F, 0.66524094F})
      .run();
  OpTest("Softmax", 13)
      .input<float>({2, 4}, {0, 1, 2, 3, 10000, 10001, 10002, 10003})
      .output<float>(
          {2, 4}, {0.0320586F, 0.08714432F, 0.23688284F, 0.6439143F, 0.0320586F, 0.08714432F, 0.23688284F, 0.6439143F})
      .run();
}

TEST(Softmax, AlongAnAxis) {
  OpTest("Softmax", 13)
      .attribute("axis", int64_t{0})
      .input<float>({2, 2}, {0, 1, 0, 3})
      .output<float>({2, 2}, {0.5F, 0.11920292F, 0.5F, 0.88079708F})
      .run();
  OpTest("Softmax", 13)
      .attribute("axis", int64_t{-2})
      .input<double>({1, 2, 2}, {0, 1, 0, 3})
      .output<double>({1, 2, 2}, {0.5, 0.11920292202211755, 0.5, 0.88079707797788243})
      .run();
}

TEST(Softmax, FlattensBeforeVersion13) {
  // All of axes 1 and 2 make one row.
  OpTest("Softmax", 11)
      .input<float>({1, 2, 2}, {0, 0, 0, 0})
      .output<float>({1, 2, 2}, {0.25F, 0.25F, 0.25F, 0.25F})
      .run();
  OpTest("Softmax", 11)
      .attribute("axis", int64_t{-1})
      .input<float>({1, 2, 2}, {0, 0, 0, 0})
      .output<float>({1, 2, 2}, {0.5F, 0.5F, 0.5F, 0.5F})
      .run();
  OpTest("LogSoftmax", 9)
      .attribute("axis", int64_t{0})
      .input<double>({2, 2}, {0, 0, 0, 0})
      .output<double>({2, 2}, {-std::log(4.0), -std::log(4.0), -std::log(4.0), -std::log(4.0)})
      .run();
}

TEST(Softmax, RowsThatAreNotFinite) {
  OpTest("Softmax")
      .input<float>({3, 2}, {-kInfinity, -kInfinity, -kInfinity, 1, kInfinity, 1})
      .output<float>({3, 2}, {kNan, kNan, 0, 1, kNan, kNan})
      .run();
  OpTest("Softmax")
      .input<double>({1, 2}, {-std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
      .output<double>({1, 2}, {std::nan(""), std::nan("")})
      .run();
}

TEST(Softmax, EmptyAndWrong) {
  OpTest("Softmax").input<float>({0, 3}, {}).output<float>({0, 3}, {}).run();
  OpTest("Softmax").input<float>({3, 0}, {}).output<float>({3, 0}, {}).run();
  OpTest("Softmax").attribute("axis", int64_t{2}).input<float>({1, 1}, {0}).fails("xis 2");
}

TEST(LogSoftmax, AlongTheLastAxis) {
  OpTest("LogSoftmax", 13)
      .input<float>({1, 3}, {-1, 0, 1})
      .output<float>({1, 3}, {-2.4076059F, -1.4076059F, -0.40760595F})
      .run();
  OpTest("LogSoftmax", 13)
      .attribute("axis", int64_t{0})
      .input<double>({2, 1}, {0, 1})
      .output<double>({2, 1}, {-1.3132616875182228, -0.31326168751822286})
      .run();
}

}  // namespace
}  // namespace attune
