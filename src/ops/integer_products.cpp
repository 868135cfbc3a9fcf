// MatMulInteger, ConvInteger: https://onnx.ai/onnx/operators/onnx__MatMulInteger.html, version 10; QLinearMatMul,
// QLinearConv: https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html, versions 10 to 21. Sums are exact in int32,
// which wraps around; results are scaled in float and rounded, halves to even. Gap: products of float8.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/direct_conv.h"
#include "ops/element_types.h"
#include "ops/matrix_loop.h"
#include "ops/op_def.h"
#include "ops/small_types.h"
#include "ops/window.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

constexpr TypeSet kBytes{DataType::kInt8, DataType::kUint8};
constexpr TypeSet kScales = kFloatOnly | kHalves;

template <class Visit>
void visit_byte(DataType type, Visit&& visit) {
  visit_type<uint8_t, int8_t>(type, std::forward<Visit>(visit));
}

/// Zero points as int32; one 0 for an absent input.
std::vector<int32_t> read_zeros(const RunContext& context, int i) {
  if (i >= context.input_count() || !context.has_input(i)) return {0};
  const TensorView& view = context.input(i);
  std::vector<int32_t> zeros(static_cast<size_t>(view.elements()));
  visit_byte(view.type,
             [&](auto tag) { std::copy_n(view.as<typename decltype(tag)::type>(), zeros.size(), zeros.begin()); });
  return zeros;
}

std::vector<float> read_scales(const TensorView& view) {
  std::vector<float> scales(static_cast<size_t>(view.elements()));
  load_carrier(view.type, view.data, 0, scales.data(), view.elements());
  return scales;
}

/// The element of `values` for place i, or the only one.
template <class T>
T at(const std::vector<T>& values, int64_t i) {
  return values[values.size() == 1 ? 0 : static_cast<size_t>(i)];
}

void check_parameters(size_t count, int64_t wanted, std::string_view name) {
  if (count == 1 || static_cast<int64_t>(count) == wanted) return;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} has {} values, not 1 or {}.", name, count, wanted));
}

/// sum * scale rounded, plus the zero point, kept within the type.
template <class T>
T requantize(int32_t sum, float scale, int32_t zero) {
  constexpr auto kLeast = static_cast<int32_t>(std::numeric_limits<T>::min());
  constexpr auto kMost = static_cast<int32_t>(std::numeric_limits<T>::max());
  const float rounded = std::nearbyint(static_cast<float>(sum) * scale);
  const float least = static_cast<float>(kLeast - zero);
  const float most = static_cast<float>(kMost - zero);
  return static_cast<T>(static_cast<int32_t>(std::clamp(std::isnan(rounded) ? 0.0F : rounded, least, most)) + zero);
}

/// Where the inputs of the two forms lie: MatMulInteger and ConvInteger have no scales.
struct Places {
  int a, a_zero, b, b_zero;
  int a_scale, b_scale, y_scale, y_zero;
};
constexpr Places kInteger{0, 2, 1, 3, -1, -1, -1, -1};
constexpr Places kQLinear{0, 2, 3, 5, 1, 4, 6, 7};

template <const Places& kPlaces>
DataType product_type(const InferContext& context) {
  return kPlaces.y_zero < 0 ? DataType::kInt32 : context.type(kPlaces.y_zero);
}

template <const Places& kPlaces>
class MatMulIntegers final : public Operator {
 public:
  explicit MatMulIntegers(const Node&) {}

  void infer(InferContext& context) const override {
    const DataType type = product_type<kPlaces>(context);
    context.set_output_type(0, type);
    if (!context.has_shape(kPlaces.a) || !context.has_shape(kPlaces.b)) return;
    const Shape& a = context.shape(kPlaces.a);
    const Shape& b = context.shape(kPlaces.b);
    if (a.rank() == 0 || b.rank() == 0) throw Error(ErrorCode::kInvalidGraph, "A product does not take scalars.");
    agree_dims(a[a.rank() - 1], b[b.rank() == 1 ? 0 : b.rank() - 2], "Columns of A and rows of B");
    const int lead = std::max({a.rank() - 2, b.rank() - 2, 0});
    Shape y;
    for (int axis = 0; axis < lead; ++axis) {
      y.push_back(broadcast_dims(context, lead_dim(a, axis, lead), lead_dim(b, axis, lead)));
    }
    if (a.rank() > 1) y.push_back(a[a.rank() - 2]);
    if (b.rank() > 1) y.push_back(b[b.rank() - 1]);
    context.set_output(0, type, y);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs, int) const override {
    WorkspaceCursor cursor;
    cursor.take<int32_t>(inputs[kPlaces.a].elements());
    cursor.take<int32_t>(inputs[kPlaces.b].elements());
    if (kPlaces.y_zero >= 0) cursor.take<int32_t>(outputs[0].elements());
    return cursor.bytes();
  }

