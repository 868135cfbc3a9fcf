// QuantizeLinear: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html, DequantizeLinear:
// https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html, versions 10 to 28, by tensor, axis or blocks, all types
// but the 6-bit floats. DynamicQuantizeLinear: https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html,
// version 11.
//
// Arithmetic is in float: x / scale rounded, halves to even, plus the zero point; (x - zero point) in int32, times the
// scale. `precision` changes nothing.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_types.h"
#include "ops/op_def.h"
#include "ops/reduction.h"
#include "ops/small_types.h"

namespace attune::ops {
namespace {

constexpr TypeSet kQuantizedIntegers{DataType::kInt8, DataType::kUint8, DataType::kInt16, DataType::kUint16,
                                     DataType::kInt4, DataType::kUint4, DataType::kInt2,  DataType::kUint2};
constexpr TypeSet kQuantizedFloats{DataType::kFloat8E4M3FN, DataType::kFloat8E4M3FNUZ, DataType::kFloat8E5M2,
                                   DataType::kFloat8E5M2FNUZ, DataType::kFloat4E2M1};
constexpr TypeSet kScales = TypeSet{DataType::kFloat, DataType::kFloat8E8M0} | kHalves;

/// Elements that are converted at a time.
constexpr int64_t kBlock = 1024;

/// A stretch of elements whose scales lie one behind the other (step 1) or are one (step 0).
struct Run {
  int64_t first;
  int64_t n;
  int64_t scale;
  int64_t step;
};

/// Which scale belongs to which element.
class ScaleMap {
 public:
  /// Throws Error(kInvalidGraph) when the shapes do not fit; unknown dimensions pass.
  ScaleMap(const Shape& x, const Shape& scale, int64_t axis, int64_t block_size) {
    if (scale.rank() == 0 || (scale.rank() == 1 && scale[0] == 1 && block_size == 0)) {
      total_ = product(x, 0, x.rank());
      return;
    }
    const int place = resolve_axis(axis, x.rank());
    outer_ = product(x, 0, place);
    extent_ = x[place];
    inner_ = product(x, place + 1, x.rank());
    total_ = outer_ * extent_ * inner_;
    per_tensor_ = false;
    bool fits = false;
    if (scale.rank() == 1 && block_size == 0) {
      fits = agrees(scale[0], extent_);
    } else {
      block_ = std::min(block_size, int64_t{1} << 40);  // more than any axis has
      fits = block_size > 0 && scale.rank() == x.rank();
      for (int i = 0; fits && i < x.rank(); ++i) {
        if (!is_known(x[i]) || !is_known(scale[i])) continue;
        fits = i == place ? scale[i] == (x[i] + block_ - 1) / block_ : scale[i] == x[i];
      }
      blocks_ = block_ > 0 ? (extent_ + block_ - 1) / block_ : 0;
    }
    if (fits) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("A scale of shape {} does not fit a tensor of shape {} along axis {} in blocks of {}.",
                            scale.to_string(), x.to_string(), axis, block_size));
  }

  int64_t runs() const {
    if (per_tensor_) return (total_ + kWhole - 1) / kWhole;
    if (total_ == 0) return 0;
    if (inner_ > 1) return outer_ * extent_;
    return block_ == 0 ? outer_ : outer_ * blocks_;
  }
  /// A typical run's length.
  int64_t length() const { return std::max<int64_t>(total_ / std::max<int64_t>(runs(), 1), 1); }

  Run run(int64_t i) const {
    if (per_tensor_) return {i * kWhole, std::min(kWhole, total_ - i * kWhole), 0, 0};
    if (inner_ > 1) {
      const int64_t place = i % extent_;
      if (block_ == 0) return {i * inner_, inner_, place, 0};
      return {i * inner_, inner_, (i / extent_ * blocks_ + place / block_) * inner_, 1};
    }
    if (block_ == 0) return {i * extent_, extent_, 0, 1};
    const int64_t first = i % blocks_ * block_;
    return {i / blocks_ * extent_ + first, std::min(block_, extent_ - first), i, 0};
  }

 private:
  static constexpr int64_t kWhole = 16384;

  static bool agrees(int64_t a, int64_t b) { return !is_known(a) || !is_known(b) || a == b; }
  static int64_t product(const Shape& shape, int from, int to) {
    int64_t result = 1;
    for (int i = from; i < to; ++i) result *= std::max<int64_t>(shape[i], 0);
    return result;
  }

