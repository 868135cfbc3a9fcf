#include "kernels/layer_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);

// The sum over a row of term(v, mask of lanes that exist), in four vectors of partial sums: element i goes to lane
// i mod 4 vectors, the vectors and then the lanes are added at the end. Rows of up to some ten thousand elements keep
// six digits that way.
template <class Term>
HWY_INLINE float sum_row(const float* x, int64_t n, Term term) {
  const FloatTag d;
  auto s0 = hn::Zero(d);
  auto s1 = s0;
  auto s2 = s0;
  auto s3 = s0;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 = term(s0, hn::LoadU(d, x + i));
    s1 = term(s1, hn::LoadU(d, x + i + kLanes));
    s2 = term(s2, hn::LoadU(d, x + i + 2 * kLanes));
    s3 = term(s3, hn::LoadU(d, x + i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) s0 = term(s0, hn::LoadU(d, x + i));
  if (i < n) {
    const size_t left = static_cast<size_t>(n - i);
    s1 = hn::IfThenElse(hn::FirstN(d, left), term(s1, load_tail(d, x + i, left)), s1);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

// out = x + residual + bias, each of the last two if given.
void add_inputs(const float* x, const float* residual, const float* bias, float* out, int64_t n) {
  const FloatTag d;
  for (int64_t i = 0; i < n; i += kLanes) {
    const size_t left = static_cast<size_t>(HWY_MIN(kLanes, n - i));
    const bool whole = left == static_cast<size_t>(kLanes);
    auto v = whole ? hn::LoadU(d, x + i) : load_tail(d, x + i, left);
    if (residual != nullptr) v = hn::Add(v, whole ? hn::LoadU(d, residual + i) : load_tail(d, residual + i, left));
    if (bias != nullptr) v = hn::Add(v, whole ? hn::LoadU(d, bias + i) : load_tail(d, bias + i, left));
    if (whole) {
      hn::StoreU(v, d, out + i);
    } else {
      store_tail(v, d, out + i, left);
    }
  }
}

void run_layer_norm(const LayerNorm& norm, int64_t begin, int64_t end) {
  const FloatTag d;
  const int64_t n = norm.columns;
  const float count = static_cast<float>(n);
  for (int64_t row = begin; row < end; ++row) {
    const float* x = norm.x + row * n;
    float* y = norm.y + row * n;
    if (norm.residual != nullptr || norm.input_bias != nullptr || norm.sum != nullptr) {
      float* sum = norm.sum != nullptr ? norm.sum + row * n : y;
      add_inputs(x, norm.residual == nullptr ? nullptr : norm.residual + row * n, norm.input_bias, sum, n);
      x = sum;
    }
    float mean = 0.0F;
    if (!norm.rms) mean = sum_row(x, n, [](auto s, auto v) HWY_ATTR { return hn::Add(s, v); }) / count;
    const auto mean_vector = hn::Set(d, mean);
    const float variance = sum_row(x, n,
                                   [&](auto s, auto v) HWY_ATTR {
                                     const auto difference = hn::Sub(v, mean_vector);
                                     return hn::MulAdd(difference, difference, s);
                                   }) /
                           count;
    const float inverse_std = 1.0F / std::sqrt(variance + norm.epsilon);
    const auto factor = hn::Set(d, inverse_std);
    for (int64_t i = 0; i < n; i += kLanes) {
      const size_t left = static_cast<size_t>(HWY_MIN(kLanes, n - i));
      const bool whole = left == static_cast<size_t>(kLanes);
      auto v = hn::Mul(hn::Sub(whole ? hn::LoadU(d, x + i) : load_tail(d, x + i, left), mean_vector), factor);
      if (norm.scale != nullptr) {
        v = hn::Mul(v, whole ? hn::LoadU(d, norm.scale + i) : load_tail(d, norm.scale + i, left));
      }
      if (norm.bias != nullptr) {
        v = hn::Add(v, whole ? hn::LoadU(d, norm.bias + i) : load_tail(d, norm.bias + i, left));
      }
      if (whole) {
        hn::StoreU(v, d, y + i);
      } else {
        store_tail(v, d, y + i, left);
      }
    }
    if (norm.mean != nullptr) norm.mean[row] = mean;
    if (norm.inverse_std != nullptr) norm.inverse_std[row] = inverse_std;
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_layer_norm);

void layer_norm(const LayerNorm& norm, Parallel& parallel) {
  if (norm.rows <= 0 || norm.columns <= 0) return;
  // About 0.5 ns an element on one core.
  constexpr int64_t kElementsPerTask = 24 * 1024;
  for_ranges(parallel, norm.rows, kElementsPerTask / norm.columns, [&](int64_t begin, int64_t end, int) {
    HWY_DYNAMIC_DISPATCH(run_layer_norm)(norm, begin, end);
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
