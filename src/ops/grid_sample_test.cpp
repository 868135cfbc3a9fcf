#include "ops/op_test.h"

namespace attune {
namespace {

TEST(GridSample, Modes) {
  const auto sample = [](std::string mode, std::string padding, float x, float y) {
    OpTest test("GridSample", 20);
    test.attribute("mode", std::move(mode)).attribute("padding_mode", std::move(padding));
    test.attribute("align_corners", int64_t{1});
    test.input<float>({1, 1, 2, 2}, {0, 1, 2, 3}).input<float>({1, 1, 1, 2}, {x, y});
    return test;
  };
  sample("linear", "zeros", 0, 0).output<float>({1, 1, 1, 1}, {1.5F}).run();
  sample("nearest", "zeros", 0.9F, -0.9F).output<float>({1, 1, 1, 1}, {1}).run();
  sample("linear", "zeros", 3, 0).output<float>({1, 1, 1, 1}, {0}).run();
  sample("linear", "border", 3, 3).output<float>({1, 1, 1, 1}, {3}).run();
  sample("linear", "reflection", 3, 1).output<float>({1, 1, 1, 1}, {2}).run();
  sample("cubic", "border", 0, 0).output<float>({1, 1, 1, 1}, {1.5F}).run();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  sample("linear", "border", nan, std::numeric_limits<float>::infinity()).output<float>({1, 1, 1, 1}, {0}).run();
  sample("spline", "border", 0, 0).fails("unknown mode");
}

TEST(GridSample, VolumesAndErrors) {
  OpTest("GridSample", 20)
      .attribute("align_corners", int64_t{1})
      .input<double>({1, 1, 2, 1, 1}, {4, 8})
      .input<double>({1, 1, 1, 1, 3}, {0, 0, 0.5})
      .output<double>({1, 1, 1, 1, 1}, {7})
      .run();
  OpTest("GridSample", 20)
      .input<float>({1, 1, 1, 1}, {1})
      .input<float>({1, 1, 1, 3}, {0, 0, 0})
      .fails("a grid of shape");
}

TEST(AffineGrid, Identity) {
  OpTest("AffineGrid", 20)
      .attribute("align_corners", int64_t{1})
      .input<float>({1, 2, 3}, {1, 0, 0, 0, 1, 0})
      .input<int64_t>({4}, {1, 1, 2, 2})
      .output<float>({1, 2, 2, 2}, {-1, -1, 1, -1, -1, 1, 1, 1})
      .run();
  OpTest("AffineGrid", 20)
      .input<float>({1, 2, 3}, {1, 0, 0, 0, 1, 0})
      .input<int64_t>({4}, {2, 1, 2, 2})
      .fails("theta of shape");
}

}  // namespace
}  // namespace attune
