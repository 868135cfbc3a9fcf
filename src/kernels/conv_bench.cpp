// Convolution layers of mobilenet_v2, resnet50, vgg19 and a small text detector. Each prints the share of the machine's
// multiply-add peak that it reaches, the peak being measured right before (clocks and neighbours change within a run),
// (by the products of the direct sum, so more
// than 100 for Winograd), and the bytes of activations that it reads and writes a second. Choose a target with
// ATTUNE_TARGET. conv_error/ gives the errors of the direct sum and of Winograd over the number of input channels.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "kernels/conv.h"
#include "kernels/reorder.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv_bench.cpp"
#include "hwy/aligned_allocator.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/conv_unroll-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

// Multiply-adds of single floats, in chains enough to hide their latency. Returns something that depends on all.
float multiply_add_chains(int64_t rounds) {
  constexpr int kChains = 12;
  const FloatTag d;
  FloatVector chain[kChains];
  unroll<kChains>([&](auto i) ATTUNE_UNROLLED { chain[i()] = hn::Set(d, 0.001F * static_cast<float>(i())); });
  const FloatVector factor = hn::Set(d, 0.9999F);
  const FloatVector term = hn::Set(d, 0.001F);
  for (int64_t round = 0; round < rounds; ++round) {
    unroll<kChains>([&](auto i) ATTUNE_UNROLLED { chain[i()] = hn::MulAdd(chain[i()], factor, term); });
  }
  FloatVector sum = hn::Zero(d);
  unroll<kChains>([&](auto i) ATTUNE_UNROLLED { sum = hn::Add(sum, chain[i()]); });
  return hn::GetLane(sum);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(multiply_add_chains);

namespace {

// Multiply-adds a second of one thread.
double measure_peak() {
  constexpr int64_t kRounds = 100000;
  double best = 0.0;
  for (int i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(HWY_DYNAMIC_DISPATCH(multiply_add_chains)(kRounds));
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 12.0 * kRounds * vector_floats() / time.count());
  }
  return best;
}

// On cache lines, as the engine's memory is: blocks of AVX-512 would otherwise lie across two each.
class AlignedFloats {
 public:
  AlignedFloats(int64_t size, float value) : data_(hwy::AllocateAligned<float>(static_cast<size_t>(size) + 1)) {
    std::fill_n(data_.get(), size, value);
  }
  float* data() { return data_.get(); }

 private:
  hwy::AlignedFreeUniquePtr<float[]> data_;
};

struct BenchLayer {
  const char* name;
  ConvShape shape;
  ImageLayout input = ImageLayout::kBlocked;
};

void run_layer(benchmark::State& state, const BenchLayer& layer, ConvKernel kernel) {
  const ConvShape& shape = layer.shape;
  SerialParallel serial;
  const int64_t weights_size =
      shape.out_channels * (shape.in_channels / shape.groups) * shape.kernel_h * shape.kernel_w;
  const std::vector<float> weights(static_cast<size_t>(weights_size), 0.01F);
  AlignedFloats packed(packed_conv_weights_size(shape, kernel), 0.0F);
  pack_conv_weights(shape, kernel, weights.data(), packed.data(), serial);
  AlignedFloats workspace(conv_workspace_size(shape, kernel, 1), 0.0F);
  const int64_t block = block_channels();
  const bool plain = conv_input_layout(kernel) == ImageLayout::kPlain;
  const int64_t in_size = blocked_size(1, shape.in_channels, shape.in_h, shape.in_w, plain ? 1 : block);
  const int64_t out_size = blocked_size(1, shape.out_channels, shape.out_h(), shape.out_w(), block);
  AlignedFloats in(in_size, 0.5F);
  AlignedFloats out(out_size, 0.0F);
  const std::vector<float> bias(static_cast<size_t>(shape.out_channels), 0.1F);
  ConvEpilogue epilogue;
  epilogue.bias = bias.data();
  epilogue.activation.kind = Activation::Kind::kRelu;
  const ConstImage source =
      plain ? plain_image<const float>(in.data(), shape.in_channels, shape.in_h, shape.in_w)
            : blocked_image<const float>(in.data(), shape.in_channels, shape.in_h, shape.in_w, block);
  const Image target = blocked_image(out.data(), shape.out_channels, shape.out_h(), shape.out_w(), block);
  const double peak = measure_peak();
  double best = 1e30;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    run_conv(shape, kernel, packed.data(), source, target, epilogue, {0, shape.out_h()}, workspace.data(), serial);
    benchmark::ClobberMemory();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    best = std::min(best, time.count());
  }
  const double products = static_cast<double>(weights_size) * static_cast<double>(shape.out_h() * shape.out_w());
  state.counters["us"] = best * 1e6;
  state.counters["peak_%"] = 100.0 * products / best / peak;
  state.counters["GB/s"] = static_cast<double>(in_size + out_size) * sizeof(float) / best * 1e-9;
}

