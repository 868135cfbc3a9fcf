// LayerNormalization: https://onnx.ai/onnx/operators/onnx__LayerNormalization.html, version 17; accepted for earlier
// opsets too, as onnxruntime does. stash_type is ignored: float is computed in float, double in double.
// RMSNormalization: https://onnx.ai/onnx/operators/onnx__RMSNormalization.html, version 23, float and double.
// attune.SkipLayerNormalization, which the optimizer makes: the sum of X and skip, normalized over the last axis, and
// the sum itself as second output.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/error.h"
#include "kernels/layer_norm.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

[[noreturn]] void throw_shapes(std::string_view name, const Shape& shape, const Shape& wanted) {
  throw Error(ErrorCode::kInvalidGraph,
              fmt::format("The {} of shape {} does not broadcast to {}.", name, shape.to_string(), wanted.to_string()));
}

/// `shape` broadcasts to `x`, as far as dimensions are known.
void check_broadcast(std::string_view name, const Shape& shape, const Shape& x) {
  if (shape.rank() > x.rank()) throw_shapes(name, shape, x);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const int64_t dim = shape[axis];
    const int64_t wanted = x[axis + x.rank() - shape.rank()];
    if (is_known(dim) && is_known(wanted) && dim != 1 && dim != wanted) throw_shapes(name, shape, x);
  }
}

/// The index of the element of `shape` that broadcasts to element `index` of `x`.
int64_t broadcast_index(const Shape& shape, const Shape& x, int64_t index) {
  int64_t result = 0;
  int64_t stride = 1;
  for (int axis = x.rank() - 1, own = shape.rank() - 1; own >= 0; --axis, --own) {
    if (shape[own] != 1) {
      result += index % x[axis] * stride;
      stride *= shape[own];
    }
    index /= x[axis];
  }
  return result;
}

/// The rows and columns that normalization sees.
struct Extent {
  int64_t rows;
  int64_t columns;
};

/// One implementation for all element types but float, in two passes as the float kernel.
template <class T>
void normalize_rows(const T* x, T* y, Extent extent, double epsilon, bool rms, float* means, float* inverses,
                    Parallel& parallel) {
  const auto columns = static_cast<double>(extent.columns);
  for_ranges(parallel, extent.rows, std::max<int64_t>(1, 8192 / std::max<int64_t>(extent.columns, 1)),
             [&](int64_t begin, int64_t end, int) {
               for (int64_t row = begin; row < end; ++row) {
                 const T* in = x + row * extent.columns;
                 double mean = 0.0;
                 for (int64_t i = 0; i < extent.columns && !rms; ++i) mean += in[i];
                 mean /= columns;
                 double variance = 0.0;
                 for (int64_t i = 0; i < extent.columns; ++i) variance += (in[i] - mean) * (in[i] - mean);
                 const double inverse = 1.0 / std::sqrt(variance / columns + epsilon);
                 for (int64_t i = 0; i < extent.columns; ++i) {
                   y[row * extent.columns + i] = static_cast<T>((in[i] - mean) * inverse);
                 }
                 if (means != nullptr) means[row] = static_cast<float>(mean);
                 if (inverses != nullptr) inverses[row] = static_cast<float>(inverse);
               }
             });
}

class LayerNormalization final : public Operator {
 public:
  explicit LayerNormalization(const Node& node)
      : rms_(node.op_type == "RMSNormalization"),
        axis_(node.attributes.get_int("axis", -1)),
        epsilon_(node.attributes.get_float("epsilon", 1e-5F)) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    if (!context.has_shape(0)) {
      for (int i = 0; i < context.output_count(); ++i) context.set_output_type(i, i == 0 ? type : DataType::kFloat);
      return;
    }
    const Shape& x = context.shape(0);
    const int axis = resolve_axis(axis_, x.rank());
    if (context.has_shape(1)) check_broadcast("scale", context.shape(1), x);
    if (context.has_shape(2)) check_broadcast("bias", context.shape(2), x);
    context.set_output(0, type, x);
    Shape statistics = x;
    for (int i = axis; i < x.rank(); ++i) statistics[i] = 1;
    for (int i = 1; i < context.output_count(); ++i) context.set_output(i, DataType::kFloat, statistics);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return resolve_axis(axis_, inputs[0].rank()) == 0 ? 0 : broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    if (x.elements() == 0) return;
    const int axis = resolve_axis(axis_, x.rank());
    const Extent extent{x.shape().product(0, axis), x.shape().product(axis, x.rank())};
    float* mean = context.has_output(1) ? context.output(1).as<float>() : nullptr;
    float* inverse_std = context.has_output(2) ? context.output(2).as<float>() : nullptr;
    if (x.type == DataType::kDouble) {
      normalize_rows<double>(x.as<double>(), context.output(0).as<double>(), extent, epsilon_, rms_, mean, inverse_std,
                             context.parallel());
      scale_and_shift<double>(context);
      return;
    }
    kernels::LayerNorm norm;
    norm.rows = extent.rows;
    norm.columns = extent.columns;
    norm.epsilon = epsilon_;
    norm.rms = rms_;
    norm.x = x.as<float>();
    norm.y = context.output(0).as<float>();
    norm.mean = mean;
    norm.inverse_std = inverse_std;
    const bool direct = covers_columns(context, 1, axis) && covers_columns(context, 2, axis);
    if (direct) {
      norm.scale = context.input(1).as<float>();
      if (context.has_input(2)) norm.bias = context.input(2).as<float>();
    }
    kernels::layer_norm(norm, context.parallel());
    if (!direct) scale_and_shift<float>(context);
  }

  /// Mean, variance, scale and shift: about eight operations an element.
  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return 8.0 * static_cast<double>(inputs[0].elements());
  }

 private:
  /// The input is absent or holds one value for each column, the same for all rows.
  static bool covers_columns(const RunContext& context, int input, int axis) {
    if (!context.has_input(input)) return true;
    const Shape& x = context.input(0).shape();
    const Shape& own = context.input(input).shape();
    for (int i = 0; i < x.rank(); ++i) {
      const int place = i - (x.rank() - own.rank());
      const int64_t dim = place < 0 ? 1 : own[place];
      if (dim != (i < axis ? 1 : x[i])) return false;
    }
    return true;
  }

  template <class T>
  static void scale_and_shift(RunContext& context) {
    const TensorView& y = context.output(0);
    const TensorView& scale = context.input(1);
    const bool has_bias = context.has_input(2);
    for_ranges(context.parallel(), y.elements(), 4096, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        T value = y.as<T>()[i] * scale.as<T>()[broadcast_index(scale.shape(), y.shape(), i)];
        if (has_bias) value += context.input(2).as<T>()[broadcast_index(context.input(2).shape(), y.shape(), i)];
        y.as<T>()[i] = value;
      }
    });
  }

  bool rms_;
  int64_t axis_;
  float epsilon_;
};

