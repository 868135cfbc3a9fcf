#include "kernels/recurrent_gates.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/simd_test.h"

namespace attune::kernels {
namespace {

using Kind = GateFunction::Kind;

constexpr Kind kKinds[] = {
    Kind::kSigmoid,    Kind::kTanh,        Kind::kRelu, Kind::kAffine,   Kind::kLeakyRelu, Kind::kThresholdedRelu,
    Kind::kScaledTanh, Kind::kHardSigmoid, Kind::kElu,  Kind::kSoftsign, Kind::kSoftplus};

double reference(const GateFunction& function, double x) {
  const double alpha = function.alpha;
  const double beta = function.beta;
  switch (function.kind) {
    case Kind::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Kind::kTanh:
      return std::tanh(x);
    case Kind::kRelu:
      return x > 0 ? x : 0;
    case Kind::kAffine:
      return alpha * x + beta;
    case Kind::kLeakyRelu:
      return x >= 0 ? x : alpha * x;
    case Kind::kThresholdedRelu:
      return x >= alpha ? x : 0;
    case Kind::kScaledTanh:
      return alpha * std::tanh(beta * x);
    case Kind::kHardSigmoid:
      return std::min(std::max(alpha * x + beta, 0.0), 1.0);
    case Kind::kElu:
      return x >= 0 ? x : alpha * (std::exp(x) - 1);
    case Kind::kSoftsign:
      return x / (1 + std::fabs(x));
    case Kind::kSoftplus:
      return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  }
  return x;
}

/// Values in front of which, and behind which, nothing may be touched.
class Row {
 public:
  Row(int64_t n, uint32_t seed, float range = 2.0F) : values_(static_cast<size_t>(n) + 2, kGuard) {
    std::mt19937 generator(seed);
    std::uniform_real_distribution<float> distribution(-range, range);
    for (int64_t i = 0; i < n; ++i) values_[static_cast<size_t>(i) + 1] = distribution(generator);
  }
  float* data() { return values_.data() + 1; }
  float operator[](int64_t i) const { return values_[static_cast<size_t>(i) + 1]; }
  void check_guards() const {
    EXPECT_EQ(values_.front(), kGuard);
    EXPECT_EQ(values_.back(), kGuard);
  }

