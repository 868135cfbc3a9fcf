#include "kernels/copy_channels.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

class CopyChannelsTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(CopyChannelsTest);

struct Plain {
  int64_t batch, channels, height, width;
  std::vector<float> values;
  float& at(int64_t n, int64_t c, int64_t pixel) {
    return values[static_cast<size_t>((n * channels + c) * height * width + pixel)];
  }
};

Plain make_plain(int64_t batch, int64_t channels, int64_t height, int64_t width, uint32_t seed) {
  return {batch, channels, height, width, random_floats(batch * channels * height * width, seed)};
}

TEST_P(CopyChannelsTest, MatchesReferenceWithAnyThreads) {
  const int64_t block = block_channels();
  const int64_t numbers[] = {1, 4, 8, 11, 16, 24, 33};
  for (const int64_t channels : numbers) {
    for (const int64_t from : {0, 3, 4, 8, 16, 20}) {
      for (const int64_t to : {0, 1, 8, 12, 16, 24}) {
        SCOPED_TRACE(testing::Message() << channels << " channels from " << from << " to " << to);
        Plain source = make_plain(2, from + channels + 2, 3, 7, 1);
        Plain target = make_plain(2, to + channels, 3, 7, 2);
        const std::vector<float> in = to_blocked(source.values, 2, source.channels, 21);
        const std::vector<float> before = to_blocked(target.values, 2, target.channels, 21);
        for (int64_t n = 0; n < 2; ++n) {
          for (int64_t c = 0; c < channels; ++c) {
            for (int64_t i = 0; i < 21; ++i) target.at(n, to + c, i) = source.at(n, from + c, i);
          }
        }
        std::vector<float> expected = to_blocked(target.values, 2, target.channels, 21);
        for (float& value : expected) value = std::isnan(value) ? 0.0F : value;  // the lanes behind the last channel
        for (int threads : {1, 3}) {
          ThreadsParallel parallel(threads);
          std::vector<float> out = before;
          copy_channels({2, channels, from, to, 3, 7}, blocked_image(in.data(), source.channels, 3, 7, block),
                        blocked_image(out.data(), target.channels, 3, 7, block), parallel);
          ASSERT_TRUE(same_bits(out, expected)) << threads << " threads";
        }
      }
    }
  }
}

TEST_P(CopyChannelsTest, NothingToCopy) {
  SerialParallel serial;
  float untouched = 7.0F;
  copy_channels({1, 0, 0, 0, 1, 1}, {&untouched, 1, 1, 1}, {&untouched, 1, 1, 1}, serial);
  copy_channels({1, 1, 0, 0, 1, 0}, {&untouched, 1, 1, 1}, {&untouched, 1, 1, 1}, serial);
  EXPECT_EQ(untouched, 7.0F);
}

}  // namespace
}  // namespace attune::kernels
