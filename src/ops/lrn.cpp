// LRN: https://onnx.ai/onnx/operators/onnx__LRN.html, versions 1 to 13.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// y[i] = x[i] / base[i]^beta; `base` is overwritten.
void divide_by_power(const float* x, float* base, float beta, float* y, int64_t n) {
  const float exponent = -beta;
  kernels::map_binary(kernels::BinaryFunction::kPow, base, 1, &exponent, 0, base, n);
  kernels::map_binary(kernels::BinaryFunction::kMul, x, 1, base, 1, y, n);
}

void divide_by_power(const double* x, double* base, float beta, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * std::pow(base[i], -double{beta});
}

class Lrn final : public Operator {
 public:
  explicit Lrn(const Node& node)
      : size_(node.attributes.require_int("size")),
        alpha_(node.attributes.get_float("alpha", 1e-4F)),
        beta_(node.attributes.get_float("beta", 0.75F)),
        bias_(node.attributes.get_float("bias", 1.0F)) {
    if (size_ < 1) throw Error(ErrorCode::kInvalidGraph, fmt::format("LRN's size is {}.", size_));
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    if (context.shape(0).rank() < 2) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Input of shape {} has no channel axis.", context.shape(0).to_string()));
    }
    context.set_output(0, context.type(0), context.shape(0));
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.input(0).elements() == 0) return;
    if (context.input(0).type == DataType::kDouble) return run_pixels<double>(context);
    run_pixels<float>(context);
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return (2.0 * static_cast<double>(size_) + 20.0) * static_cast<double>(inputs[0].elements());
  }

 private:
  /// A task computes some adjacent pixels of all channels of an image.
  template <class T>
  void run_pixels(RunContext& context) const {
    constexpr int64_t kPixels = 256;
    const TensorView& x = context.input(0);
    const int64_t channels = x.dim(1);
    const int64_t pixels = x.shape().product(2, x.rank());
    const int64_t pieces = (pixels + kPixels - 1) / kPixels;
    const T factor = static_cast<T>(alpha_) / static_cast<T>(size_);
    for_ranges(context.parallel(), x.dim(0) * pieces, 1, [&](int64_t begin, int64_t end, int) {
      std::array<T, static_cast<size_t>(kPixels)> sum;
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t first = piece % pieces * kPixels;
        const int64_t count = std::min(kPixels, pixels - first);
        const int64_t image = piece / pieces * channels * pixels + first;
        const T* in = x.as<T>() + image;
        T* out = context.output(0).as<T>() + image;
        for (int64_t c = 0; c < channels; ++c) {
          std::fill_n(sum.begin(), count, T{0});
          const int64_t from = std::max<int64_t>(c - (size_ - 1) / 2, 0);
          const int64_t to = std::min(c + size_ / 2, channels - 1);
          for (int64_t other = from; other <= to; ++other) {
            const T* row = in + other * pixels;
            for (int64_t i = 0; i < count; ++i) sum[static_cast<size_t>(i)] += row[i] * row[i];
          }
          for (int64_t i = 0; i < count; ++i) {
            sum[static_cast<size_t>(i)] = static_cast<T>(bias_) + factor * sum[static_cast<size_t>(i)];
          }
          divide_by_power(in + c * pixels, sum.data(), beta_, out + c * pixels, count);
        }
      }
    });
  }

  int64_t size_;
  float alpha_;
  float beta_;
  float bias_;
};

}  // namespace

[[gnu::cold]] const OpDef& lrn() {
  static const OpDef def{
      .name = "LRN",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<Lrn>,
  };
  return def;
}

}  // namespace attune::ops
