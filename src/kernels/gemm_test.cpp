#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/gemm_tile.h"
#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

// Several "threads" in one: tasks run in reverse order and with changing thread numbers.
class ReversedParallel final : public Parallel {
 public:
  explicit ReversedParallel(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    ++calls;
    for (int64_t i = count - 1; i >= 0; --i) task(i, static_cast<int>(i % threads_));
  }
  int calls = 0;

 private:
  int threads_;
};

std::vector<float> random_floats(size_t n, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(-1.0F, 1.0F);
  std::vector<float> values(n);
  for (float& value : values) value = distribution(generator);
  return values;
}

// One case: matrices with padding in their rows, at an odd address, and the result in double precision.
struct Case {
  GemmShape shape;
  std::vector<float> a, b, bias, bias_rows, residual;
  ptrdiff_t a_row, b_row, c_row;
  std::vector<double> want;       // before the activation
  std::vector<double> magnitude;  // sums of absolute values: what an error is relative to

  explicit Case(GemmShape s, uint32_t seed = 1) : shape(s) {
    a_row = s.k + 3;
    b_row = s.n + 5;
    c_row = s.n + 2;
    a = random_floats(static_cast<size_t>(s.m * a_row + 1), seed);
    b = random_floats(static_cast<size_t>(s.k * b_row + 1), seed + 1);
    bias = random_floats(static_cast<size_t>(s.n), seed + 2);
    bias_rows = random_floats(static_cast<size_t>(s.m), seed + 3);
    residual = random_floats(static_cast<size_t>(s.m * c_row), seed + 4);
  }
  MatrixView a_view() const { return {a.data() + 1, a_row, 1}; }
  MatrixView b_view() const { return {b.data() + 1, b_row, 1}; }

  void compute(const GemmEpilogue& e) {
    want.clear();
    magnitude.clear();
    for (int64_t i = 0; i < shape.m; ++i) {
      for (int64_t j = 0; j < shape.n; ++j) {
        double sum = 0;
        double size = 0;
        for (int64_t k = 0; k < shape.k; ++k) {
          const double product = static_cast<double>(a[static_cast<size_t>(1 + i * a_row + k)]) *
                                 static_cast<double>(b[static_cast<size_t>(1 + k * b_row + j)]);
          sum += product;
          size += std::fabs(product);
        }
        sum *= static_cast<double>(e.scale);
        size *= std::fabs(static_cast<double>(e.scale));
        if (e.bias != nullptr) sum += static_cast<double>(e.bias[j]);
        if (e.bias_rows != nullptr) sum += static_cast<double>(e.bias_rows[i]);
        if (e.residual != nullptr) sum += static_cast<double>(e.residual[i * e.residual_stride + j]);
        want.push_back(e.activation.kind == Activation::Kind::kRelu ? std::max(sum, 0.0) : sum);
        magnitude.push_back(size + 3.0);
      }
    }
  }

  void check(const std::vector<float>& c) const {
    size_t index = 0;
    for (int64_t i = 0; i < shape.m; ++i) {
      for (int64_t j = 0; j < c_row; ++j) {
        const float got = c[static_cast<size_t>(i * c_row + j)];
        if (j >= shape.n) {
          ASSERT_EQ(got, -99.0F) << "wrote beyond row " << i << " at " << j;
          continue;
        }
        const double tolerance = 1.2e-7 * (2.0 + std::sqrt(static_cast<double>(shape.k))) * magnitude[index];
        ASSERT_NEAR(got, want[index], tolerance)
            << "at " << i << ", " << j << " of " << shape.m << "x" << shape.n << "x" << shape.k;
        ++index;
      }
    }
  }

  std::vector<float> fresh_c() const { return std::vector<float>(static_cast<size_t>(shape.m * c_row), -99.0F); }

  std::vector<float> run_packed(const GemmEpilogue& e, Parallel& parallel) const {
    std::vector<float> packed(packed_b_size(shape.k, shape.n));
    pack_b(shape.k, shape.n, b_view(), packed.data(), parallel);
    std::vector<float> c = fresh_c();
    gemm_packed(shape, a_view(), packed.data(), c.data(), c_row, e, parallel);
    return c;
  }