  bool per_tensor_ = true;
  int64_t total_ = 0;
  int64_t outer_ = 1;
  int64_t extent_ = 1;
  int64_t inner_ = 1;
  int64_t block_ = 0;
  int64_t blocks_ = 0;
};

/// Numbers of any type as float, or as int32 for integers.
template <class To>
std::vector<To> load_all(const TensorView& view) {
  std::vector<To> result(static_cast<size_t>(view.elements()));
  Tensor carrier = Tensor::allocate(carrier_of(view.type), view.shape());
  load_carrier(view.type, view.data, 0, carrier.raw(), view.elements());
  visit_number_type(carrier.type(), [&](auto tag) {
    const auto* values = static_cast<const typename decltype(tag)::type*>(carrier.raw());
    for (size_t i = 0; i < result.size(); ++i) result[i] = convert<To>(values[i]);
  });
  return result;
}

struct Range {
  int32_t least;
  int32_t most;
};

Range range_of(DataType type) {
  switch (type) {
    case DataType::kInt8:
      return {-128, 127};
    case DataType::kUint8:
      return {0, 255};
    case DataType::kInt16:
      return {-32768, 32767};
    case DataType::kUint16:
      return {0, 65535};
    case DataType::kInt4:
      return {-8, 7};
    case DataType::kUint4:
      return {0, 15};
    case DataType::kInt2:
      return {-2, 1};
    default:
      return {0, 3};
  }
}

/// The nearest integer, halves to even, plus the zero point, kept within the type; NaN is as the zero point.
int32_t quantize(float scaled, int32_t zero, Range range) {
  // The limits are exact floats, and beyond them the conversion to an integer would be undefined.
  const float rounded = std::nearbyint(scaled);
  const float least = static_cast<float>(range.least - zero);
  const float most = static_cast<float>(range.most - zero);
  if (!(rounded > least)) return rounded <= least ? range.least : std::clamp(zero, range.least, range.most);
  return rounded >= most ? range.most : static_cast<int32_t>(rounded) + zero;
}

int64_t scale_axis(const Node& node) { return node.attributes.get_int("axis", 1); }

class QuantizeLinear final : public Operator {
 public:
  explicit QuantizeLinear(const Node& node)
      : axis_(scale_axis(node)),
        block_size_(node.attributes.get_int("block_size", 0)),
        type_(node.attributes.get_data_type("output_dtype", DataType::kUndefined)) {
    rounding_.saturate = node.attributes.get_int("saturate", 1) != 0;
    if (type_ != DataType::kUndefined && !(kQuantizedIntegers | kQuantizedFloats).contains(type_)) {
      throw Error(ErrorCode::kNotImplemented,
                  fmt::format("Quantizing to {} is not supported.", tensor_type_name(type_)));
    }
  }

