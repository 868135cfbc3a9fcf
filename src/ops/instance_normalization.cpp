// InstanceNormalization: https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html, versions 6 to 22.
// GroupNormalization: https://onnx.ai/onnx/operators/onnx__GroupNormalization.html, versions 18 and 21 (18 has a scale
// for each group, 21 for each channel). stash_type is ignored: float is computed in float, double in double.
//
// Both normalize an image's channels in groups; an instance is a group of one channel.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/error.h"
#include "kernels/layer_norm.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class GroupNormalization final : public Operator {
 public:
  explicit GroupNormalization(const Node& node)
      : groups_(node.op_type == "GroupNormalization" ? node.attributes.require_int("num_groups") : 0),
        is_scaled_by_group_(groups_ > 0 && node.version < 21),
        epsilon_(node.attributes.get_float("epsilon", 1e-5F)) {
    if (groups_ < 0 || (groups_ == 0 && node.op_type == "GroupNormalization")) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("num_groups is {}.", groups_));
    }
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    const Shape& x = context.shape(0);
    if (x.rank() < 3 && groups_ == 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Input of shape {} has no spatial axis.", x.to_string()));
    }
    if (x.rank() < 2) throw Error(ErrorCode::kInvalidGraph, "GroupNormalization needs a channel axis.");
    if (is_known(x[1]) && groups_ > 0 && x[1] % groups_ != 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} channels do not make {} groups.", x[1], groups_));
    }
    const int64_t wanted = is_scaled_by_group_ ? groups_ : x[1];
    for (const int i : {1, 2}) {
      if (!context.has_shape(i)) continue;
      const Shape& own = context.shape(i);
      if (own.rank() != 1 || (is_known(own[0]) && is_known(wanted) && own[0] != wanted)) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("{} of shape {} where {} values are needed.",
                                                          i == 1 ? "scale" : "bias", own.to_string(), wanted));
      }
    }
    context.set_output(0, context.type(0), x);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.input(0).elements() == 0) return;
    if (context.input(0).type == DataType::kDouble) {
      run_rows<double>(context, [this](const double* x, double* y, int64_t n) { normalize(x, y, n); });
    } else {
      run_rows<float>(context, [this](const float* x, float* y, int64_t n) { normalize(x, y, n); });
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

 private:
  void normalize(const float* x, float* y, int64_t n) const {
    SerialParallel serial;
    kernels::LayerNorm norm;
    norm.rows = 1;
    norm.columns = n;
    norm.epsilon = epsilon_;
    norm.x = x;
    norm.y = y;
    kernels::layer_norm(norm, serial);
  }

  void normalize(const double* x, double* y, int64_t n) const {
    const auto count = static_cast<double>(n);
    double mean = 0.0;
    for (int64_t i = 0; i < n; ++i) mean += x[i];
    mean /= count;
    double variance = 0.0;
    for (int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const double inverse = 1.0 / std::sqrt(variance / count + double{epsilon_});
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * inverse;
  }

  static void scale_and_shift(float* y, float scale, float shift, int64_t n) {
    kernels::map_scale_shift(y, &scale, &shift, 0, y, n);
  }
  static void scale_and_shift(double* y, double scale, double shift, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = y[i] * scale + shift;
  }

  /// A task normalizes a group and scales it while it is in the cache.
  template <class T, class Normalize>
  void run_rows(RunContext& context, Normalize&& normalize_row) const {
    const TensorView& x = context.input(0);
    const T* in = x.as<T>();
    T* out = context.output(0).as<T>();
    const T* scale = context.input(1).as<T>();
    const T* bias = context.input(2).as<T>();
    const int64_t channels = x.dim(1);
    const int64_t groups = groups_ == 0 ? channels : groups_;
    const int64_t group_channels = channels / groups;
    const int64_t pixels = x.shape().product(2, x.rank());
    const int64_t columns = group_channels * pixels;
    for_ranges(context.parallel(), x.dim(0) * groups, std::max<int64_t>(1, 8192 / columns),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t row = begin; row < end; ++row) {
                   normalize_row(in + row * columns, out + row * columns, columns);
                   const int64_t group = row % groups;
                   for (int64_t i = 0; i < group_channels; ++i) {
                     const int64_t place = is_scaled_by_group_ ? group : group * group_channels + i;
                     scale_and_shift(out + row * columns + i * pixels, scale[place], bias[place], pixels);
                   }
                 }
               });
  }

  int64_t groups_;  ///< 0: each channel is one
  bool is_scaled_by_group_;
  float epsilon_;
};

OpDef make_def(std::string_view name, int since) {
  return OpDef{
      .name = name,
      .since = since,
      .inputs = {{"X", "T"}, {"scale", "T"}, {"bias", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<GroupNormalization>,
      .in_place = {0},
  };
}

}  // namespace

[[gnu::cold]] const OpDef& instance_normalization() {
  static const OpDef def = make_def("InstanceNormalization", 6);
  return def;
}

[[gnu::cold]] const OpDef& group_normalization() {
  static const OpDef def = make_def("GroupNormalization", 18);
  return def;
}

}  // namespace attune::ops
