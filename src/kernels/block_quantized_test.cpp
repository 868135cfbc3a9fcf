#include "kernels/block_quantized.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

class BlockQuantizedTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(BlockQuantizedTest);

struct Problem {
  std::vector<uint8_t> data;
  std::vector<BlockScale> scales;
  BlockQuantizedMatrix b;

  Problem(int64_t k, int64_t n, int64_t block, int bits) {
    std::mt19937 generator(static_cast<uint32_t>(k * 31 + n * 7 + block + bits));
    b.k = k;
    b.n = n;
    b.block = block;
    b.bits = bits;
    data.resize(static_cast<size_t>(n * b.column_bytes()));
    for (uint8_t& byte : data) byte = static_cast<uint8_t>(generator());
    for (int64_t i = 0; i < n * b.blocks(); ++i) {
      const float scale = static_cast<float>(generator() % 100) / 500.0F - 0.1F;
      scales.push_back({scale, -scale * static_cast<float>(generator() % 16)});
    }
    b.data = data.data();
    b.scales = scales.data();
  }

  double element(int64_t row, int64_t column) const {
    const uint8_t* own = data.data() + column * b.column_bytes();
    const int q = b.bits == 8 ? own[row] : row % 2 == 0 ? own[row / 2] & 15 : own[row / 2] >> 4;
    const BlockScale& scale = scales[static_cast<size_t>(column * b.blocks() + row / b.block)];
    return q * static_cast<double>(scale.scale) + static_cast<double>(scale.shift);
  }
};

TEST_P(BlockQuantizedTest, Columns) {
  for (const int bits : {4, 8}) {
    for (const int64_t block : {16, 32, 128}) {
      for (const int64_t k : {1, 15, 16, 33, 200}) {
        const Problem problem(k, 3, block, bits);
        const int64_t stride = problem.b.blocks() * block;
        std::vector<float> out(static_cast<size_t>(2 * stride) + 1, 77.0F);
        dequantize_columns(problem.b, 1, 2, out.data());
        for (int64_t c = 0; c < 2; ++c) {
          for (int64_t i = 0; i < k; ++i) {
            ASSERT_NEAR(out[static_cast<size_t>(c * stride + i)], problem.element(i, 1 + c), 1e-5);
          }
        }
        ASSERT_EQ(out.back(), 77.0F);
      }
    }
  }
}

TEST_P(BlockQuantizedTest, Products) {
  for (const int bits : {4, 8}) {
    for (const int64_t m : {1, 2, 9}) {
      for (const int64_t n : {1, 16, 45}) {
        const int64_t k = 70;
        const Problem problem(k, n, 32, bits);
        std::vector<float> a(static_cast<size_t>(m * k));
        std::mt19937 generator(5);
        for (float& value : a) value = static_cast<float>(generator() % 200) / 100.0F - 1.0F;
        std::vector<float> bias(static_cast<size_t>(n), 0.5F);
        std::vector<float> c(static_cast<size_t>(m * n));
        std::vector<float> workspace(block_quantized_workspace_size(problem.b, 1));
        SerialParallel serial;
        multiply_block_quantized(m, a.data(), problem.b, bias.data(), c.data(), workspace.data(), serial);
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            double expected = 0.5;
            for (int64_t p = 0; p < k; ++p) {
              expected += static_cast<double>(a[static_cast<size_t>(i * k + p)]) * problem.element(p, j);
            }
            ASSERT_NEAR(c[static_cast<size_t>(i * n + j)], expected, 2e-4) << bits << " bits, " << m << "x" << n;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace attune::kernels
