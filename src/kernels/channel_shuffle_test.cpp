#include "kernels/channel_shuffle.h"

#include <gtest/gtest.h>

#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

class ChannelShuffleTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(ChannelShuffleTest);

// Against the definition: reshape to [groups, channels / groups], transpose, reshape back.
std::vector<float> expected(const ChannelShuffleShape& s, const std::vector<float>& x) {
  const int64_t pixels = s.height * s.width;
  const int64_t each = s.channels / s.groups;
  std::vector<float> y(x.size());
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t g = 0; g < s.groups; ++g) {
      for (int64_t j = 0; j < each; ++j) {
        for (int64_t p = 0; p < pixels; ++p) {
          y[static_cast<size_t>((n * s.channels + j * s.groups + g) * pixels + p)] =
              x[static_cast<size_t>((n * s.channels + g * each + j) * pixels + p)];
        }
      }
    }
  }
  return y;
}

TEST_P(ChannelShuffleTest, BothLayouts) {
  const std::vector<ChannelShuffleShape> shapes = {{1, 1, 1, 1, 1},  {2, 6, 3, 5, 2},     {1, 34, 7, 4, 17},
                                                   {3, 16, 2, 3, 4}, {1, 136, 40, 30, 4}, {2, 33, 1, 9, 3}};
  for (const ChannelShuffleShape& s : shapes) {
    const std::vector<float> x = random_floats(s.batch * s.channels * s.height * s.width, 5);
    const std::vector<float> wanted = expected(s, x);
    for (const int threads : {1, 3}) {
      ThreadsParallel parallel(threads);
      std::vector<float> y(x.size());
      shuffle_channels(s, ImageLayout::kPlain, plain_image(x.data(), s.channels, s.height, s.width),
                       plain_image(y.data(), s.channels, s.height, s.width), parallel);
      EXPECT_EQ(y, wanted);

      const int64_t block = block_channels();
      const std::vector<float> in = to_blocked(x, s.batch, s.channels, s.height * s.width);
      std::vector<float> out(in.size());
      shuffle_channels(s, ImageLayout::kBlocked, blocked_image(in.data(), s.channels, s.height, s.width, block),
                       blocked_image(out.data(), s.channels, s.height, s.width, block), parallel);
      EXPECT_EQ(to_plain(out, s.batch, s.channels, s.height * s.width), wanted);
    }
  }
}

}  // namespace
}  // namespace attune::kernels