  void infer(InferContext& context) const override {
    DataType type = type_ == DataType::kUndefined ? DataType::kUint8 : type_;
    if (context.has_input(2)) {
      type = context.type(2);
      if (type_ != DataType::kUndefined && type != DataType::kUndefined && type != type_) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("output_dtype is {}, the zero point {}.",
                                                          tensor_type_name(type_), tensor_type_name(type)));
      }
      check_same_shape(context);
    }
    if (!context.has_shape(0)) return context.set_output_type(0, type);
    if (context.has_shape(1)) ScaleMap(context.shape(0), context.shape(1), axis_, block_size_);
    context.set_output(0, type, context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const ScaleMap map(x.shape(), context.input(1).shape(), axis_, block_size_);
    const std::vector<float> scales = load_all<float>(context.input(1));
    std::vector<int32_t> zeros(scales.size(), 0);
    const bool to_integer = kQuantizedIntegers.contains(y.type);
    if (context.has_input(2) && to_integer) zeros = load_all<int32_t>(context.input(2));
    for_ranges(context.parallel(), map.runs(), std::max<int64_t>(1, kCheapGrain / map.length()),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t i = begin; i < end; ++i) {
                   const Run run = map.run(i);
                   if (to_integer) {
                     to_integers(x, y, run, scales.data(), zeros.data());
                   } else {
                     to_floats(x, y, run, scales.data());
                   }
                 }
               });
  }

  static void check_same_shape(const InferContext& context) {
    if (!context.has_shape(1) || !context.has_shape(2)) return;
    const Shape& scale = context.shape(1);
    const Shape& zero = context.shape(2);
    if (may_be_same(scale, zero) || (scale.rank() <= 1 && zero.rank() <= 1 && scale.is_concrete() &&
                                     zero.is_concrete() && scale.elements() == 1 && zero.elements() == 1)) {
      return;
    }
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("The scale has shape {}, the zero point {}.", scale.to_string(), zero.to_string()));
  }

 private:
  static void load_block(const TensorView& x, int64_t first, int64_t n, float* out) {
    if (x.type == DataType::kInt32) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(x.as<int32_t>()[first + i]);
    } else {
      load_carrier(x.type, x.data, first, out, n);
    }
  }

  template <class T>
  static void quantize_block(const float* x, int64_t n, const float* scale, const int32_t* zero, int64_t step,
                             Range range, T* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(quantize(x[i] / scale[i * step], zero[i * step], range));
  }

  static void to_integers(const TensorView& x, const TensorView& y, const Run& run, const float* scales,
                          const int32_t* zeros) {
    alignas(64) float block[kBlock];
    const Range range = range_of(y.type);
    for (int64_t done = 0; done < run.n; done += kBlock) {
      const int64_t n = std::min(kBlock, run.n - done);
      load_block(x, run.first + done, n, block);
      const int64_t place = run.scale + done * run.step;
      visit_type<uint8_t, int8_t, uint16_t, int16_t>(carrier_of(y.type), [&](auto tag) {
        using T = typename decltype(tag)::type;
        // One element is one byte, or two, in the carrier as in the type itself.
        quantize_block<T>(block, n, scales + place, zeros + place, run.step, range,
                          static_cast<T*>(y.data) + run.first + done);
      });
    }
  }

  void to_floats(const TensorView& x, const TensorView& y, const Run& run, const float* scales) const {
    alignas(64) float block[kBlock];
    for (int64_t done = 0; done < run.n; done += kBlock) {
      const int64_t n = std::min(kBlock, run.n - done);
      load_block(x, run.first + done, n, block);
      for (int64_t i = 0; i < n; ++i) block[i] /= scales[run.scale + (done + i) * run.step];
      store_carrier(y.type, block, y.data, run.first + done, n, rounding_);
    }
  }

  int64_t axis_;
  int64_t block_size_;
  DataType type_;
  NarrowRounding rounding_;
};

class DequantizeLinear final : public Operator {
 public:
  explicit DequantizeLinear(const Node& node)
      : axis_(scale_axis(node)),
        block_size_(node.attributes.get_int("block_size", 0)),
        type_(node.attributes.get_data_type("output_dtype", DataType::kUndefined)) {
    if (type_ != DataType::kUndefined && !(kFloatOnly | kHalves).contains(type_)) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Dequantizing to {} is not possible.", tensor_type_name(type_)));
    }
  }

  void infer(InferContext& context) const override {
    DataType type = type_ == DataType::kUndefined ? context.type(1) : type_;
    if (type == DataType::kFloat8E8M0) type = DataType::kFloat;
    if (context.has_input(2)) QuantizeLinear::check_same_shape(context);
    if (!context.has_shape(0)) return context.set_output_type(0, type);
    if (context.has_shape(1)) ScaleMap(context.shape(0), context.shape(1), axis_, block_size_);
    context.set_output(0, type, context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const ScaleMap map(x.shape(), context.input(1).shape(), axis_, block_size_);
    const std::vector<float> scales = load_all<float>(context.input(1));
    std::vector<int32_t> zeros(scales.size(), 0);
    const bool is_float = kQuantizedFloats.contains(x.type);
    if (context.has_input(2) && !is_float) zeros = load_all<int32_t>(context.input(2));
    for_ranges(context.parallel(), map.runs(), std::max<int64_t>(1, kCheapGrain / map.length()),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t i = begin; i < end; ++i) dequantize(x, y, map.run(i), scales.data(), zeros.data());
               });
  }

 private:
  static void dequantize(const TensorView& x, const TensorView& y, const Run& run, const float* scales,
                         const int32_t* zeros) {
    alignas(64) std::byte loaded[kBlock * sizeof(int32_t)];
    alignas(64) float block[kBlock];
    for (int64_t done = 0; done < run.n; done += kBlock) {
      const int64_t n = std::min(kBlock, run.n - done);
      const int64_t place = run.scale + done * run.step;
      load_carrier(x.type, x.data, run.first + done, loaded, n);
      float* out = y.type == DataType::kFloat ? y.as<float>() + run.first + done : block;
      visit_type<uint8_t, int8_t, uint16_t, int16_t, int32_t, float>(carrier_of(x.type), [&](auto tag) {
        using T = typename decltype(tag)::type;
        const T* in = reinterpret_cast<const T*>(loaded);
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = place + i * run.step;
          if constexpr (std::is_same_v<T, float>) {
            out[i] = in[i] * scales[at];
          } else {
            out[i] = static_cast<float>(wrapping_sub<int32_t>(in[i], zeros[at])) * scales[at];
          }
        }
      });
      if (y.type != DataType::kFloat) store_carrier(y.type, block, y.data, run.first + done, n);
    }
  }

  int64_t axis_;
  int64_t block_size_;
  DataType type_;
};

