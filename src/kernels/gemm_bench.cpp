// Matrix products against the machine's peak, which is measured in the same run: each line's "peak" is the share of it.
// Arguments are m, n, k and the threads. ATTUNE_TARGET chooses the instruction set.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm_bench.cpp"
#include "hwy/aligned_allocator.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// Twelve independent chains of multiply-adds; returns a value that depends on all, so that they are not optimized away.
float run_multiply_adds(int64_t steps) {
  const FloatTag d;
  FloatVector sum[12];
  ATTUNE_UNROLL for (int i = 0; i < 12; ++i) sum[i] = hn::Set(d, static_cast<float>(i));
  const auto x = hn::Set(d, 0.999999F);
  const auto y = hn::Set(d, 1e-9F * static_cast<float>(steps & 1));
  for (int64_t s = 0; s < steps; ++s) {
    ATTUNE_UNROLL for (int i = 0; i < 12; ++i) sum[i] = hn::MulAdd(sum[i], x, y);
  }
  ATTUNE_UNROLL for (int i = 1; i < 12; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  return hn::GetLane(hn::SumOfLanes(d, sum[0]));
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {
namespace {

HWY_EXPORT(run_multiply_adds);

// Threads that spin between calls, so that what is measured is the kernel's cut, not the cost of waking.
class SpinningParallel final : public Parallel {
 public:
  explicit SpinningParallel(int threads) : threads_(threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  }
  ~SpinningParallel() override {
    stop_ = true;
    generation_.fetch_add(1);
    for (auto& worker : workers_) worker.join();
  }
  int threads() const override { return threads_; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    task_ = &task;
    count_ = count;
    next_ = 0;
    finished_ = 0;
    generation_.fetch_add(1);
    drain(0);
    while (finished_.load() != threads_ - 1) std::this_thread::yield();
  }

 private:
  void drain(int thread) {
    for (int64_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) (*task_)(i, thread);
  }
  void work(int thread) {
    int64_t seen = 0;
    while (true) {
      while (generation_.load() == seen) std::this_thread::yield();
      ++seen;
      if (stop_) return;
      drain(thread);
      finished_.fetch_add(1);
    }
  }

  int threads_;
  FunctionRef<void(int64_t, int)>* task_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  std::atomic<int64_t> generation_{0};
  std::atomic<int> finished_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

// Multiply-adds a second of one core, the best of several short runs.
double measure_peak() {
  double best = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    constexpr int64_t kSteps = 100'000;
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(HWY_DYNAMIC_DISPATCH(run_multiply_adds)(kSteps));
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(kSteps) * 12.0 * vector_floats() / time.count());
  }
  return best;
}

void report(benchmark::State& state, double multiply_adds, double bytes) {
  static const double peak = measure_peak();
  using benchmark::Counter;
  // By processor time, so that the share holds on a machine that others use too; idle threads spin and count.
  state.counters["peak"] = Counter(multiply_adds / peak, Counter::kIsIterationInvariantRate);
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(target_name()));
}

// On cache lines, as the engine's memory is: vectors of AVX-512 would otherwise lie across two each.
class AlignedFloats {
 public:
  explicit AlignedFloats(size_t size, float value = 0.0F) : size_(size), data_(hwy::AllocateAligned<float>(size + 1)) {
    std::fill_n(data_.get(), size, value);
  }
  float* data() { return data_.get(); }
  size_t size() const { return size_; }

 private:
  size_t size_;
  hwy::AlignedFreeUniquePtr<float[]> data_;
};

struct Matrices {
  explicit Matrices(benchmark::State& state)
      : shape{state.range(0), state.range(1), state.range(2)},
        a(static_cast<size_t>(shape.m * shape.k), 0.5F),
        b(static_cast<size_t>(shape.n * shape.k), 0.25F),
        c(static_cast<size_t>(shape.m * shape.n)),
        bias(static_cast<size_t>(shape.n), 1.0F) {}
  double multiply_adds() const {
    return static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  }
  double b_bytes() const { return static_cast<double>(b.size() * sizeof(float)); }
  GemmShape shape;
  AlignedFloats a, b, c, bias;
};

void packed(benchmark::State& state) {
  Matrices x(state);
  SpinningParallel parallel(static_cast<int>(state.range(3)));
  AlignedFloats weights(packed_b_size(x.shape.k, x.shape.n));
  pack_b(x.shape.k, x.shape.n, {x.b.data(), x.shape.n, 1}, weights.data(), parallel);
  GemmEpilogue epilogue;
  epilogue.bias = x.bias.data();
  for (auto _ : state) {
    gemm_packed(x.shape, {x.a.data(), x.shape.k, 1}, weights.data(), x.c.data(), x.shape.n, epilogue, parallel);
    benchmark::ClobberMemory();
  }
  report(state, x.multiply_adds(), x.b_bytes());
}

// As in a model: the weights of every layer are others, and no cache holds all of them.
void packed_cold(benchmark::State& state) {
  Matrices x(state);
  SpinningParallel parallel(static_cast<int>(state.range(3)));
  const size_t size = packed_b_size(x.shape.k, x.shape.n);
  constexpr size_t kFloats = size_t{24} << 20;
  const size_t count = kFloats / size;
  AlignedFloats weights(count * size, 0.25F);
  GemmEpilogue epilogue;
  epilogue.bias = x.bias.data();
  size_t next = 0;
  for (auto _ : state) {
    const float* b = weights.data() + next % count * size;
    gemm_packed(x.shape, {x.a.data(), x.shape.k, 1}, b, x.c.data(), x.shape.n, epilogue, parallel);
    benchmark::ClobberMemory();
    ++next;
  }
  report(state, x.multiply_adds(), x.b_bytes());
}

void unpacked(benchmark::State& state, bool transposed) {
  Matrices x(state);
  SpinningParallel parallel(static_cast<int>(state.range(3)));
  AlignedFloats workspace(gemm_workspace_size(x.shape, parallel.threads()));
  const MatrixView b = transposed ? MatrixView{x.b.data(), 1, x.shape.k} : MatrixView{x.b.data(), x.shape.n, 1};
  for (auto _ : state) {
    gemm(x.shape, {x.a.data(), x.shape.k, 1}, b, x.c.data(), x.shape.n, {}, workspace.data(), parallel);
    benchmark::ClobberMemory();
  }
  report(state, x.multiply_adds(), x.b_bytes());
}

void nt_unpacked(benchmark::State& state) {
  Matrices x(state);
  SpinningParallel parallel(static_cast<int>(state.range(3)));
  for (auto _ : state) {
    gemm_nt_unpacked(x.shape, x.a.data(), x.shape.k, x.b.data(), x.shape.k, x.c.data(), x.shape.n, {}, parallel);
    benchmark::ClobberMemory();
  }
  report(state, x.multiply_adds(), x.b_bytes());
}

void large_shapes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t threads : {1, 2}) {
    benchmark->Args({1024, 1024, 1024, threads});
    for (int64_t m : {32, 128, 512}) {
      benchmark->Args({m, 384, 384, threads});
      benchmark->Args({m, 1536, 384, threads});
      benchmark->Args({m, 384, 1536, threads});
    }
    benchmark->Args({128, 128, 64, threads});
    benchmark->Args({231, 768, 3072, threads});
    benchmark->Args({231, 3072, 768, threads});
  }
  benchmark->MeasureProcessCPUTime()->Unit(benchmark::kMicrosecond)->MinTime(0.1);
}

