#include "ops/op_test.h"

namespace attune {
namespace {

TEST(TensorScatter, WritesAtAnIndex) {
  const auto scatter = [](std::string mode, int64_t index) {
    OpTest test("TensorScatter", 24);
    test.attribute("mode", std::move(mode));
    test.input<float>({1, 3, 1}, {0, 0, 0}).input<float>({1, 2, 1}, {1, 2}).input<int64_t>({1}, {index});
    return test;
  };
  scatter("linear", 1).output<float>({1, 3, 1}, {0, 1, 2}).run();
  scatter("circular", 2).output<float>({1, 3, 1}, {2, 0, 1}).run();
  scatter("linear", 2).fails("2 rows from 2 on");
  scatter("linear", -1).fails("from -1 on");
  scatter("other", 0).fails("unknown mode");
}

TEST(CenterCropPad, CutsAndPads) {
  OpTest("CenterCropPad", 18)
      .input<float>({4, 1}, {1, 2, 3, 4})
      .input<int64_t>({2}, {1, 4})
      .output<float>({1, 4}, {0, 2, 0, 0})
      .run();
  OpTest("CenterCropPad", 18)
      .attribute("axes", std::vector<int64_t>{-1})
      .input<std::string>({1, 3}, {"a", "b", "c"})
      .input<int32_t>({1}, {1})
      .output<std::string>({1, 1}, {"b"})
      .run();
  OpTest("CenterCropPad", 18).input<float>({1}, {1}).input<int64_t>({2}, {1, 1}).fails("2 sizes for 1 axes");
}

}  // namespace
}  // namespace attune