ConvShape square(int64_t in, int64_t out, int64_t groups, int64_t size, int64_t kernel, int64_t stride) {
  const int64_t pad = (kernel - 1) / 2;
  return {1, in, out, groups, size, size, kernel, kernel, stride, stride, 1, 1, pad, pad, pad, pad};
}

const BenchLayer kLayers[] = {
    {"vgg19/stem_3x3", square(3, 64, 1, 224, 3, 1), ImageLayout::kPlain},
    {"vgg19/3x3_64_224", square(64, 64, 1, 224, 3, 1)},
    {"vgg19/3x3_128_112", square(128, 128, 1, 112, 3, 1)},
    {"vgg19/3x3_256_56", square(256, 256, 1, 56, 3, 1)},
    {"vgg19/3x3_512_28", square(512, 512, 1, 28, 3, 1)},
    {"vgg19/3x3_512_14", square(512, 512, 1, 14, 3, 1)},
    {"resnet50/stem_7x7s2", square(3, 64, 1, 224, 7, 2), ImageLayout::kPlain},
    {"resnet50/1x1_64_64_56", square(64, 64, 1, 56, 1, 1)},
    {"resnet50/3x3_64_56", square(64, 64, 1, 56, 3, 1)},
    {"resnet50/1x1_64_256_56", square(64, 256, 1, 56, 1, 1)},
    {"resnet50/1x1_256_64_56", square(256, 64, 1, 56, 1, 1)},
    {"resnet50/1x1s2_256_512", square(256, 512, 1, 56, 1, 2)},
    {"resnet50/3x3s2_128", square(128, 128, 1, 56, 3, 2)},
    {"resnet50/3x3_128_28", square(128, 128, 1, 28, 3, 1)},
    {"resnet50/1x1_128_512_28", square(128, 512, 1, 28, 1, 1)},
    {"resnet50/1x1_512_128_28", square(512, 128, 1, 28, 1, 1)},
    {"resnet50/3x3_256_14", square(256, 256, 1, 14, 3, 1)},
    {"resnet50/1x1_256_1024_14", square(256, 1024, 1, 14, 1, 1)},
    {"resnet50/1x1_1024_256_14", square(1024, 256, 1, 14, 1, 1)},
    {"resnet50/3x3_512_7", square(512, 512, 1, 7, 3, 1)},
    {"resnet50/1x1_2048_512_7", square(2048, 512, 1, 7, 1, 1)},
    {"resnet50/1x1_512_2048_7", square(512, 2048, 1, 7, 1, 1)},
    {"squeezenet/3x3_16_64_55", square(16, 64, 1, 55, 3, 1)},
    {"mobilenet_v2/stem_3x3s2", square(3, 32, 1, 224, 3, 2), ImageLayout::kPlain},
    {"mobilenet_v2/dw3x3_32_112", square(32, 32, 32, 112, 3, 1)},
    {"mobilenet_v2/1x1_32_16_112", square(32, 16, 1, 112, 1, 1)},
    {"mobilenet_v2/1x1_16_96_112", square(16, 96, 1, 112, 1, 1)},
    {"mobilenet_v2/dw3x3s2_96_112", square(96, 96, 96, 112, 3, 2)},
    {"mobilenet_v2/1x1_96_24_56", square(96, 24, 1, 56, 1, 1)},
    {"mobilenet_v2/1x1_24_144_56", square(24, 144, 1, 56, 1, 1)},
    {"mobilenet_v2/dw3x3_144_56", square(144, 144, 144, 56, 3, 1)},
    {"mobilenet_v2/dw3x3_384_14", square(384, 384, 384, 14, 3, 1)},
    {"mobilenet_v2/1x1_384_64_14", square(384, 64, 1, 14, 1, 1)},
    {"mobilenet_v2/dw3x3_960_7", square(960, 960, 960, 7, 3, 1)},
    {"mobilenet_v2/1x1_960_320_7", square(960, 320, 1, 7, 1, 1)},
    {"mobilenet_v2/1x1_320_1280_7", square(320, 1280, 1, 7, 1, 1)},
    {"detector/stem_3x3s2_8", square(3, 8, 1, 640, 3, 2), ImageLayout::kPlain},
    {"detector/1x1_8_16_320", square(8, 16, 1, 320, 1, 1)},
    {"detector/dw5x5_48_80", square(48, 48, 48, 80, 5, 1)},
    {"detector/dw5x5s2_48_160", square(48, 48, 48, 160, 5, 2)},
    {"detector/1x1_48_24_80", square(48, 24, 1, 80, 1, 1)},
    {"detector/3x3_96_24_160", square(96, 24, 1, 160, 3, 1)},
    {"detector/dw9x9_64_80", square(64, 64, 64, 80, 9, 1)},
    {"resnext/3x3_g32_128_56", square(128, 128, 32, 56, 3, 1)},
};