  void run(RunContext& context) const override {
    const TensorView& a = context.input(kPlaces.a);
    const TensorView& b = context.input(kPlaces.b);
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    kernels::GemmShape shape;
    shape.m = a.rank() > 1 ? a.dim(a.rank() - 2) : 1;
    shape.k = a.dim(a.rank() - 1);
    shape.n = b.rank() > 1 ? b.dim(b.rank() - 1) : 1;
    WorkspaceCursor cursor(context.workspace());
    auto* left = cursor.take<int32_t>(a.elements());
    auto* right = cursor.take<int32_t>(b.elements());
    auto* sums = kPlaces.y_zero >= 0 ? cursor.take<int32_t>(y.elements()) : y.as<int32_t>();
    // A zero point for each row of A, or each column of B.
    const std::vector<int32_t> a_zeros = read_zeros(context, kPlaces.a_zero);
    const std::vector<int32_t> b_zeros = read_zeros(context, kPlaces.b_zero);
    check_parameters(a_zeros.size(), a.elements() / std::max<int64_t>(shape.k, 1), "The zero point of A");
    const bool b_batched = static_cast<int64_t>(b_zeros.size()) != shape.n;
    check_parameters(b_zeros.size(), b_batched ? shape.n * batch_of(b) : shape.n, "The zero point of B");
    subtract_zeros(
        a, left, [&](int64_t i) { return at(a_zeros, i / shape.k); }, context.parallel());
    const int64_t b_size = shape.k * shape.n;
    subtract_zeros(
        b, right, [&](int64_t i) { return at(b_zeros, (b_batched ? i / b_size * shape.n : 0) + i % shape.n); },
        context.parallel());

    const int lead = std::max({a.rank() - 2, b.rank() - 2, 0});
    Shape batch;
    for (int axis = 0; axis < lead; ++axis) batch.push_back(y.dim(axis));
    for (int64_t i = 0; i < batch.elements(); ++i) {
      multiply_matrices<int32_t>(shape, {left + matrix_index(a.shape(), batch, i) * shape.m * shape.k, shape.k, 1},
                                 {right + matrix_index(b.shape(), batch, i) * b_size, shape.n, 1},
                                 sums + i * shape.m * shape.n, context.parallel());
    }
    if constexpr (kPlaces.y_zero >= 0) scale_sums(context, shape, sums);
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const TensorView& a = inputs[kPlaces.a];
    return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(a.dim(a.rank() - 1));
  }

 private:
  static int64_t lead_dim(const Shape& shape, int axis, int lead) {
    const int own = axis - (lead - std::max(shape.rank() - 2, 0));
    return own < 0 ? 1 : shape[own];
  }

  static int64_t batch_of(const TensorView& view) { return view.shape().product(0, std::max(view.rank() - 2, 0)); }

  static int64_t matrix_index(const Shape& own, const Shape& batch, int64_t index) {
    int64_t result = 0;
    int64_t stride = 1;
    for (int axis = batch.rank() - 1; axis >= 0; --axis) {
      const int64_t dim = lead_dim(own, axis, batch.rank());
      if (dim != 1) result += index % batch[axis] * stride;
      stride *= dim;
      index /= batch[axis];
    }
    return result;
  }

