// What the tests of kernels on images share: random data, naive conversion between layouts, real threads.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "kernels/image.h"
#include "kernels/simd.h"

namespace attune::kernels {

/// Threads made for each call, taking tasks from a counter: every schedule can happen.
class ThreadsParallel final : public Parallel {
 public:
  explicit ThreadsParallel(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    std::atomic<int64_t> next{0};
    const auto work = [&](int thread) {
      for (int64_t i = next++; i < count; i = next++) task(i, thread);
    };
    std::vector<std::thread> workers;
    for (int thread = 1; thread < threads_; ++thread) workers.emplace_back(work, thread);
    work(0);
    for (std::thread& worker : workers) worker.join();
  }

 private:
  int threads_;
};

inline std::vector<float> random_floats(int64_t size, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> distribution(-1.0F, 1.0F);
  std::vector<float> values(static_cast<size_t>(size));
  for (float& value : values) value = distribution(engine);
  return values;
}

/// NCHW to NCHWc; the lanes after the last channel are NaN, so that a kernel which uses them is caught.
inline std::vector<float> to_blocked(const std::vector<float>& plain, int64_t batch, int64_t channels, int64_t pixels) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(channels, block);
  std::vector<float> blocked(static_cast<size_t>(batch * blocks * block * pixels),
                             std::numeric_limits<float>::quiet_NaN());
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < pixels; ++i) {
        blocked[static_cast<size_t>(((n * blocks + c / block) * pixels + i) * block + c % block)] =
            plain[static_cast<size_t>((n * channels + c) * pixels + i)];
      }
    }
  }
  return blocked;
}

inline std::vector<float> to_plain(const std::vector<float>& blocked, int64_t batch, int64_t channels, int64_t pixels) {
  const int64_t block = block_channels();
  const int64_t blocks = count_blocks(channels, block);
  std::vector<float> plain(static_cast<size_t>(batch * channels * pixels));
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < pixels; ++i) {
        plain[static_cast<size_t>((n * channels + c) * pixels + i)] =
            blocked[static_cast<size_t>(((n * blocks + c / block) * pixels + i) * block + c % block)];
      }
    }
  }
  return plain;
}

/// |actual - expected| within `tolerance` * (1 + |expected|) everywhere; reports the first miss.
inline void expect_near(const std::vector<float>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const double limit = tolerance * (1.0 + std::abs(expected[i]));
    ASSERT_TRUE(std::abs(actual[i] - expected[i]) <= limit)
        << "at " << i << ": " << actual[i] << ", expected " << expected[i];
  }
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace attune::kernels
