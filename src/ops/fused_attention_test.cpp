#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

struct Sizes {
  int64_t batch;
  int64_t heads;
  int64_t queries;
  int64_t keys;
  int64_t head_size;
  int64_t value_size;
};

/// By the definition, in double. `mask` is null or gives the value added to a score.
template <class Mask>
Tensor attend(const Sizes& s, const Tensor& q, const Tensor& k, const Tensor& v, double scale, Mask&& mask) {
  Tensor y = Tensor::allocate(DataType::kFloat, {s.batch, s.queries, s.heads * s.value_size});
  const auto at = [&](const Tensor& tensor, int64_t length, int64_t size, int64_t b, int64_t row, int64_t h,
                      int64_t i) {
    return double{tensor.values<float>()[static_cast<size_t>(((b * length + row) * s.heads + h) * size + i)]};
  };
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t h = 0; h < s.heads; ++h) {
      for (int64_t i = 0; i < s.queries; ++i) {
        std::vector<double> score(static_cast<size_t>(s.keys));
        double largest = -std::numeric_limits<double>::infinity();
        for (int64_t j = 0; j < s.keys; ++j) {
          double sum = 0.0;
          for (int64_t d = 0; d < s.head_size; ++d) {
            sum += at(q, s.queries, s.head_size, b, i, h, d) * at(k, s.keys, s.head_size, b, j, h, d);
          }
          score[static_cast<size_t>(j)] = scale * sum + mask(b, h, i, j);
          largest = std::max(largest, score[static_cast<size_t>(j)]);
        }
        double total = 0.0;
        for (double& value : score) total += value = std::exp(value - largest);
        for (int64_t d = 0; d < s.value_size; ++d) {
          double sum = 0.0;
          for (int64_t j = 0; j < s.keys; ++j) {
            sum += score[static_cast<size_t>(j)] * at(v, s.keys, s.value_size, b, j, h, d);
          }
          y.values<float>()[static_cast<size_t>(((b * s.queries + i) * s.heads + h) * s.value_size + d)] =
              static_cast<float>(sum / total);
        }
      }
    }
  }
  return y;
}

double no_mask(int64_t, int64_t, int64_t, int64_t) { return 0.0; }

OpTest attention(const Sizes& s, const Tensor& q, const Tensor& k, const Tensor& v) {
  OpTest test("FusedAttention", 1, "attune");
  test.attribute("num_heads", s.heads).attribute("scale", 0.25F).input(q).input(k).input(v).tolerance(1e-5, 1e-4);
  return test;
}

class FusedAttention : public testing::Test {
 protected:
  const Sizes s_{2, 3, 5, 7, 8, 6};
  const Tensor q_ = random_floats({2, 5, 24}, 1);
  const Tensor k_ = random_floats({2, 7, 24}, 2);
  const Tensor v_ = random_floats({2, 7, 18}, 3);
};

TEST_F(FusedAttention, AgreesWithTheDefinition) {
  const Tensor expected = attend(s_, q_, k_, v_, 0.25, no_mask);
  attention(s_, q_, k_, v_).output(expected).run();
  // The heads may have an axis of their own.
  attention(s_, q_.reshaped({2, 5, 3, 8}), k_.reshaped({2, 7, 3, 8}), v_.reshaped({2, 7, 3, 6})).output(expected).run();
}

TEST_F(FusedAttention, MasksBroadcast) {
  const Tensor mask = random_floats({2, 3, 5, 7}, 4);
  const auto value = [&](int64_t i) { return double{mask.values<float>()[static_cast<size_t>(i)]}; };
  const auto full = [&](int64_t b, int64_t h, int64_t i, int64_t j) { return value(((b * 3 + h) * 5 + i) * 7 + j); };
  attention(s_, q_, k_, v_).input(mask).output(attend(s_, q_, k_, v_, 0.25, full)).run();

  const Tensor keys = random_floats({2, 1, 1, 7}, 5);
  const auto by_key = [&](int64_t b, int64_t, int64_t, int64_t j) {
    return double{keys.values<float>()[static_cast<size_t>(b * 7 + j)]};
  };
  attention(s_, q_, k_, v_).input(keys).output(attend(s_, q_, k_, v_, 0.25, by_key)).run();

  const Tensor scores = random_floats({5, 7}, 6);
  const auto by_score = [&](int64_t, int64_t, int64_t i, int64_t j) {
    return double{scores.values<float>()[static_cast<size_t>(i * 7 + j)]};
  };
  attention(s_, q_, k_, v_).input(scores).output(attend(s_, q_, k_, v_, 0.25, by_score)).run();
}

TEST_F(FusedAttention, NothingToAttendTo) {
  OpTest("FusedAttention", 1, "attune")
      .attribute("num_heads", int64_t{1})
      .input<float>({1, 1, 2}, {1, 2})
      .input<float>({1, 0, 2}, {})
      .input<float>({1, 0, 2}, {})
      .output<float>({1, 1, 2}, {0, 0})
      .run();
  OpTest("FusedAttention", 1, "attune")
      .attribute("num_heads", int64_t{1})
      .input<float>({1, 0, 2}, {})
      .input<float>({1, 1, 2}, {1, 2})
      .input<float>({1, 1, 2}, {1, 2})
      .output<float>({1, 0, 2}, {})
      .run();
}

TEST_F(FusedAttention, ContradictingShapes) {
  attention(s_, q_, k_, random_floats({2, 6, 18}, 1)).fails("Sequence of K and V");
  attention(s_, q_, random_floats({2, 7, 12}, 1), v_).fails("Size of Q and K");
  attention(s_, q_, random_floats({1, 7, 24}, 1), v_).fails("Batch of Q and K");
  attention(s_, random_floats({2, 5, 23}, 1), k_, v_).fails("does not have 3 heads");
  attention(s_, q_, k_, v_).input(random_floats({3, 1, 1, 7}, 1)).fails("does not broadcast to scores");
  OpTest("FusedAttention", 1, "attune").input(q_).input(k_).input(v_).fails("num_heads");
}

}  // namespace
}  // namespace attune