  template <class Zero>
  static void subtract_zeros(const TensorView& view, int32_t* out, Zero&& zero, Parallel& parallel) {
    visit_byte(view.type, [&](auto tag) {
      const auto* in = view.as<typename decltype(tag)::type>();
      for_ranges(parallel, view.elements(), 32768, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) out[i] = in[i] - zero(i);
      });
    });
  }

  static void scale_sums(RunContext& context, const kernels::GemmShape& shape, const int32_t* sums) {
    const TensorView& y = context.output(0);
    const std::vector<float> a_scales = read_scales(context.input(kPlaces.a_scale));
    const std::vector<float> b_scales = read_scales(context.input(kPlaces.b_scale));
    const std::vector<float> y_scales = read_scales(context.input(kPlaces.y_scale));
    const std::vector<int32_t> y_zeros = read_zeros(context, kPlaces.y_zero);
    const int64_t rows = y.elements() / shape.n;
    check_parameters(a_scales.size(), rows, "The scale of A");
    check_parameters(b_scales.size(), shape.n, "The scale of B");
    check_parameters(y_scales.size(), rows, "The scale of Y");
    check_parameters(y_zeros.size(), rows, "The zero point of Y");
    visit_byte(y.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_ranges(context.parallel(), rows, std::max<int64_t>(1, 16384 / shape.n), [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; ++row) {
          for (int64_t j = 0; j < shape.n; ++j) {
            const float scale = at(a_scales, row) * at(b_scales, j) / at(y_scales, row);
            y.as<T>()[row * shape.n + j] = requantize<T>(sums[row * shape.n + j], scale, at(y_zeros, row));
          }
        }
      });
    });
  }
};

template <const Places& kPlaces>
class ConvIntegers final : public Operator {
 public:
  explicit ConvIntegers(const Node& node) : window_(Window::parse(node)), groups_(parse_groups(node)) {}

  void infer(InferContext& context) const override {
    const DataType type = product_type<kPlaces>(context);
    context.set_output_type(0, type);
    if (!context.has_shape(kPlaces.a) || !context.has_shape(kPlaces.b)) return;
    const Shape& x = context.shape(kPlaces.a);
    const Shape& w = context.shape(kPlaces.b);
    bool fits = x.rank() >= 3 && x.rank() == w.rank() && w[1] != 0 && (!is_known(w[0]) || w[0] % groups_ == 0) &&
                (!is_known(x[1]) || !is_known(w[1]) || x[1] == w[1] * groups_);
    if (fits) window_.check_rank(x.rank() - 2);
    for (int axis = 2; fits && axis < w.rank(); ++axis) {
      fits = w[axis] != 0 &&
             (window_.kernel.empty() || !is_known(w[axis]) || window_.kernel[static_cast<size_t>(axis) - 2] == w[axis]);
    }
    if (!fits) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("A convolution of {} with weights of {} in {} groups.",
                                                        x.to_string(), w.to_string(), groups_));
    }
    Shape y{x[0], w[0]};
    for (int axis = 0; axis < x.rank() - 2; ++axis) {
      y.push_back(window_.infer_dim(axis, w[axis + 2], x[axis + 2], context));
    }
    context.set_output(0, type, y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(kPlaces.a);
    const TensorView& w = context.input(kPlaces.b);
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    const DirectConv conv = make_direct_conv(window_, groups_, x.shape(), w.shape());
    const std::vector<int32_t> x_zeros = read_zeros(context, kPlaces.a_zero);
    const std::vector<int32_t> w_zeros = read_zeros(context, kPlaces.b_zero);
    check_parameters(x_zeros.size(), 1, "The zero point of X");
    check_parameters(w_zeros.size(), conv.out_channels, "The zero point of W");
    Scaling scaling;
    if constexpr (kPlaces.y_zero >= 0) scaling = read_scaling(context, conv.out_channels);
    const int64_t plane = conv.out_size();
    visit_byte(x.type, [&](auto x_tag) {
      visit_byte(w.type, [&](auto w_tag) {
        // Unsigned, so that sums wrap around.
        const auto load_x = [zero = x_zeros[0]](auto value) { return static_cast<uint32_t>(value - zero); };
        const auto load_w = [&](auto value, int64_t m) { return static_cast<uint32_t>(value - at(w_zeros, m)); };
        const auto finish = [&](const uint32_t* sums, int64_t n, int64_t m) {
          const int64_t first = (n * conv.out_channels + m) * plane;
          if constexpr (kPlaces.y_zero < 0) {
            for (int64_t i = 0; i < plane; ++i) y.as<int32_t>()[first + i] = static_cast<int32_t>(sums[i]);
          } else {
            const auto bias = static_cast<uint32_t>(scaling.bias.empty() ? 0 : scaling.bias[static_cast<size_t>(m)]);
            visit_byte(y.type, [&](auto y_tag) {
              using T = typename decltype(y_tag)::type;
              for (int64_t i = 0; i < plane; ++i) {
                y.as<T>()[first + i] = requantize<T>(static_cast<int32_t>(sums[i] + bias),
                                                     scaling.factor[static_cast<size_t>(m)], scaling.zero);
              }
            });
          }
        };
        convolve_directly<uint32_t>(conv, x.as<typename decltype(x_tag)::type>(),
                                    w.as<typename decltype(w_tag)::type>(), load_x, load_w, finish, context.parallel());
      });
    });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const Shape& w = inputs[kPlaces.b].shape();
    return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(w.product(1, w.rank()));
  }

 private:
  struct Scaling {
    std::vector<float> factor;  ///< of each output channel
    std::vector<int32_t> bias;
    int32_t zero = 0;
  };

  static Scaling read_scaling(const RunContext& context, int64_t channels) {
    constexpr int kBias = 8;
    const std::vector<float> x_scale = read_scales(context.input(kPlaces.a_scale));
    const std::vector<float> w_scales = read_scales(context.input(kPlaces.b_scale));
    const std::vector<float> y_scale = read_scales(context.input(kPlaces.y_scale));
    const std::vector<int32_t> y_zero = read_zeros(context, kPlaces.y_zero);
    check_parameters(x_scale.size(), 1, "The scale of X");
    check_parameters(w_scales.size(), channels, "The scale of W");
    check_parameters(y_scale.size(), 1, "The scale of Y");
    check_parameters(y_zero.size(), 1, "The zero point of Y");
    Scaling scaling;
    for (int64_t m = 0; m < channels; ++m) scaling.factor.push_back(x_scale[0] * at(w_scales, m) / y_scale[0]);
    scaling.zero = y_zero[0];
    if (context.has_input(kBias)) {
      const TensorView& bias = context.input(kBias);
      if (bias.elements() != channels) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("{} biases for {} channels.", bias.elements(), channels));
      }
      scaling.bias.assign(bias.as<int32_t>(), bias.as<int32_t>() + channels);
    }
    return scaling;
  }

  Window window_;
  int64_t groups_;
};

