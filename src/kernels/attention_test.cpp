#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Threads final : public Parallel {
 public:
  explicit Threads(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t i = count - 1; i >= 0; --i) task(i, static_cast<int>(i % threads_));
  }

 private:
  int threads_;
};

// Tensors of [batch, sequence, heads, size], as projections give them.
struct Problem {
  Attention a;
  std::vector<float> q, k, v, mask, output;

  Problem(int64_t batch, int64_t heads, int64_t query_length, int64_t key_length, int64_t head_size, int64_t value_size,
          int64_t kv_heads = 0, uint32_t seed = 1) {
    a.batch = batch;
    a.heads = heads;
    a.kv_heads = kv_heads;
    a.query_length = query_length;
    a.key_length = key_length;
    a.head_size = head_size;
    a.value_size = value_size;
    a.scale = 1.0F / std::sqrt(static_cast<float>(head_size));
    const int64_t kv = kv_heads > 0 ? kv_heads : heads;
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> distribution(-1.0F, 1.0F);
    auto fill = [&](std::vector<float>& tensor, int64_t size) {
      tensor.resize(static_cast<size_t>(size));
      for (float& value : tensor) value = distribution(generator);
    };
    fill(q, batch * query_length * heads * head_size);
    fill(k, batch * key_length * kv * head_size);
    fill(v, batch * key_length * kv * value_size);
    output.assign(static_cast<size_t>(batch * query_length * heads * value_size), 77.0F);
    a.q_strides = {query_length * heads * head_size, head_size, heads * head_size, 1};
    a.k_strides = {key_length * kv * head_size, head_size, kv * head_size, 1};
    a.v_strides = {key_length * kv * value_size, value_size, kv * value_size, 1};
    a.output_strides = {query_length * heads * value_size, value_size, heads * value_size, 1};
    connect();
  }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  void connect() {
    a.q = q.data();
    a.k = k.data();
    a.v = v.data();
    a.output = output.data();
  }

  // kinds: 0 none, 1 [batch, 1, 1, keys], 2 [heads, queries, keys]
  void add_mask(int kind) {
    std::mt19937 generator(9);
    std::uniform_real_distribution<float> distribution(-3.0F, 3.0F);
    if (kind == 0) return;
    mask.resize(static_cast<size_t>(kind == 1 ? a.batch * a.key_length : a.heads * a.query_length * a.key_length));
    for (size_t i = 0; i < mask.size(); ++i) mask[i] = kind == 1 && i % 5 == 3 ? -1e9F : distribution(generator);
    a.mask = mask.data();
    if (kind == 1) {
      a.mask_strides = {a.key_length, 0, 0, 1};
    } else {
      a.mask_strides = {0, a.query_length * a.key_length, a.key_length, 1};
    }
  }

  void run(Parallel& parallel) {
    std::vector<float> workspace(attention_workspace_size(a, parallel.threads()), NAN);
    attention(a, workspace.data(), parallel);
  }

  double want(int64_t b, int64_t h, int64_t i, int64_t c) const {
    const int64_t kv_head = a.kv_heads > 0 ? h / (a.heads / a.kv_heads) : h;
    std::vector<double> scores;
    double maximum = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < a.key_length; ++j) {
      double s = 0;
      for (int64_t e = 0; e < a.head_size; ++e) {
        s += static_cast<double>(a.q[b * a.q_strides.batch + h * a.q_strides.head + i * a.q_strides.row + e]) *
             static_cast<double>(a.k[b * a.k_strides.batch + kv_head * a.k_strides.head + j * a.k_strides.row +
                                     e * a.k_strides.element]);
      }
      s *= static_cast<double>(a.scale);
      if (a.mask != nullptr) {
        s += static_cast<double>(a.mask[b * a.mask_strides.batch + h * a.mask_strides.head + i * a.mask_strides.row +
                                        j * a.mask_strides.element]);
      }
      if (a.causal && j > a.key_length - a.query_length + i) s = -std::numeric_limits<double>::infinity();
      scores.push_back(s);
      maximum = std::max(maximum, s);
    }
    double sum = 0;
    double result = 0;
    for (int64_t j = 0; j < a.key_length; ++j) {
      const double p = std::exp(scores[static_cast<size_t>(j)] - maximum);
      sum += p;
      result +=
          p * static_cast<double>(a.v[b * a.v_strides.batch + kv_head * a.v_strides.head + j * a.v_strides.row + c]);
    }
    return result / sum;
  }

  float got(int64_t b, int64_t h, int64_t i, int64_t c) const {
    return a.output[b * a.output_strides.batch + h * a.output_strides.head + i * a.output_strides.row + c];
  }

  void check() const {
    for (int64_t b = 0; b < a.batch; ++b) {
      for (int64_t h = 0; h < a.heads; ++h) {
        for (int64_t i = 0; i < a.query_length; ++i) {
          // All columns of a long problem would take the test too long.
          for (int64_t c = 0; c<a.value_size; c += a.key_length> 500 ? 7 : 1) {
            const double expected = want(b, h, i, c);
            if (std::isnan(expected)) {
              ASSERT_TRUE(std::isnan(got(b, h, i, c)));
            } else {
              ASSERT_NEAR(got(b, h, i, c), expected, 3e-6) << b << " " << h << " " << i << " " << c;
            }
          }
        }
      }
    }
  }
};

class AttentionTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(AttentionTest);

TEST_P(AttentionTest, SizesAndMasks) {
  SerialParallel serial;
  for (int64_t length : {1, 2, 5, 15, 16, 17, 32, 33, 50}) {
    for (int64_t size : {1, 4, 16, 20, 40, 64}) {
      for (int mask = 0; mask < 3; ++mask) {
        SCOPED_TRACE(testing::Message() << length << " queries of " << size << ", mask " << mask);
        Problem p(2, 2, length, length + (size % 3), size, mask == 2 ? size + 3 : size);
        p.add_mask(mask);
        p.run(serial);
        ASSERT_NO_FATAL_FAILURE(p.check());
      }
    }
  }
}

TEST_P(AttentionTest, LongKeysInBlocks) {
  SerialParallel serial;
  for (int mask = 0; mask < 3; ++mask) {
    Problem p(1, 1, 35, 2100, 8, 24);
    p.add_mask(mask);
    if (mask == 2) {  // nothing visible in the first block, in the second, and at all
      std::fill_n(p.mask.begin(), 1500, -kInfinity);
      std::fill_n(p.mask.begin() + 2100 + 1024, 1024, -kInfinity);
      std::fill_n(p.mask.begin() + 2 * 2100, 2100, -kInfinity);
    }
    p.run(serial);
    ASSERT_NO_FATAL_FAILURE(p.check());
  }
}

TEST_P(AttentionTest, Causal) {
  SerialParallel serial;
  for (const auto& [queries, keys] : {std::pair{1, 40}, {40, 40}, {33, 70}, {20, 12}, {5, 1030}}) {
    Problem p(1, 2, queries, keys, 16, 16);
    p.a.causal = true;
    p.run(serial);
    ASSERT_NO_FATAL_FAILURE(p.check()) << queries << " " << keys;
  }
}

TEST_P(AttentionTest, GroupedHeadsAndTransposedKeys) {
  SerialParallel serial;
  Problem p(2, 6, 10, 37, 16, 32, 2);
  p.run(serial);
  ASSERT_NO_FATAL_FAILURE(p.check());
  // The same keys as [batch, heads, size, sequence].
  const auto expected = p.output;
  std::vector<float> transposed(p.k.size());
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t j = 0; j < 37; ++j) {
        for (int64_t e = 0; e < 16; ++e) {
          transposed[static_cast<size_t>(((b * 2 + h) * 16 + e) * 37 + j)] =
              p.k[static_cast<size_t>(((b * 37 + j) * 2 + h) * 16 + e)];
        }
      }
    }
  }
  p.a.k = transposed.data();
  p.a.k_strides = {2 * 16 * 37, 16 * 37, 1, 37};
  p.run(serial);
  EXPECT_EQ(expected, p.output);
}

TEST_P(AttentionTest, FullyMaskedRows) {
  SerialParallel serial;
  Problem p(1, 1, 3, 50, 16, 16);
  p.mask.assign(50, std::numeric_limits<float>::lowest());  // swamps every score: the mean of V
  p.a.mask = p.mask.data();
  p.a.mask_strides = {0, 0, 0, 1};
  p.run(serial);
  for (int64_t c = 0; c < 16; ++c) {
    double mean = 0;
    for (int64_t j = 0; j < 50; ++j) mean += static_cast<double>(p.v[static_cast<size_t>(j * 16 + c)]) / 50.0;
    EXPECT_NEAR(p.got(0, 0, 1, c), mean, 1e-6);
  }
  p.mask.assign(50, -kInfinity);
  p.run(serial);
  for (float value : p.output) EXPECT_TRUE(std::isnan(value));
}

TEST_P(AttentionTest, BitsDoNotDependOnThreadsBatchOrQueries) {
  SerialParallel serial;
  Threads three(3);
  Problem p(3, 4, 70, 90, 32, 48);
  p.add_mask(1);
  p.run(serial);
  const auto all = p.output;
  p.run(three);
  EXPECT_EQ(all, p.output);
  // One batch entry and one query at a time.
  const Attention whole = p.a;
  p.output.assign(p.output.size(), 0.0F);
  p.a.batch = 1;
  p.a.query_length = 1;
  for (int64_t b = 0; b < whole.batch; ++b) {
    for (int64_t i = 0; i < whole.query_length; ++i) {
      p.a.q = whole.q + b * whole.q_strides.batch + i * whole.q_strides.row;
      p.a.k = whole.k + b * whole.k_strides.batch;
      p.a.v = whole.v + b * whole.v_strides.batch;
      p.a.mask = whole.mask + b * whole.mask_strides.batch;
      p.a.output = whole.output + b * whole.output_strides.batch + i * whole.output_strides.row;
      p.run(serial);
    }
  }
  EXPECT_EQ(0, std::memcmp(all.data(), p.output.data(), all.size() * sizeof(float)));
}

TEST_P(AttentionTest, NothingToAttendTo) {
  SerialParallel serial;
  Problem p(1, 2, 3, 0, 8, 8);
  p.run(serial);
  for (float value : p.output) EXPECT_EQ(value, 0.0F);
}

}  // namespace
}  // namespace attune::kernels
