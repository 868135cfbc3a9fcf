#include "kernels/softmax.h"

#include <algorithm>
#include <limits>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// Two vectors of partial results, so that the latency of an addition is hidden; combined in a fixed order.
constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);

float maximum_of(const float* x, int64_t n) {
  const FloatTag d;
  auto m0 = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto m1 = m0;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    m0 = hn::Max(hn::LoadU(d, x + i), m0);  // passes over NaN; the sum of exponentials meets it again
    m1 = hn::Max(hn::LoadU(d, x + i + kLanes), m1);
  }
  float m = hn::GetLane(hn::MaxOfLanes(d, hn::Max(m0, m1)));
  for (; i < n; ++i) m = std::max(m, x[i]);
  return m;
}

// One row. exp(x - max) is written to y and summed; the tail goes through the same vector code, padded.
void run_softmax_row(SoftmaxKind kind, const float* x, float* y, int64_t n) {
  const FloatTag d;
  const auto maximum = hn::Set(d, maximum_of(x, n));
  const auto keep = kind == SoftmaxKind::kSoftmax;
  auto s0 = hn::Zero(d);
  auto s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const auto e0 = vector_exp_nonpositive(d, hn::Sub(hn::LoadU(d, x + i), maximum));
    const auto e1 = vector_exp_nonpositive(d, hn::Sub(hn::LoadU(d, x + i + kLanes), maximum));
    if (keep) {
      hn::StoreU(e0, d, y + i);
      hn::StoreU(e1, d, y + i + kLanes);
    }
    s0 = hn::Add(s0, e0);
    s1 = hn::Add(s1, e1);
  }
  for (; i < n; i += kLanes) {
    const size_t left = static_cast<size_t>(HWY_MIN(kLanes, n - i));
    const auto e = vector_exp_nonpositive(d, hn::Sub(load_tail(d, x + i, left), maximum));
    if (keep) store_tail(e, d, y + i, left);
    s0 = hn::Add(s0, hn::IfThenElseZero(hn::FirstN(d, left), e));
  }
  const auto sum = hn::SumOfLanes(d, hn::Add(s0, s1));
  if (keep) {
    const auto inverse = hn::Div(hn::Set(d, 1.0F), sum);
    for (i = 0; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Mul(hn::LoadU(d, y + i), inverse), d, y + i);
    if (i < n) {
      const size_t left = static_cast<size_t>(n - i);
      store_tail(hn::Mul(load_tail(d, y + i, left), inverse), d, y + i, left);
    }
  } else {
    // Subtracted one after the other, as log of the sum may be lost in a large maximum.
    const auto log_sum = vector_log(d, sum);
    for (i = 0; i + kLanes <= n; i += kLanes) {
      hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, x + i), maximum), log_sum), d, y + i);
    }
    if (i < n) {
      const size_t left = static_cast<size_t>(n - i);
      store_tail(hn::Sub(hn::Sub(load_tail(d, x + i, left), maximum), log_sum), d, y + i, left);
    }
  }
}

// Some columns of a strided axis, a vector of them at a time: lanes are independent, sums run down the axis.
void run_softmax_columns(SoftmaxKind kind, const float* x, float* y, int64_t axis, int64_t inner, int64_t columns) {
  const FloatTag d;
  for (int64_t j = 0; j < columns; j += kLanes) {
    const size_t left = static_cast<size_t>(HWY_MIN(kLanes, columns - j));
    const bool whole = left == static_cast<size_t>(kLanes);
    auto load = [&](const float* p) HWY_ATTR { return whole ? hn::LoadU(d, p) : load_tail(d, p, left); };
    auto store = [&](FloatVector v, float* p) HWY_ATTR {
      if (whole) {
        hn::StoreU(v, d, p);
      } else {
        store_tail(v, d, p, left);
      }
    };
    auto maximum = hn::Set(d, -std::numeric_limits<float>::infinity());
    for (int64_t i = 0; i < axis; ++i) maximum = hn::Max(load(x + i * inner + j), maximum);
    auto sum = hn::Zero(d);
    for (int64_t i = 0; i < axis; ++i) {
      const auto e = vector_exp_nonpositive(d, hn::Sub(load(x + i * inner + j), maximum));
      if (kind == SoftmaxKind::kSoftmax) store(e, y + i * inner + j);
      sum = hn::Add(sum, e);
    }
    if (kind == SoftmaxKind::kSoftmax) {
      const auto inverse = hn::Div(hn::Set(d, 1.0F), sum);
      for (int64_t i = 0; i < axis; ++i) store(hn::Mul(load(y + i * inner + j), inverse), y + i * inner + j);
    } else {
      const auto log_sum = vector_log(d, sum);
      for (int64_t i = 0; i < axis; ++i) {
        store(hn::Sub(hn::Sub(load(x + i * inner + j), maximum), log_sum), y + i * inner + j);
      }
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_softmax_row);
HWY_EXPORT(run_softmax_columns);

namespace {
// About 1 ns an element on one core.
constexpr int64_t kElementsPerTask = 16 * 1024;
}  // namespace

void softmax_rows(SoftmaxKind kind, const float* x, float* y, int64_t rows, int64_t columns, Parallel& parallel) {
  if (rows <= 0 || columns <= 0) return;
  for_ranges(parallel, rows, kElementsPerTask / columns, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      HWY_DYNAMIC_DISPATCH(run_softmax_row)(kind, x + i * columns, y + i * columns, columns);
    }
  });
}

void softmax_axis(SoftmaxKind kind, const float* x, float* y, int64_t outer, int64_t axis, int64_t inner,
                  Parallel& parallel) {
  if (outer <= 0 || axis <= 0 || inner <= 0) return;
  if (inner == 1) return softmax_rows(kind, x, y, outer, axis, parallel);
  // Pieces of columns of one outer index; whole vectors, so that a piece's edge is not a tail.
  constexpr int64_t kPiece = 64;
  const int64_t pieces = (inner + kPiece - 1) / kPiece;
  const int64_t grain = kElementsPerTask / (axis * std::min(inner, kPiece));
  for_ranges(parallel, outer * pieces, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % pieces * kPiece;
      const int64_t offset = i / pieces * axis * inner + first;
      HWY_DYNAMIC_DISPATCH(run_softmax_columns)
      (kind, x + offset, y + offset, axis, inner, std::min(kPiece, inner - first));
    }
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
