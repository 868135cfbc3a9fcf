#include "ops/op_test.h"

namespace attune {
namespace {

TEST(DepthToSpace, MovesBlocks) {
  const std::vector<float> x = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};  // 8 channels of 1 x 2
  OpTest("DepthToSpace")
      .attribute("blocksize", int64_t{2})
      .input<float>({1, 8, 1, 2}, x)
      .output<float>({1, 2, 2, 4}, {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15})
      .run();
  OpTest("DepthToSpace")
      .attribute("blocksize", int64_t{2})
      .attribute("mode", std::string("CRD"))
      .input<float>({1, 8, 1, 2}, x)
      .output<float>({1, 2, 2, 4}, {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15})
      .run();
}

TEST(DepthToSpace, RefusesNonsense) {
  OpTest("DepthToSpace")
      .attribute("blocksize", int64_t{2})
      .input(random_floats({1, 3, 1, 1}, 1))
      .fails("not a multiple");
  OpTest("DepthToSpace")
      .attribute("blocksize", int64_t{0})
      .input(random_floats({1, 4, 1, 1}, 1))
      .fails("must be positive");
  OpTest("DepthToSpace").attribute("blocksize", int64_t{2}).input(random_floats({4, 1, 1}, 1)).fails("rank 4");
}

TEST(SpaceToDepth, UndoesDepthToSpace) {
  for (const std::string mode : {"DCR", "CRD"}) {
    const Tensor x = random_floats({2, 18, 4, 5}, 3);
    const Tensor image =
        OpTest("DepthToSpace").attribute("blocksize", int64_t{3}).attribute("mode", mode).input(x).results()[0];
    OpTest("SpaceToDepth", 28).attribute("blocksize", int64_t{3}).attribute("mode", mode).input(image).output(x).run();
  }
  OpTest("SpaceToDepth")
      .attribute("blocksize", int64_t{2})
      .input<float>({1, 1, 2, 2}, {1, 2, 3, 4})
      .output<float>({1, 4, 1, 1}, {1, 2, 3, 4})
      .run();
  OpTest("SpaceToDepth")
      .attribute("blocksize", int64_t{2})
      .input(random_floats({1, 1, 3, 2}, 1))
      .fails("not a multiple");
}

TEST(Trilu, KeepsATriangle) {
  const std::vector<int64_t> x = {1, 2, 3, 4, 5, 6};
  OpTest("Trilu").input<int64_t>({2, 3}, x).output<int64_t>({2, 3}, {1, 2, 3, 0, 5, 6}).run();
  OpTest("Trilu")
      .attribute("upper", int64_t{0})
      .input<int64_t>({2, 3}, x)
      .output<int64_t>({2, 3}, {1, 0, 0, 4, 5, 0})
      .run();
  OpTest("Trilu").input<int64_t>({2, 3}, x).input<int64_t>({}, {1}).output<int64_t>({2, 3}, {0, 2, 3, 0, 0, 6}).run();
  OpTest("Trilu")
      .attribute("upper", int64_t{0})
      .input<int64_t>({2, 3}, x)
      .input<int64_t>({1}, {-1})
      .output<int64_t>({2, 3}, {0, 0, 0, 4, 0, 0})
      .run();
  for (const int64_t k : {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    OpTest("Trilu")
        .input<int64_t>({2, 3}, x)
        .input<int64_t>({}, {k})
        .output<int64_t>({2, 3}, k < 0 ? x : std::vector<int64_t>(6, 0))
        .run();
    OpTest("Trilu")
        .attribute("upper", int64_t{0})
        .input<int64_t>({2, 3}, x)
        .input<int64_t>({}, {k})
        .output<int64_t>({2, 3}, k > 0 ? x : std::vector<int64_t>(6, 0))
        .run();
  }
  OpTest("Trilu").input<float>({2, 0, 3}, {}).output<float>({2, 0, 3}, {}).run();
  OpTest("Trilu").input<float>({2, 1, 1}, {1, 2}).output<float>({2, 1, 1}, {1, 2}).run();
  OpTest("Trilu").input<float>({2}, {1, 2}).fails("rank of at least 2");
}

TEST(EyeLike, SetsADiagonal) {
  OpTest("EyeLike").input<float>({2, 3}, std::vector<float>(6, 9)).output<float>({2, 3}, {1, 0, 0, 0, 1, 0}).run();
  OpTest("EyeLike")
      .attribute("k", int64_t{-1})
      .attribute("dtype", int64_t{6})
      .input<float>({3, 2}, std::vector<float>(6, 9))
      .output<int32_t>({3, 2}, {0, 0, 1, 0, 0, 1})
      .run();
  OpTest("EyeLike")
      .attribute("k", int64_t{1})
      .input<bool>({2, 2}, {true, true, true, true})
      .output<bool>({2, 2}, {false, true, false, false})
      .run();
  for (const int64_t k : {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    OpTest("EyeLike").attribute("k", k).input<float>({2, 2}, {1, 2, 3, 4}).output<float>({2, 2}, {0, 0, 0, 0}).run();
  }
  Tensor half = Tensor::allocate(DataType::kFloat16, {1, 2});
  static_cast<uint16_t*>(half.raw())[0] = 0x3C00;
  static_cast<uint16_t*>(half.raw())[1] = 0;
  OpTest("EyeLike").input(half).output(half).run();
  OpTest("EyeLike").input<float>({2}, {1, 2}).fails("dimension is not 2");
  OpTest("EyeLike").attribute("dtype", int64_t{8}).input<float>({1, 1}, {1}).fails("not supported");
}

}  // namespace
}  // namespace attune