/// To uint8, with the scale that makes the range of x, and zero, fit.
class DynamicQuantizeLinear final : public Operator {
 public:
  explicit DynamicQuantizeLinear(const Node&) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, DataType::kUint8);
    if (context.has_shape(0)) context.set_output(0, DataType::kUint8, context.shape(0));
    if (context.output_count() > 1) context.set_output(1, DataType::kFloat, Shape{});
    if (context.output_count() > 2) context.set_output(2, DataType::kUint8, Shape{});
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    float least = 0.0F;
    float most = 0.0F;
    if (x.elements() > 0) {
      const uint32_t all = (1U << x.rank()) - 1;
      reduce(ReduceKind::kMin, x.type, x.data, x.shape(), all, &least, context.parallel());
      reduce(ReduceKind::kMax, x.type, x.data, x.shape(), all, &most, context.parallel());
    }
    least = std::min(least, 0.0F);
    most = std::max(most, 0.0F);
    const float scale = least == most ? 1.0F : (most - least) / 255.0F;
    const int32_t zero = quantize(-least / scale, 0, {0, 255});
    if (context.has_output(1)) *context.output(1).as<float>() = scale;
    if (context.has_output(2)) *context.output(2).as<uint8_t>() = static_cast<uint8_t>(zero);
    const auto* in = x.as<float>();
    auto* out = context.output(0).as<uint8_t>();
    for_ranges(context.parallel(), x.elements(), kCheapGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) out[i] = static_cast<uint8_t>(quantize(in[i] / scale, zero, {0, 255}));
    });
  }
};

}  // namespace

[[gnu::cold]] const OpDef& dequantize_linear() {
  static constexpr TypeSet kTypes = kQuantizedIntegers | kQuantizedFloats | TypeSet{DataType::kInt32};
  static const OpDef def{
      .name = "DequantizeLinear",
      .since = 10,
      .inputs = {{"x", "T1"}, {"x_scale", "T2"}, {"x_zero_point", "T1", Occurrence::kOptional}},
      .outputs = {{"y", "T3"}},
      .types = {{"T1", kTypes}, {"T2", kScales}, {"T3", kFloatOnly | kHalves}},
      .make = make_operator<DequantizeLinear>,
  };
  return def;
}

[[gnu::cold]] const OpDef& dynamic_quantize_linear() {
  static const OpDef def{
      .name = "DynamicQuantizeLinear",
      .since = 11,
      .inputs = {{"x", "T1"}},
      .outputs = {{"y", "T2"}, {"y_scale", "tensor(float)"}, {"y_zero_point", "T2"}},
      .types = {{"T1", kFloatOnly}, {"T2", {DataType::kUint8}}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<DynamicQuantizeLinear>,
  };
  return def;
}

[[gnu::cold]] const OpDef& quantize_linear() {
  static const OpDef def{
      .name = "QuantizeLinear",
      .since = 10,
      .inputs = {{"x", "T1"}, {"y_scale", "T2"}, {"y_zero_point", "T3", Occurrence::kOptional}},
      .outputs = {{"y", "T3"}},
      .types = {{"T1", kFloatOnly | kHalves | TypeSet{DataType::kInt32}},
                {"T2", kScales | TypeSet{DataType::kInt32}},
                {"T3", kQuantizedIntegers | kQuantizedFloats}},
      .make = make_operator<QuantizeLinear>,
  };
  return def;
}

}  // namespace attune::ops
