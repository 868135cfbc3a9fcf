// Attention of an embedding model with 12 heads and a mask over keys; arguments are the sequence length and the size of
// a head. Compare GFMA/s (multiply-adds of the two products alone) with gemm_bench.cpp's.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/simd.h"

namespace attune::kernels {
namespace {

void embedding(benchmark::State& state) {
  Attention a;
  a.batch = 1;
  a.heads = 12;
  a.query_length = a.key_length = state.range(0);
  a.head_size = a.value_size = state.range(1);
  a.scale = 1.0F / std::sqrt(static_cast<float>(a.head_size));
  const int64_t width = a.heads * a.head_size;
  std::vector<float> qkv(static_cast<size_t>(a.key_length * width * 3), 0.01F);
  std::vector<float> output(static_cast<size_t>(a.query_length * width));
  std::vector<float> mask(static_cast<size_t>(a.key_length));
  const AttentionStrides strides{0, a.head_size, 3 * width, 1};
  a.q = qkv.data();
  a.k = qkv.data() + width;
  a.v = qkv.data() + 2 * width;
  a.q_strides = a.k_strides = a.v_strides = strides;
  a.mask = mask.data();
  a.mask_strides = {0, 0, 0, 1};
  a.output = output.data();
  a.output_strides = {0, a.head_size, width, 1};
  SerialParallel serial;
  std::vector<float> workspace(attention_workspace_size(a, 1));
  for (auto _ : state) {
    attention(a, workspace.data(), serial);
    benchmark::ClobberMemory();
  }
  const double multiply_adds = 2.0 * static_cast<double>(a.heads * a.query_length * a.key_length * a.head_size);
  state.counters["GFMA/s"] = benchmark::Counter(multiply_adds * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(target_name()));
}
BENCHMARK(embedding)
    ->Name("attention/embedding")
    ->ArgsProduct({{1, 32, 128, 512}, {32, 64, 128}})
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMicrosecond)
    ->MinTime(0.1);

}  // namespace
}  // namespace attune::kernels
