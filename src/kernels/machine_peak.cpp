#include "kernels/machine_peak.h"

#include "kernels/simd.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/machine_peak.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Enough independent sums for two units of four to five cycles' latency, with registers left for the operands.
constexpr int kSums = 12;

/// Rounds of kSums multiply-adds; the result is there for the compiler not to leave the work out. Returns the floating-
/// point operations.
double multiply_add(int64_t rounds, float* result) {
  const hn::ScalableTag<float> d;
  using V = decltype(hn::Zero(d));
  const V a = hn::Set(d, 0.999F);
  const V b = hn::Set(d, 0.001F);
  // Each begins with a value of its own: of twelve equal chains the compiler makes one.
  const auto start = [&](int i) HWY_ATTR { return hn::Set(d, 0.001F * static_cast<float>(i + 1)); };
  V s0 = start(0), s1 = start(1), s2 = start(2), s3 = start(3), s4 = start(4), s5 = start(5);
  V s6 = start(6), s7 = start(7), s8 = start(8), s9 = start(9), s10 = start(10), s11 = start(11);
  for (int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b);
    s1 = hn::MulAdd(s1, a, b);
    s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b);
    s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b);
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b);
    s10 = hn::MulAdd(s10, a, b);
    s11 = hn::MulAdd(s11, a, b);
  }
  const V low = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(s4, s5));
  const V high = hn::Add(hn::Add(hn::Add(s6, s7), hn::Add(s8, s9)), hn::Add(s10, s11));
  *result = hn::GetLane(hn::Add(low, high));
  return 2.0 * kSums * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d));
}

/// The sum of `count` floats, a multiple of four vectors.
float sum_up(const float* data, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (int64_t i = 0; i + 4 * lanes <= count; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, data + i));
    s1 = hn::Add(s1, hn::LoadU(d, data + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, data + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, data + i + 3 * lanes));
  }
  return hn::GetLane(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <algorithm>
#include <chrono>
#include <vector>

namespace attune::kernels {
namespace {

HWY_EXPORT(multiply_add);
HWY_EXPORT(sum_up);

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double measure_peak_gflops(Parallel& parallel) {
  constexpr int64_t kRounds = 1'000'000;  // a few milliseconds
  const int threads = parallel.threads();
  std::vector<float> results(static_cast<size_t>(threads));
  double best = 0.0;
  // The clock rises within the first tries; the best one is the machine's.
  for (int attempt = 0; attempt < 8; ++attempt) {
    std::vector<double> operations(static_cast<size_t>(threads));
    const auto start = std::chrono::steady_clock::now();
    parallel.for_each(threads, [&](int64_t index, int) {
      const auto i = static_cast<size_t>(index);
      operations[i] = HWY_DYNAMIC_DISPATCH(multiply_add)(kRounds, &results[i]);
    });
    double sum = 0.0;
    for (const double count : operations) sum += count;
    best = std::max(best, sum / seconds_since(start) * 1e-9);
  }
  return best;
}

double measure_bandwidth_gbs(Parallel& parallel) {
  constexpr int64_t kFloats = int64_t{1} << 25;
  constexpr int64_t kPiece = int64_t{1} << 18;
  const std::vector<float> data(kFloats, 1.0F);
  std::vector<float> results(kFloats / kPiece);
  double best = 0.0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    parallel.for_each(kFloats / kPiece, [&](int64_t index, int) {
      results[static_cast<size_t>(index)] = HWY_DYNAMIC_DISPATCH(sum_up)(data.data() + index * kPiece, kPiece);
    });
    best = std::max(best, static_cast<double>(kFloats) * sizeof(float) / seconds_since(start) * 1e-9);
  }
  return best;
}

}  // namespace attune::kernels
#endif
