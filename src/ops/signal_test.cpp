#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Dft, ForwardAndBack) {
  OpTest("DFT", 20)
      .input<float>({1, 4, 1}, {1, 2, 3, 4})
      .no_input()
      .output<float>({1, 4, 2}, {10, 0, -2, 2, -2, 0, -2, -2})
      .run();
  OpTest("DFT", 17)
      .attribute("onesided", int64_t{1})
      .input<float>({1, 4, 1}, {1, 2, 3, 4})
      .output<float>({1, 3, 2}, {10, 0, -2, 2, -2, 0})
      .run();
  OpTest("DFT", 20)
      .attribute("inverse", int64_t{1})
      .input<double>({1, 4, 2}, {10, 0, -2, 2, -2, 0, -2, -2})
      .output<double>({1, 4, 2}, {1, 0, 2, 0, 3, 0, 4, 0})
      .run();
  OpTest("DFT", 20)
      .attribute("inverse", int64_t{1})
      .attribute("onesided", int64_t{1})
      .input<float>({1, 3, 2}, {10, 0, -2, 2, -2, 0})
      .output<float>({1, 4, 1}, {1, 2, 3, 4})
      .run();
}

TEST(Dft, LengthAndAxis) {
  OpTest("DFT", 20)
      .input<float>({2, 1, 1}, {1, 3})
      .input<int64_t>({}, {3})
      .input<int64_t>({}, {0})
      .output<float>({3, 1, 2}, {4, 0, -0.5F, -2.598076F, -0.5F, 2.598076F})
      .run();
  OpTest("DFT", 20).input<float>({2, 1}, {1, 3}).input<int64_t>({}, {0}).fails("length 0");
  OpTest("DFT", 20).input<float>({2, 1}, {1, 3}).no_input().input<int64_t>({}, {1}).fails("the last axis");
}

TEST(Stft, Frames) {
  OpTest("STFT", 17)
      .input<float>({1, 4, 1}, {1, 2, 3, 4})
      .input<int64_t>({}, {2})
      .input<float>({2}, {1, 0.5F})
      .output<float>({1, 2, 2, 2}, {2, 0, 0, 0, 5, 0, 1, 0})
      .run();
  OpTest("STFT", 17)
      .input<float>({1, 2, 1}, {1, 2})
      .input<int64_t>({}, {0})
      .no_input()
      .input<int64_t>({}, {2})
      .fails("every 0");
  OpTest("STFT", 17).input<float>({1, 2, 1}, {1, 2}).input<int64_t>({}, {1}).fails("a window or a frame_length");
}

TEST(Windows, Periodic) {
  OpTest("HannWindow", 17).input<int64_t>({}, {4}).output<float>({4}, {0, 0.5F, 1, 0.5F}).run();
  OpTest("HannWindow", 17)
      .attribute("periodic", int64_t{0})
      .input<int32_t>({}, {3})
      .output<float>({3}, {0, 1, 0})
      .run();
  OpTest("HammingWindow", 17).input<int64_t>({}, {2}).output<float>({2}, {4.0F / 46, 1}).run();
  OpTest("BlackmanWindow", 17)
      .attribute("output_datatype", int64_t{11})
      .input<int64_t>({}, {2})
      .output<double>({2}, {0, 1})
      .run();
  OpTest("HannWindow", 17).input<int64_t>({}, {-1}).fails("not possible");
}

TEST(MelWeightMatrix, Triangles) {
  OpTest("MelWeightMatrix", 17)
      .input<int64_t>({}, {2})
      .input<int64_t>({}, {8})
      .input<int64_t>({}, {8192})
      .input<float>({}, {0})
      .input<float>({}, {4096})
      .output<float>({5, 2}, {1, 0, 0, 1, 0, 0, 0, 0, 0, 0})
      .run();
  OpTest("MelWeightMatrix", 17)
      .input<int64_t>({}, {2})
      .input<int64_t>({}, {8})
      .input<int64_t>({}, {8192})
      .input<float>({}, {5})
      .input<float>({}, {1})
      .fails("edges 5 and 1");
}

}  // namespace
}  // namespace attune