// The error of a 3x3 layer by one kernel, with random images and weights of the same spread: RMS of the difference from
// sums in double precision over the RMS of these. Argument: input channels.
void measure_error(benchmark::State& state, ConvKernel kernel) {
  const ConvShape shape = square(state.range(0), 16, 1, 16, 3, 1);
  const int64_t block = block_channels();
  SerialParallel serial;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> image(static_cast<size_t>(shape.in_channels * shape.in_h * shape.in_w));
  std::vector<float> weights(static_cast<size_t>(shape.out_channels * shape.in_channels * 9));
  for (float& value : image) value = normal(random);
  for (float& value : weights) value = normal(random);
  AlignedFloats packed(packed_conv_weights_size(shape, kernel), 0.0F);
  AlignedFloats workspace(conv_workspace_size(shape, kernel, 1), 0.0F);
  AlignedFloats in(blocked_size(1, shape.in_channels, shape.in_h, shape.in_w, block), 0.0F);
  AlignedFloats out(blocked_size(1, shape.out_channels, shape.out_h(), shape.out_w(), block), 0.0F);
  pack_conv_weights(shape, kernel, weights.data(), packed.data(), serial);
  const Image blocked = blocked_image(in.data(), shape.in_channels, shape.in_h, shape.in_w, block);
  reorder_plain_to_blocked({1, shape.in_channels, shape.in_h, shape.in_w},
                           plain_image<const float>(image.data(), shape.in_channels, shape.in_h, shape.in_w), blocked,
                           serial);
  for (auto _ : state) {
    run_conv(shape, kernel, packed.data(), as_const(blocked),
             blocked_image(out.data(), shape.out_channels, shape.out_h(), shape.out_w(), block), {}, {0, shape.out_h()},
             workspace.data(), serial);
  }
  double errors = 0.0;
  double squares = 0.0;
  for (int64_t m = 0; m < shape.out_channels; ++m) {
    for (int64_t pixel = 0; pixel < shape.in_h * shape.in_w; ++pixel) {
      double sum = 0.0;
      for (int64_t c = 0; c < shape.in_channels; ++c) {
        for (int64_t tap = 0; tap < 9; ++tap) {
          const int64_t y = pixel / shape.in_w + tap / 3 - 1;
          const int64_t x = pixel % shape.in_w + tap % 3 - 1;
          if (y < 0 || x < 0 || y >= shape.in_h || x >= shape.in_w) continue;
          sum += double{image[static_cast<size_t>((c * shape.in_h + y) * shape.in_w + x)]} *
                 double{weights[static_cast<size_t>((m * shape.in_channels + c) * 9 + tap)]};
        }
      }
      const double found = out.data()[(m / block * shape.in_h * shape.in_w + pixel) * block + m % block];
      errors += (found - sum) * (found - sum);
      squares += sum * sum;
    }
  }
  state.counters["error"] = std::sqrt(errors / squares);
}

const bool kErrorsRegistered = [] {
  const std::pair<const char*, ConvKernel> kernels[] = {{"conv_error/direct", ConvKernel::kDirect},
                                                        {"conv_error/winograd2", ConvKernel::kWinograd2},
                                                        {"conv_error/winograd4", ConvKernel::kWinograd4},
                                                        {"conv_error/winograd6", ConvKernel::kWinograd6}};
  for (const auto& [name, kernel] : kernels) {
    benchmark::RegisterBenchmark(name, measure_error, kernel)->RangeMultiplier(4)->Range(32, 2048)->Iterations(1);
  }
  return true;
}();

const bool kRegistered = [] {
  for (const BenchLayer& layer : kLayers) {
    const std::string name = std::string("conv/") + layer.name;
    const ConvShape& shape = layer.shape;
    const ConvKernel kernel = select_conv_kernel(shape, layer.input, shape.out_h(), shape.out_w());
    const ConvKernel direct = select_conv_kernel(shape, layer.input, shape.out_h(), shape.out_w(), false);
    benchmark::RegisterBenchmark(name.c_str(), run_layer, layer, direct)->UseRealTime();
    if (kernel != ConvKernel::kWinograd2 && kernel != ConvKernel::kWinograd4 && kernel != ConvKernel::kWinograd6)
      continue;
    for (const auto& [variant, winograd] :
         {std::pair("/winograd2", ConvKernel::kWinograd2), std::pair("/winograd4", ConvKernel::kWinograd4),
          std::pair("/winograd6", ConvKernel::kWinograd6)}) {
      benchmark::RegisterBenchmark((name + variant).c_str(), run_layer, layer, winograd)->UseRealTime();
    }
  }
  return true;
}();

}  // namespace
}  // namespace attune::kernels
#endif  // HWY_ONCE
