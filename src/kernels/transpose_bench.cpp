// Transposes by shape, beside a plain copy of as many bytes.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "kernels/copy.h"

namespace attune::kernels {
namespace {

void run_permutation(benchmark::State& state, Element element, std::array<int64_t, 4> dims, std::array<int, 4> order) {
  std::array<int64_t, 4> strides{};
  int64_t elements = 1;
  for (size_t axis = 4; axis-- > 0;) {
    strides[axis] = elements;
    elements *= dims[axis];
  }
  StridedBox box;
  int64_t target = 1;
  for (size_t i = 4; i-- > 0;) {
    const auto axis = static_cast<size_t>(order[i]);
    box.add(dims[axis], strides[axis], target);
    target *= dims[axis];
  }
  const size_t bytes = static_cast<size_t>(elements) * element_bytes(element);
  const std::vector<std::byte> from(bytes);
  std::vector<std::byte> to(bytes);
  SerialParallel parallel;
  for (auto _ : state) {
    copy_strided(box, element, from.data(), to.data(), parallel);
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes) * state.iterations());
}

void add(const char* name, Element element, std::array<int64_t, 4> dims, std::array<int, 4> order) {
  benchmark::RegisterBenchmark(name, run_permutation, element, dims, order);
}

const bool kRegistered = [] {
  add("Transpose/copy/f32", Element::k4Bytes, {8, 12, 128, 64}, {0, 1, 2, 3});
  add("Transpose/swap_last/f32", Element::k4Bytes, {8, 12, 128, 64}, {0, 1, 3, 2});
  add("Transpose/heads/f32", Element::k4Bytes, {8, 128, 12, 64}, {0, 2, 1, 3});
  add("Transpose/nchw_to_nhwc/f32", Element::k4Bytes, {1, 64, 112, 112}, {0, 2, 3, 1});
  add("Transpose/nhwc_to_nchw/f32", Element::k4Bytes, {1, 112, 112, 64}, {0, 3, 1, 2});
  add("Transpose/pixels_to_planes/f32", Element::k4Bytes, {1, 512, 512, 3}, {0, 3, 1, 2});
  add("Transpose/planes_to_pixels/f32", Element::k4Bytes, {1, 3, 512, 512}, {0, 2, 3, 1});
  add("Transpose/shuffle/f32", Element::k4Bytes, {2, 58, 28, 28}, {1, 0, 2, 3});
  add("Transpose/swap_last/u8", Element::k1Byte, {1, 1, 1024, 1024}, {0, 1, 3, 2});
  add("Transpose/swap_last/f64", Element::k8Bytes, {1, 1, 512, 512}, {0, 1, 3, 2});
  add("Transpose/pixels_to_planes/u8", Element::k1Byte, {1, 512, 512, 3}, {0, 3, 1, 2});
  return true;
}();

}  // namespace
}  // namespace attune::kernels