void small_m_shapes(benchmark::internal::Benchmark* benchmark) {
  for (int64_t m : {1, 2, 3, 4, 8}) {
    for (int64_t threads : {1, 2}) {
      benchmark->Args({m, 768, 768, threads});
      benchmark->Args({m, 4096, 4096, threads});
      benchmark->Args({m, 512, 128, threads});
      benchmark->Args({m, 1024, 256, threads});
    }
  }
  benchmark->MeasureProcessCPUTime()->Unit(benchmark::kMicrosecond)->MinTime(0.1);
}

BENCHMARK(packed)->Name("gemm/packed")->Apply(large_shapes);
BENCHMARK(packed)->Name("gemm/packed_small_m")->Apply(small_m_shapes);
BENCHMARK(packed_cold)->Name("gemm/packed_cold")->Apply(large_shapes);
BENCHMARK_CAPTURE(unpacked, rows, false)->Name("gemm/unpacked")->Apply(large_shapes);
BENCHMARK_CAPTURE(unpacked, columns, true)->Name("gemm/unpacked_transposed")->Apply(large_shapes);
BENCHMARK(nt_unpacked)->Name("gemm/nt_unpacked")->Apply(small_m_shapes);

}  // namespace
}  // namespace attune::kernels
#endif  // HWY_ONCE
