#include "kernels/reorder.h"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/image_test.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

class ReorderTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(ReorderTest);

std::vector<ReorderShape> test_shapes() {
  std::vector<ReorderShape> shapes;
  for (int64_t channels : {1, 3, 5, 8, 15, 16, 17, 24, 33}) {
    for (int64_t width : {1, 3, 4, 7, 18}) shapes.push_back({2, channels, 3, width});
  }
  shapes.push_back({1, 40, 70, 65});  // several bands
  return shapes;
}

// The lanes after the last channel, which the naive conversion leaves as NaN, are to be zero.
std::vector<float> zero_padding(std::vector<float> blocked) {
  for (float& value : blocked) value = std::isnan(value) ? 0.0F : value;
  return blocked;
}

std::vector<float> to_channels_last(const std::vector<float>& plain, const ReorderShape& s) {
  std::vector<float> result;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t i = 0; i < s.height * s.width; ++i) {
      for (int64_t c = 0; c < s.channels; ++c) {
        result.push_back(plain[static_cast<size_t>((n * s.channels + c) * s.height * s.width + i)]);
      }
    }
  }
  return result;
}

TEST_P(ReorderTest, MatchesReferenceWithAnyThreads) {
  for (const ReorderShape& s : test_shapes()) {
    SCOPED_TRACE(testing::Message() << s.channels << " channels, width " << s.width);
    const int64_t block = block_channels();
    const std::vector<float> plain = random_floats(s.batch * s.channels * s.height * s.width, 1);
    const std::vector<float> blocked = to_blocked(plain, s.batch, s.channels, s.height * s.width);
    const std::vector<float> channels_last = to_channels_last(plain, s);
    const auto plain_view = [&](auto* data) { return plain_image(data, s.channels, s.height, s.width); };
    const auto blocked_view = [&](auto* data) { return blocked_image(data, s.channels, s.height, s.width, block); };
    for (int threads : {1, 3}) {
      ThreadsParallel parallel(threads);
      std::vector<float> out(blocked.size(), NAN);
      reorder_plain_to_blocked(s, plain_view(plain.data()), blocked_view(out.data()), parallel);
      EXPECT_TRUE(same_bits(out, zero_padding(blocked)));
      out.assign(blocked.size(), NAN);
      reorder_channels_last_to_blocked(s, channels_last.data(), blocked_view(out.data()), parallel);
      EXPECT_TRUE(same_bits(out, zero_padding(blocked)));
      out.assign(plain.size(), NAN);
      reorder_blocked_to_plain(s, blocked_view(blocked.data()), plain_view(out.data()), parallel);
      EXPECT_TRUE(same_bits(out, plain));
      out.assign(plain.size(), NAN);
      reorder_blocked_to_channels_last(s, blocked_view(blocked.data()), out.data(), parallel);
      EXPECT_TRUE(same_bits(out, channels_last));
    }
  }
}

// A stripe of a wider image: strides larger than the rows.
TEST_P(ReorderTest, RespectsStrides) {
  SerialParallel serial;
  const ReorderShape s{2, 11, 4, 5};
  const int64_t block = block_channels();
  const std::vector<float> wide = random_floats(2 * 11 * 6 * 9, 1);
  const ConstImage in{wide.data() + 9 + 2, 11 * 6 * 9, 6 * 9, 9};
  std::vector<float> dense;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t c = 0; c < 11; ++c) {
      for (int64_t y = 0; y < 4; ++y) {
        for (int64_t x = 0; x < 5; ++x) dense.push_back(in.data[((n * 11 + c) * 6 + y) * 9 + x]);
      }
    }
  }
  const int64_t blocks = count_blocks(11, block);
  std::vector<float> out(static_cast<size_t>(2 * blocks * 4 * 7 * block), -7.0F);
  const Image target{out.data(), blocks * 4 * 7 * block, 4 * 7 * block, 7 * block};
  reorder_plain_to_blocked(s, in, target, serial);
  for (size_t i = 0; i < out.size(); ++i) {
    const bool beside = static_cast<int64_t>(i) / block % 7 >= 5;
    ASSERT_EQ(out[i] == -7.0F, beside) << i;
  }
  std::vector<float> back(wide.size(), -7.0F);
  reorder_blocked_to_plain(s, as_const(target), {back.data() + 9 + 2, 11 * 6 * 9, 6 * 9, 9}, serial);
  std::vector<float> found;
  for (float value : back) {
    if (value != -7.0F) found.push_back(value);
  }
  EXPECT_TRUE(same_bits(found, dense));
}

}  // namespace
}  // namespace attune::kernels