class SkipLayerNormalization final : public Operator {
 public:
  explicit SkipLayerNormalization(const Node& node) : epsilon_(node.attributes.get_float("epsilon", 1e-5F)) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    if (!context.has_shape(0)) {
      for (int i = 0; i < context.output_count(); ++i) context.set_output_type(i, type);
      return;
    }
    const Shape& x = context.shape(0);
    if (x.rank() == 0) throw Error(ErrorCode::kInvalidGraph, "SkipLayerNormalization does not take scalars.");
    if (context.has_shape(1)) check_skip(context.shape(1), x);
    const int64_t columns = x[x.rank() - 1];
    for (const int input : {2, 3}) {
      if (!context.has_shape(input)) continue;
      const Shape& vector = context.shape(input);
      if (vector.rank() != 1 || (is_known(vector[0]) && is_known(columns) && vector[0] != columns)) {
        throw_shapes(input == 2 ? "scale" : "bias", vector, x);
      }
    }
    for (int i = 0; i < context.output_count(); ++i) context.set_output(i, type, x);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return inputs[0].rank() < 2 ? 0 : broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    check_skip(context.input(1).shape(), x.shape());
    if (x.elements() == 0) return;
    kernels::LayerNorm norm;
    norm.columns = x.dim(x.rank() - 1);
    norm.rows = x.elements() / norm.columns;
    norm.epsilon = epsilon_;
    norm.x = x.as<float>();
    norm.residual = context.input(1).as<float>();
    norm.scale = context.input(2).as<float>();
    if (context.has_input(3)) norm.bias = context.input(3).as<float>();
    norm.y = context.output(0).as<float>();
    if (context.has_output(1)) norm.sum = context.output(1).as<float>();
    kernels::layer_norm(norm, context.parallel());
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return 9.0 * static_cast<double>(inputs[0].elements());
  }

 private:
  static void check_skip(const Shape& skip, const Shape& x) {
    if (skip.rank() != x.rank()) throw_shapes("skip", skip, x);
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (is_known(skip[axis]) && is_known(x[axis]) && skip[axis] != x[axis]) throw_shapes("skip", skip, x);
    }
  }

  float epsilon_;
};

}  // namespace

[[gnu::cold]] const OpDef& layer_normalization() {
  static const OpDef def{
      .name = "LayerNormalization",
      .inputs = {{"X", "T"}, {"Scale", "T"}, {"B", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}, {"Mean", "U", Occurrence::kOptional}, {"InvStdDev", "U", Occurrence::kOptional}},
      .types = {{"T", kFloats}, {"U", kFloatOnly}},
      .make = make_operator<LayerNormalization>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& rms_normalization() {
  static const OpDef def{
      .name = "RMSNormalization",
      .since = 23,
      .inputs = {{"X", "T"}, {"scale", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<LayerNormalization>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& skip_layer_normalization() {
  static const OpDef def{
      .domain = "attune",
      .name = "SkipLayerNormalization",
      .inputs = {{"X", "T"}, {"skip", "T"}, {"scale", "T"}, {"bias", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}, {"sum", "T", Occurrence::kOptional}},
      .types = {{"T", kFloatOnly}},
      .make = make_operator<SkipLayerNormalization>,
      .in_place = {0, 1},
  };
  return def;
}

}  // namespace attune::ops