 private:
  static constexpr float kGuard = 77.0F;
  std::vector<float> values_;
};

double clipped(double x, double clip) { return std::min(std::max(x, -clip), clip); }

std::vector<RecurrentGates> all_gates() {
  std::vector<RecurrentGates> list(1);
  list[0] = {{Kind::kSigmoid}, {Kind::kTanh}, {Kind::kTanh}};
  for (const Kind kind : kKinds) {
    const GateFunction function{kind, 0.3F, 0.7F};
    list.push_back({function, function, function});
    list.back().clip = 1.5F;
    list.back().input_forget = true;
  }
  return list;
}

class RecurrentGatesTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(RecurrentGatesTest);

TEST_P(RecurrentGatesTest, Rnn) {
  for (const RecurrentGates& gates : all_gates()) {
    for (int64_t n = 0; n <= 37; ++n) {
      Row x(n, 1);
      Row r(n, 2);
      Row h(n, 3);
      rnn_gates(gates, x.data(), r.data(), h.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_NEAR(h[i], reference(gates.f, clipped(double{x[i]} + r[i], gates.clip)), 2e-6) << n;
      }
      h.check_guards();
    }
  }
}

TEST_P(RecurrentGatesTest, Lstm) {
  for (const RecurrentGates& gates : all_gates()) {
    for (int64_t n = 0; n <= 37; ++n) {
      for (const bool peeps : {false, true}) {
        Row x(4 * n, 1);
        Row r(4 * n, 2);
        Row p(3 * n, 3);
        Row cell(n, 4);
        Row old = cell;
        Row h(n, 5);
        lstm_gates(gates, x.data(), r.data(), peeps ? p.data() : nullptr, cell.data(), h.data(), n);
        for (int64_t k = 0; k < n; ++k) {
          const auto sum = [&](int64_t gate) { return double{x[gate * n + k]} + r[gate * n + k]; };
          const auto peep = [&](int64_t gate, double c) { return peeps ? p[gate * n + k] * c : 0.0; };
          const double i = reference(gates.f, clipped(sum(0) + peep(0, old[k]), gates.clip));
          const double f =
              gates.input_forget ? 1 - i : reference(gates.f, clipped(sum(2) + peep(2, old[k]), gates.clip));
          const double c = f * old[k] + i * reference(gates.g, clipped(sum(3), gates.clip));
          const double o = reference(gates.f, clipped(sum(1) + peep(1, c), gates.clip));
          ASSERT_NEAR(cell[k], c, 1e-5) << n;
          ASSERT_NEAR(h[k], o * reference(gates.h, c), 1e-5) << n;
        }
        cell.check_guards();
        h.check_guards();
      }
    }
  }
}

TEST_P(RecurrentGatesTest, Gru) {
  for (const RecurrentGates& gates : all_gates()) {
    for (int64_t n = 0; n <= 37; ++n) {
      Row x(3 * n, 1);
      Row zr(2 * n, 2);
      Row hidden(n, 3);
      Row h(n, 4);
      const Row old = h;
      Row update(n, 5);
      Row reset(n, 6);
      gru_update_and_reset(gates, x.data(), zr.data(), h.data(), update.data(), reset.data(), n);
      gru_output(gates, x.data() + 2 * n, hidden.data(), update.data(), h.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        const double z = reference(gates.f, clipped(double{x[i]} + zr[i], gates.clip));
        const double r = reference(gates.f, clipped(double{x[n + i]} + zr[n + i], gates.clip));
        const double content = reference(gates.g, clipped(double{x[2 * n + i]} + hidden[i], gates.clip));
        ASSERT_NEAR(reset[i], r * old[i], 1e-5) << n;
        ASSERT_NEAR(h[i], (1 - z) * content + z * old[i], 1e-5) << n;
      }
      h.check_guards();
      update.check_guards();
      reset.check_guards();
    }
  }
}

TEST_P(RecurrentGatesTest, LinearGru) {
  for (const RecurrentGates& gates : all_gates()) {
    for (int64_t n = 0; n <= 37; ++n) {
      for (const bool biased : {false, true}) {
        Row x(3 * n, 1);
        Row recurrent(3 * n, 2);
        Row bias(n, 3);
        Row h(n, 4);
        const Row old = h;
        gru_gates_linear(gates, x.data(), recurrent.data(), biased ? bias.data() : nullptr, h.data(), n);
        for (int64_t i = 0; i < n; ++i) {
          const double z = reference(gates.f, clipped(double{x[i]} + recurrent[i], gates.clip));
          const double r = reference(gates.f, clipped(double{x[n + i]} + recurrent[n + i], gates.clip));
          const double hidden = double{recurrent[2 * n + i]} + (biased ? bias[i] : 0.0F);
          const double content = reference(gates.g, clipped(x[2 * n + i] + r * hidden, gates.clip));
          ASSERT_NEAR(h[i], (1 - z) * content + z * old[i], 1e-5) << n;
        }
        h.check_guards();
      }
    }
  }
}

TEST_P(RecurrentGatesTest, ElementsDoNotDependOnTheLength) {
  const RecurrentGates gates{{Kind::kSigmoid}, {Kind::kTanh}, {Kind::kTanh}};
  constexpr int64_t kUnits = 33;
  Row x(4 * kUnits, 1);
  Row r(4 * kUnits, 2);
  Row cell(kUnits, 3);
  Row one_cell = cell;
  Row h(kUnits, 4);
  lstm_gates(gates, x.data(), r.data(), nullptr, cell.data(), h.data(), kUnits);
  for (int64_t i = 0; i < kUnits; ++i) {
    float one_x[4];
    float one_r[4];
    for (int64_t gate = 0; gate < 4; ++gate) {
      one_x[gate] = x[gate * kUnits + i];
      one_r[gate] = r[gate * kUnits + i];
    }
    float one_h = 0.0F;
    lstm_gates(gates, one_x, one_r, nullptr, one_cell.data() + i, &one_h, 1);
    ASSERT_EQ(one_h, h[i]);
    ASSERT_EQ(one_cell[i], cell[i]);
  }
}

TEST_P(RecurrentGatesTest, NaNStays) {
  for (RecurrentGates gates : all_gates()) {
    gates.clip = std::numeric_limits<float>::infinity();
    const float x = std::numeric_limits<float>::quiet_NaN();
    const float zero = 0.0F;
    float h = 0.0F;
    rnn_gates(gates, &x, &zero, &h, 1);
    EXPECT_TRUE(std::isnan(h)) << static_cast<int>(gates.f.kind);
  }
}

}  // namespace
}  // namespace attune::kernels
