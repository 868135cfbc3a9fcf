// BatchNormalization: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html, versions 1 to 15. Training mode
// (outputs behind the first, or before version 7 is_test = 0) normalizes by the batch's own mean and variance, made in
// double. Gap: spatial = 0 of version 7.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/element_types.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

constexpr int kScale = 1;
constexpr int kBias = 2;
constexpr int kMean = 3;
constexpr int kVariance = 4;

class BatchNormalization final : public Operator {
 public:
  explicit BatchNormalization(const Node& node)
      : epsilon_(node.attributes.get_float("epsilon", 1e-5F)),
        momentum_(node.attributes.get_float("momentum", 0.9F)),
        trains_(node.attributes.get_int("training_mode", 0) != 0) {
    for (int i = 1; i < node.output_count(); ++i) trains_ = trains_ || node.output(i) != nullptr;
    if (node.version < 7) trains_ = trains_ || node.attributes.get_int("is_test", 0) == 0;
    if (node.attributes.get_int("spatial", 1) == 0) {
      throw Error(ErrorCode::kNotImplemented, "BatchNormalization with spatial = 0 is not supported.");
    }
  }

  void infer(InferContext& context) const override {
    for (int i = 0; i < context.output_count(); ++i) context.set_output_type(i, context.type(i == 0 ? 0 : kMean));
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    if (x.rank() < 1) throw Error(ErrorCode::kInvalidGraph, "BatchNormalization does not take scalars.");
    const int64_t channels = x.rank() > 1 ? x[1] : 1;
    for (int i = kScale; i <= kVariance; ++i) {
      if (!context.has_shape(i)) continue;
      const Shape& own = context.shape(i);
      if (own.rank() != 1 || (is_known(own[0]) && is_known(channels) && own[0] != channels)) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("Input {} of shape {} for {} channels.", i, own.to_string(), channels));
      }
    }
    context.set_output(0, context.type(0), x);
    for (int i = 1; i < context.output_count(); ++i) context.set_output(i, context.type(kMean), Shape{channels});
  }

  void choose_layouts(LayoutContext& context) const override {
    if (trains_ || context.current(0) != Layout::kBlocked || context.input(0).type != DataType::kFloat) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int) const override {
    WorkspaceCursor cursor;
    take<double>(cursor, inputs[0]);  // enough for float, too
    return cursor.bytes();
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return trains_ ? 0 : batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.input(0).elements() == 0) return;
    if (trains_) return train(context);
    if (context.input(0).type == DataType::kDouble) return run_double(context);
    const TensorView& x = context.input(0);
    WorkspaceCursor cursor(context.workspace());
    const Factors<float> factors = take<float>(cursor, x);
    fill<float>(context, factors);
    const auto* in = x.as<float>();
    auto* out = context.output(0).as<float>();
    if (x.layout == Layout::kBlocked) return run_blocked(context, factors);
    const int64_t channels = count_channels(x);
    const int64_t pixels = x.elements() / (channels * x.dim(0));
    if (pixels == 1) {
      for_ranges(context.parallel(), x.dim(0), std::max<int64_t>(1, kGrain / channels),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t n = begin; n < end; ++n) {
                     kernels::map_scale_shift(in + n * channels, factors.scale, factors.shift, 1, out + n * channels,
                                              channels);
                   }
                 });
      return;
    }
    for_ranges(context.parallel(), x.dim(0) * channels, std::max<int64_t>(1, kGrain / pixels),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t plane = begin; plane < end; ++plane) {
                   const int64_t c = plane % channels;
                   kernels::map_scale_shift(in + plane * pixels, factors.scale + c, factors.shift + c, 0,
                                            out + plane * pixels, pixels);
                 }
               });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return 2.0 * static_cast<double>(inputs[0].elements());
  }

 private:
  static constexpr int64_t kGrain = 16384;

  /// y = x * scale + shift, for each channel; zeros in the lanes past the last.
  template <class T>
  struct Factors {
    T* scale;
    T* shift;
    int64_t count;
  };

  static int64_t count_channels(const TensorView& x) { return x.rank() > 1 ? x.dim(1) : 1; }

  template <class T>
  static Factors<T> take(WorkspaceCursor& cursor, const TensorView& x) {
    const int64_t block = x.layout == Layout::kBlocked ? x.block : 1;
    const int64_t count = (count_channels(x) + block - 1) / block * block;
    T* scale = cursor.take<T>(count);
    return {scale, cursor.take<T>(count), count};
  }

  static double read(const TensorView& view, int64_t i) {
    return view.type == DataType::kDouble ? view.as<double>()[i] : double{view.as<float>()[i]};
  }

  /// In T throughout, as onnxruntime has it.
  template <class T>
  void fill(const RunContext& context, const Factors<T>& factors) const {
    const int64_t channels = count_channels(context.input(0));
    for (int64_t c = 0; c < factors.count; ++c) {
      factors.scale[c] = T{0};
      factors.shift[c] = T{0};
      if (c >= channels) continue;
      const T inverse = T{1} / std::sqrt(static_cast<T>(read(context.input(kVariance), c)) + static_cast<T>(epsilon_));
      factors.scale[c] = static_cast<T>(read(context.input(kScale), c)) * inverse;
      factors.shift[c] = static_cast<T>(read(context.input(kBias), c)) -
                         static_cast<T>(read(context.input(kMean), c)) * factors.scale[c];
    }
  }

  /// A block's factors are repeated over some pixels, so that one call covers many.
  static void run_blocked(RunContext& context, const Factors<float>& factors) {
    constexpr int64_t kTile = 512;
    const TensorView& x = context.input(0);
    const int64_t block = x.block;
    const int64_t blocks = factors.count / block;
    const int64_t plane_floats = x.dim(2) * x.dim(3) * block;
    const auto* in = x.as<float>();
    auto* out = context.output(0).as<float>();
    for_ranges(context.parallel(), x.dim(0) * blocks, std::max<int64_t>(1, kGrain / plane_floats),
               [&](int64_t begin, int64_t end, int) {
                 std::array<float, kTile> scale;
                 std::array<float, kTile> shift;
                 const int64_t tile = std::min(kTile / block * block, plane_floats);
                 for (int64_t plane = begin; plane < end; ++plane) {
                   const int64_t first = plane % blocks * block;
                   for (int64_t i = 0; i < tile; ++i) {
                     scale[static_cast<size_t>(i)] = factors.scale[first + i % block];
                     shift[static_cast<size_t>(i)] = factors.shift[first + i % block];
                   }
                   for (int64_t i = 0; i < plane_floats; i += tile) {
                     const int64_t at = plane * plane_floats + i;
                     kernels::map_scale_shift(in + at, scale.data(), shift.data(), 1, out + at,
                                              std::min(tile, plane_floats - i));
                   }
                 }
               });
  }

  /// Outputs 1 and 2 are the running mean and variance; 3 and 4, before version 14, those of this batch.
  void train(RunContext& context) const {
    visit_type<float, double>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const TensorView& x = context.input(0);
      const int64_t channels = count_channels(x);
      const int64_t pixels = x.elements() / (channels * x.dim(0));
      const auto count = static_cast<double>(x.dim(0) * pixels);
      for_ranges(context.parallel(), channels, std::max<int64_t>(1, kGrain / (x.dim(0) * pixels)),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t c = begin; c < end; ++c) {
                     const auto for_each = [&](auto&& visit) {
                       for (int64_t n = 0; n < x.dim(0); ++n) {
                         const int64_t first = (n * channels + c) * pixels;
                         for (int64_t i = first; i < first + pixels; ++i) visit(i);
                       }
                     };
                     double mean = 0.0;
                     double variance = 0.0;
                     for_each([&](int64_t i) { mean += static_cast<double>(x.as<T>()[i]); });
                     mean /= count;
                     for_each([&](int64_t i) {
                       const double distance = static_cast<double>(x.as<T>()[i]) - mean;
                       variance += distance * distance;
                     });
                     variance /= count;
                     const double scale =
                         read(context.input(kScale), c) / std::sqrt(variance + static_cast<double>(epsilon_));
                     const double shift = read(context.input(kBias), c) - mean * scale;
                     for_each([&](int64_t i) {
                       context.output(0).as<T>()[i] = static_cast<T>(static_cast<double>(x.as<T>()[i]) * scale + shift);
                     });
                     const auto momentum = static_cast<double>(momentum_);
                     write(context, 1, c, read(context.input(kMean), c) * momentum + mean * (1.0 - momentum));
                     write(context, 2, c, read(context.input(kVariance), c) * momentum + variance * (1.0 - momentum));
                     write(context, 3, c, mean);
                     write(context, 4, c, variance);
                   }
                 });
    });
  }

  static void write(const RunContext& context, int i, int64_t c, double value) {
    if (!context.has_output(i)) return;
    const TensorView& view = context.output(i);
    if (view.type == DataType::kDouble) {
      view.as<double>()[c] = value;
    } else {
      view.as<float>()[c] = static_cast<float>(value);
    }
  }

  void run_double(RunContext& context) const {
    const TensorView& x = context.input(0);
    WorkspaceCursor cursor(context.workspace());
    const Factors<double> factors = take<double>(cursor, x);
    fill<double>(context, factors);
    const int64_t pixels = x.elements() / (factors.count * x.dim(0));
    const auto* in = x.as<double>();
    auto* out = context.output(0).as<double>();
    for_ranges(context.parallel(), x.elements(), kGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t c = i / pixels % factors.count;
        out[i] = in[i] * factors.scale[c] + factors.shift[c];
      }
    });
  }

  float epsilon_;
  float momentum_;
  bool trains_;
};

}  // namespace

[[gnu::cold]] const OpDef& batch_normalization() {
  static const OpDef def{
      .name = "BatchNormalization",
      .inputs = {{"X", "T"}, {"scale", "T1"}, {"B", "T1"}, {"input_mean", "T2"}, {"input_var", "T2"}},
      .outputs = {{"Y", "T"},
                  {"running_mean", "T2", Occurrence::kOptional},
                  {"running_var", "T2", Occurrence::kOptional},
                  {"saved_mean", "T2", Occurrence::kOptional},
                  {"saved_var", "T2", Occurrence::kOptional}},
      .types = {{"T", kFloats}, {"T1", kFloats}, {"T2", kFloats}},
      .make = make_operator<BatchNormalization>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