OpDef integer_product(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = 10,
      .inputs = {{"A", "T1"},
                 {"B", "T2"},
                 {"a_zero_point", "T1", Occurrence::kOptional},
                 {"b_zero_point", "T2", Occurrence::kOptional}},
      .outputs = {{"Y", "T3"}},
      .types = {{"T1", kBytes}, {"T2", kBytes}, {"T3", {DataType::kInt32}}},
      .make = make,
  };
}

OpDef qlinear_product(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = 10,
      .inputs = {{"a", "T1"},
                 {"a_scale", "TS"},
                 {"a_zero_point", "T1"},
                 {"b", "T2"},
                 {"b_scale", "TS"},
                 {"b_zero_point", "T2"},
                 {"y_scale", "TS"},
                 {"y_zero_point", "T3"}},
      .outputs = {{"y", "T3"}},
      .types = {{"T1", kBytes}, {"TS", kScales}, {"T2", kBytes}, {"T3", kBytes}, {"T4", {DataType::kInt32}}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& conv_integer() {
  static const OpDef def = integer_product("ConvInteger", make_operator<ConvIntegers<kInteger>>);
  return def;
}

[[gnu::cold]] const OpDef& matmul_integer() {
  static const OpDef def = integer_product("MatMulInteger", make_operator<MatMulIntegers<kInteger>>);
  return def;
}

[[gnu::cold]] const OpDef& qlinear_conv() {
  static const OpDef def = [] {
    OpDef conv = qlinear_product("QLinearConv", make_operator<ConvIntegers<kQLinear>>);
    conv.inputs.push_back({"B", "T4", Occurrence::kOptional});
    return conv;
  }();
  return def;
}

[[gnu::cold]] const OpDef& qlinear_matmul() {
  static const OpDef def = qlinear_product("QLinearMatMul", make_operator<MatMulIntegers<kQLinear>>);
  return def;
}

}  // namespace attune::ops