  std::vector<float> run_unpacked(const GemmEpilogue& e, Parallel& parallel) const {
    std::vector<float> workspace(gemm_workspace_size(shape, parallel.threads()), NAN);
    std::vector<float> c = fresh_c();
    gemm(shape, a_view(), b_view(), c.data(), c_row, e, workspace.data(), parallel);
    return c;
  }
};

bool same_bits(const std::vector<float>& x, const std::vector<float>& y) {
  return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
}

class GemmTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(GemmTest);

TEST_P(GemmTest, EveryTailOfTheTile) {
  SerialParallel serial;
  const int64_t panel = gemm_tile_kernels().panel;
  const int64_t rows = gemm_tile_kernels().max_rows;
  for (int64_t m = 1; m <= 2 * rows + 1; ++m) {
    for (int64_t n : {int64_t{1}, panel / 2 - 1, panel / 2, panel / 2 + 1, panel - 1, panel, panel + 1, 2 * panel + 3,
                      5 * panel - 1}) {
      Case c({m, n, 9 + m % 4});
      c.compute({});
      const auto packed = c.run_packed({}, serial);
      ASSERT_NO_FATAL_FAILURE(c.check(packed));
      ASSERT_TRUE(same_bits(packed, c.run_unpacked({}, serial))) << m << " " << n;
    }
  }
  for (int64_t n = 1; n <= 2 * panel + 1; ++n) {
    Case c({3, n, 5});
    c.compute({});
    ASSERT_NO_FATAL_FAILURE(c.check(c.run_packed({}, serial)));
    ASSERT_NO_FATAL_FAILURE(c.check(c.run_unpacked({}, serial)));
  }
}

TEST_P(GemmTest, LongSumsAndLargeShapes) {
  SerialParallel serial;
  ReversedParallel three(3);
  for (const GemmShape shape : {GemmShape{5, 40, 1500}, GemmShape{130, 90, 70}, GemmShape{61, 300, 513},
                                GemmShape{1, 1000, 1030}, GemmShape{2, 257, 600}, GemmShape{300, 7, 33}}) {
    Case c(shape);
    c.compute({});
    const auto one = c.run_packed({}, serial);
    ASSERT_NO_FATAL_FAILURE(c.check(one));
    EXPECT_TRUE(same_bits(one, c.run_packed({}, three)));
    EXPECT_TRUE(same_bits(one, c.run_unpacked({}, serial)));
    EXPECT_TRUE(same_bits(one, c.run_unpacked({}, three)));
  }
  EXPECT_GT(three.calls, 0);
}

TEST_P(GemmTest, EmptyDimensions) {
  SerialParallel serial;
  GemmEpilogue epilogue;
  const std::vector<float> bias(7, 2.5F);
  epilogue.bias = bias.data();
  Case c({3, 7, 0});
  c.compute(epilogue);
  c.check(c.run_packed(epilogue, serial));
  c.check(c.run_unpacked(epilogue, serial));
  Case no_rows({0, 7, 4});
  EXPECT_TRUE(no_rows.run_packed({}, serial).empty());
  Case no_columns({3, 0, 4});
  no_columns.compute({});
  no_columns.check(no_columns.run_unpacked({}, serial));
}

TEST_P(GemmTest, OneRowHasTheBitsOfManyRows) {
  ReversedParallel four(4);
  SerialParallel serial;
  Case many({37, 150, 700});
  GemmEpilogue epilogue;
  epilogue.bias = many.bias.data();
  epilogue.activation.kind = Activation::Kind::kGelu;
  const auto all = many.run_packed(epilogue, four);
  std::vector<float> packed(packed_b_size(700, 150));
  pack_b(700, 150, many.b_view(), packed.data(), serial);
  for (int64_t m : {1, 2, 3, 5, 16}) {
    for (int64_t first = 0; first + m <= 37; first += 7) {
      std::vector<float> c(static_cast<size_t>(m * many.c_row), -99.0F);
      MatrixView a = many.a_view();
      a.data += first * a.row_stride;
      gemm_packed({m, 150, 700}, a, packed.data(), c.data(), many.c_row, epilogue, serial);
      ASSERT_EQ(0, std::memcmp(c.data(), all.data() + first * many.c_row, c.size() * sizeof(float))) << m;
    }
  }
}

