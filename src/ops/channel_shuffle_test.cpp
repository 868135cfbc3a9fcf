#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

TEST(ChannelShuffle, TransposesTheMatrixOfChannels) {
  OpTest("ChannelShuffle", 1, "attune")
      .attribute("groups", int64_t{2})
      .input<float>({1, 6, 1, 2}, {0, 1, 10, 11, 20, 21, 30, 31, 40, 41, 50, 51})
      .output<float>({1, 6, 1, 2}, {0, 1, 30, 31, 10, 11, 40, 41, 20, 21, 50, 51})
      .run();
  OpTest("ChannelShuffle", 1, "attune")
      .attribute("groups", int64_t{3})
      .input<float>({2, 3, 0, 2}, {})
      .output<float>({2, 3, 0, 2}, {})
      .run();
}

TEST(ChannelShuffle, BlockedImages) {
  BlockedTest test("ChannelShuffle", 1, "attune");
  test.attribute("groups", int64_t{3}).blocked(random_floats({2, 39, 5, 4}, 1, -1.0F, 1.0F));
  test.expect(Layout::kBlocked, Layout::kBlocked);
}

TEST(ChannelShuffle, Wrong) {
  OpTest("ChannelShuffle", 1, "attune").input<float>({1, 2, 1, 1}, {1, 2}).fails("groups");
  OpTest("ChannelShuffle", 1, "attune")
      .attribute("groups", int64_t{0})
      .input<float>({1, 2, 1, 1}, {1, 2})
      .fails("groups is 0");
  OpTest("ChannelShuffle", 1, "attune")
      .attribute("groups", int64_t{2})
      .input<float>({1, 3, 1, 1}, {1, 2, 3})
      .fails("3 channels do not make 2 groups");
  OpTest("ChannelShuffle", 1, "attune")
      .attribute("groups", int64_t{1})
      .input<float>({2}, {1, 2})
      .fails("not of images");
}

}  // namespace
}  // namespace attune