TEST_P(GemmTest, ColumnsBackwards) {
  SerialParallel serial;
  ReversedParallel three(3);
  const int64_t panel = gemm_tile_kernels().panel;
  for (int64_t m : {1, 2, 3, 4, 15}) {
    for (int64_t n : {int64_t{1}, panel - 1, 4 * panel, 7 * panel + 5, 40 * panel + 1}) {
      for (int64_t k : {int64_t{0}, int64_t{11}, int64_t{800}}) {
        Case c({m, n, k});
        GemmEpilogue e;
        e.bias = c.bias.data();
        std::vector<float> packed(packed_b_size(k, n));
        pack_b(k, n, c.b_view(), packed.data(), serial);
        const auto forwards = c.run_packed(e, serial);
        for (Parallel* parallel : {static_cast<Parallel*>(&serial), static_cast<Parallel*>(&three)}) {
          std::vector<float> backwards = c.fresh_c();
          gemm_packed(c.shape, c.a_view(), packed.data(), backwards.data(), c.c_row, e, *parallel,
                      ColumnOrder::kBackwards);
          ASSERT_TRUE(same_bits(forwards, backwards)) << m << " " << n << " " << k;
        }
      }
    }
  }
}

TEST_P(GemmTest, Epilogue) {
  SerialParallel serial;
  ReversedParallel three(3);
  for (const GemmShape shape : {GemmShape{1, 5, 20}, GemmShape{17, 70, 20}, GemmShape{40, 33, 1100}}) {
    Case c(shape);
    for (int mask = 0; mask < 32; ++mask) {
      GemmEpilogue e;
      if ((mask & 1) != 0) e.scale = -0.37F;
      if ((mask & 2) != 0) e.bias = c.bias.data();
      if ((mask & 4) != 0) e.bias_rows = c.bias_rows.data();
      if ((mask & 8) != 0) e.residual = c.residual.data(), e.residual_stride = c.c_row;
      if ((mask & 16) != 0) e.activation.kind = Activation::Kind::kRelu;
      c.compute(e);
      const auto packed = c.run_packed(e, serial);
      ASSERT_NO_FATAL_FAILURE(c.check(packed)) << mask;
      ASSERT_TRUE(same_bits(packed, c.run_unpacked(e, three)));
      if (e.residual == nullptr) continue;
      // The residual may be C itself.
      std::vector<float> weights(packed_b_size(shape.k, shape.n));
      pack_b(shape.k, shape.n, c.b_view(), weights.data(), serial);
      std::vector<float> in_place = c.residual;
      e.residual = in_place.data();
      gemm_packed(shape, c.a_view(), weights.data(), in_place.data(), c.c_row, e, three);
      for (int64_t i = 0; i < shape.m; ++i) {
        for (int64_t j = 0; j < shape.n; ++j) {
          const size_t at = static_cast<size_t>(i * c.c_row + j);
          // With long sums the blocks of k differ, their bits must not.
          ASSERT_EQ(in_place[at], packed[at]);
        }
      }
    }
  }
}

TEST_P(GemmTest, TransposedOperands) {
  SerialParallel serial;
  for (const GemmShape shape : {GemmShape{9, 37, 11}, GemmShape{50, 130, 67}, GemmShape{1, 64, 16}}) {
    Case c(shape);
    c.compute({});
    // The same matrices stored column by column.
    std::vector<float> at(static_cast<size_t>(shape.k * shape.m));
    std::vector<float> bt(static_cast<size_t>(shape.n * shape.k));
    for (int64_t i = 0; i < shape.m; ++i) {
      for (int64_t k = 0; k < shape.k; ++k) {
        at[static_cast<size_t>(k * shape.m + i)] = c.a[static_cast<size_t>(1 + i * c.a_row + k)];
      }
    }
    for (int64_t k = 0; k < shape.k; ++k) {
      for (int64_t j = 0; j < shape.n; ++j) {
        bt[static_cast<size_t>(j * shape.k + k)] = c.b[static_cast<size_t>(1 + k * c.b_row + j)];
      }
    }
    const MatrixView a_view{at.data(), 1, shape.m};
    const MatrixView b_view{bt.data(), 1, shape.k};
    std::vector<float> result = c.fresh_c();
    std::vector<float> workspace(gemm_workspace_size(shape, 1));
    gemm(shape, a_view, b_view, result.data(), c.c_row, {}, workspace.data(), serial);
    ASSERT_NO_FATAL_FAILURE(c.check(result));
    EXPECT_TRUE(same_bits(result, c.run_packed({}, serial)));
    std::vector<float> packed(packed_b_size(shape.k, shape.n));
    pack_b(shape.k, shape.n, b_view, packed.data(), serial);
    std::vector<float> second = c.fresh_c();
    gemm_packed(shape, c.a_view(), packed.data(), second.data(), c.c_row, {}, serial);
    EXPECT_TRUE(same_bits(result, second));
  }
}

TEST_P(GemmTest, Batched) {
  for (const GemmShape shape : {GemmShape{3, 5, 7}, GemmShape{64, 64, 32}, GemmShape{100, 20, 48}}) {
    constexpr int64_t kCount = 6;
    std::vector<Case> cases;
    for (uint32_t i = 0; i < kCount; ++i) cases.emplace_back(shape, 10 * i + 1);
    const GemmStrides strides{cases[0].a_row, 1, cases[0].b_row, 1, cases[0].c_row};
    for (int threads : {1, 2, 5}) {
      ReversedParallel parallel(threads);
      std::vector<std::vector<float>> c(kCount, cases[0].fresh_c());
      std::vector<float> workspace(gemm_workspace_size(shape, threads));
      GemmEpilogue epilogue;
      epilogue.residual_stride = cases[0].c_row;
      gemm_batched(
          kCount, shape, strides,
          [&](int64_t i) {
            const Case& one = cases[static_cast<size_t>(i)];
            return GemmOperands{one.a.data() + 1, one.b.data() + 1, c[static_cast<size_t>(i)].data(),
                                one.residual.data()};
          },
          epilogue, workspace.data(), parallel);
      for (size_t i = 0; i < kCount; ++i) {
        GemmEpilogue expected = epilogue;
        expected.residual = cases[i].residual.data();
        cases[i].compute(expected);
        ASSERT_NO_FATAL_FAILURE(cases[i].check(c[i]));
        SerialParallel serial;
        EXPECT_TRUE(same_bits(c[i], cases[i].run_packed(expected, serial)));
      }
    }
  }
}

TEST_P(GemmTest, UnpackedTransposed) {
  SerialParallel serial;
  for (const GemmShape shape : {GemmShape{1, 1, 1}, GemmShape{1, 9, 31}, GemmShape{5, 6, 64}, GemmShape{7, 130, 700},
                                GemmShape{70, 5, 33}, GemmShape{2, 3, 0}}) {
    Case c(shape);
    GemmEpilogue e;
    e.scale = 0.5F;
    e.bias = c.bias.data();
    e.residual = c.residual.data();
    e.residual_stride = c.c_row;
    e.activation.kind = Activation::Kind::kRelu;
    c.compute(e);
    const ptrdiff_t b_row = shape.k + 1;
    std::vector<float> bt(static_cast<size_t>(shape.n * b_row + 1));
    for (int64_t k = 0; k < shape.k; ++k) {
      for (int64_t j = 0; j < shape.n; ++j) {
        bt[static_cast<size_t>(j * b_row + k)] = c.b[static_cast<size_t>(1 + k * c.b_row + j)];
      }
    }
    std::vector<float> all = c.fresh_c();
    gemm_nt_unpacked(shape, c.a.data() + 1, c.a_row, bt.data(), b_row, all.data(), c.c_row, e, serial);
    ASSERT_NO_FATAL_FAILURE(c.check(all));
    ReversedParallel three(3);
    std::vector<float> other = c.fresh_c();
    gemm_nt_unpacked(shape, c.a.data() + 1, c.a_row, bt.data(), b_row, other.data(), c.c_row, e, three);
    EXPECT_TRUE(same_bits(all, other));
    for (int64_t i = 0; i < shape.m; ++i) {  // row by row
      GemmEpilogue row = e;
      row.residual += i * c.c_row;
      gemm_nt_unpacked({1, shape.n, shape.k}, c.a.data() + 1 + i * c.a_row, c.a_row, bt.data(), b_row,
                       other.data() + i * c.c_row, c.c_row, row, serial);
    }
    EXPECT_TRUE(same_bits(all, other));
  }
}

}  // namespace
}  // namespace attune::kernels
