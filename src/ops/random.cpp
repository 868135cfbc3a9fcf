// RandomNormal, RandomUniform and their Like forms, versions 1 to 22, Bernoulli, versions 15 to 22, Multinomial,
// versions 7 to 22:
// https://onnx.ai/onnx/operators/onnx__RandomNormal.html, https://onnx.ai/onnx/operators/onnx__RandomUniform.html,
// https://onnx.ai/onnx/operators/onnx__RandomNormalLike.html,
// https://onnx.ai/onnx/operators/onnx__RandomUniformLike.html, https://onnx.ai/onnx/operators/onnx__Bernoulli.html,
// https://onnx.ai/onnx/operators/onnx__Multinomial.html. The numbers are not onnxruntime's: ONNX does not say
// which they are. With `seed` the first run of every session gives the same numbers, the second the same others, and so
// on.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attune/error.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "ops/random_numbers.h"
#include "ops/small_types.h"

namespace attune::ops {
namespace {

enum class Distribution : uint8_t { kNormal, kUniform };

class Random final : public Operator {
 public:
  Random(const Node& node, Distribution distribution, bool is_like)
      : seed_(node),
        distribution_(distribution),
        is_like_(is_like),
        type_(is_like ? DataType::kUndefined : DataType::kFloat) {
    const Attributes& attributes = node.attributes;
    if (distribution == Distribution::kNormal) {
      offset_ = attributes.get_float("mean", 0);
      scale_ = attributes.get_float("scale", 1);
    } else {
      offset_ = attributes.get_float("low", 0);
      scale_ = attributes.get_float("high", 1) - offset_;
    }
    if (attributes.has("dtype")) type_ = attributes.get_data_type("dtype", DataType::kUndefined);
    if (type_ != DataType::kUndefined) check_type(type_);
    if (!is_like) {
      shape_ = Shape(attributes.require_ints("shape"));
      shape_.elements();  // throws for negative dimensions
    }
  }

  void infer(InferContext& context) const override {
    if (!is_like_) return context.set_output(0, type_, shape_);
    const DataType type = type_ == DataType::kUndefined ? context.type(0) : type_;
    if (type != DataType::kUndefined) check_type(type);
    if (!context.has_shape(0)) return context.set_output_type(0, type);
    context.set_output(0, type, context.shape(0));
  }

  void choose_layouts(LayoutContext& context) const override {
    if (is_like_) context.want_input(0, context.current(0));
  }

  void run(RunContext& context) const override {
    const Shape& shape = is_like_ ? context.input(0).shape() : shape_;
    const TensorView y = output_of_shape(context, 0, shape);
    const uint64_t key = seed_.next();
    for_ranges(context.parallel(), y.elements(), 4096, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto index = static_cast<uint64_t>(i);
        const double value = offset_ + scale_ * (distribution_ == Distribution::kNormal ? random_normal(key, index)
                                                                                        : random_uniform(key, index));
        if (y.type == DataType::kDouble) {
          y.as<double>()[i] = value;
        } else {
          const auto narrow = static_cast<float>(value);
          store_carrier(y.type, &narrow, y.data, i, 1);
        }
      }
    });
  }

 private:
  static void check_type(DataType type) {
    if (!kFloats.contains(type)) refuse_type(type);
  }

  RandomSeed seed_;
  Distribution distribution_;
  bool is_like_;
  DataType type_;
  Shape shape_;
  double offset_ = 0;
  double scale_ = 1;
};

/// An element of a tensor of floats of any width.
double load_number(const TensorView& x, int64_t i) {
  if (x.type == DataType::kDouble) return x.as<double>()[i];
  float narrow = 0.0F;
  load_carrier(x.type, x.data, i, &narrow, 1);
  return double{narrow};
}

/// 1 with the probability that the input says, else 0.
class Bernoulli final : public Operator {
 public:
  explicit Bernoulli(const Node& node)
      : seed_(node), type_(node.attributes.get_data_type("dtype", DataType::kUndefined)) {
    if (type_ != DataType::kUndefined && !kResults.contains(type_)) refuse_type(type_);
  }
  static constexpr TypeSet kResults = kNumbers | kHalves | TypeSet{DataType::kBool};

  void infer(InferContext& context) const override {
    const DataType type = type_ == DataType::kUndefined ? context.type(0) : type_;
    context.set_output_type(0, type);
    if (context.has_shape(0)) context.set_output(0, type, context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const uint64_t key = seed_.next();
    for (int64_t i = 0; i < x.elements(); ++i) {
      const bool one = random_uniform(key, static_cast<uint64_t>(i)) < load_number(x, i);
      if (y.type == DataType::kBool) {
        y.as<bool>()[i] = one;
        continue;
      }
      with_number_type(carrier_of(y.type), [&](auto zero) {
        const auto value = static_cast<decltype(zero)>(one ? 1 : 0);
        store_carrier(y.type, &value, y.data, i, 1);
      });
    }
  }

 private:
  RandomSeed seed_;
  DataType type_;
};

/// Draws classes, `sample_size` for each row of log-probabilities, which need not come to 1. A class whose number is
/// not finite is never drawn, as in onnxruntime.
class Multinomial final : public Operator {
 public:
  explicit Multinomial(const Node& node)
      : seed_(node),
        type_(node.attributes.get_data_type("dtype", DataType::kInt32)),
        samples_(node.attributes.get_int("sample_size", 1)) {
    if (!kIndices.contains(type_)) refuse_type(type_);
    if (samples_ < 1) throw Error(ErrorCode::kInvalidGraph, fmt::format("Multinomial draws {} samples.", samples_));
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, type_);
    const Shape& x = context.shape(0);
    if (x.rank() != 2) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Multinomial takes rows of classes, not {}.", x.to_string()));
    }
    context.set_output(0, type_, Shape{x[0], samples_});
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const int64_t classes = x.dim(1);
    if (classes < 1) throw Error(ErrorCode::kInvalidArgument, "Multinomial has no classes to draw from.");
    const uint64_t key = seed_.next();
    for_ranges(context.parallel(), x.dim(0), std::max<int64_t>(4096 / (classes + samples_), 1),
               [&](int64_t begin, int64_t end, int) {
                 std::vector<double> sums(static_cast<size_t>(classes));
                 for (int64_t row = begin; row < end; ++row) {
                   add_up(x, row, sums);
                   for (int64_t i = row * samples_; i < (row + 1) * samples_; ++i) {
                     const double wanted = random_uniform(key, static_cast<uint64_t>(i)) * sums.back();
                     const auto found = std::upper_bound(sums.begin(), sums.end(), wanted) - sums.begin();
                     const int64_t drawn = std::min<int64_t>(found, classes - 1);
                     if (type_ == DataType::kInt64) {
                       y.as<int64_t>()[i] = drawn;
                     } else {
                       y.as<int32_t>()[i] = static_cast<int32_t>(drawn);
                     }
                   }
                 }
               });
  }

 private:
  /// Of each class the sum of the probabilities up to it.
  static void add_up(const TensorView& x, int64_t row, std::vector<double>& sums) {
    const auto classes = static_cast<int64_t>(sums.size());
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < classes; ++k) {
      const double value = load_number(x, row * classes + k);
      if (std::isfinite(value)) largest = std::max(largest, value);
    }
    double sum = 0.0;
    for (int64_t k = 0; k < classes; ++k) {
      const double value = load_number(x, row * classes + k);
      if (std::isfinite(value)) sum += std::exp(value - largest);
      sums[static_cast<size_t>(k)] = sum;
    }
  }

  RandomSeed seed_;
  DataType type_;
  int64_t samples_;
};

template <Distribution kDistribution, bool kIsLike>
std::unique_ptr<Operator> make_random(const Node& node) {
  return std::make_unique<Random>(node, kDistribution, kIsLike);
}

template <Distribution kDistribution, bool kIsLike>
OpDef make_def(std::string_view name) {
  OpDef def{
      .name = name,
      .inputs = {},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kAnyType}, {"T2", kFloats | kHalves}},
      .make = make_random<kDistribution, kIsLike>,
      .reads_shapes_only = kIsLike,
      .is_random = true,
  };
  if (kIsLike) def.inputs.push_back({"input", "T1"});
  return def;
}

}  // namespace

[[gnu::cold]] const OpDef& bernoulli() {
  static const OpDef def{
      .name = "Bernoulli",
      .since = 15,
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", TypeSet{DataType::kFloat, DataType::kDouble} | kHalves}, {"T2", Bernoulli::kResults}},
      .make = make_operator<Bernoulli>,
      .is_random = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& multinomial() {
  static const OpDef def{
      .name = "Multinomial",
      .since = 7,
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", TypeSet{DataType::kFloat, DataType::kDouble} | kHalves}, {"T2", kIndices}},
      .make = make_operator<Multinomial>,
      .is_random = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& random_normal() {
  static const OpDef def = make_def<Distribution::kNormal, false>("RandomNormal");
  return def;
}

[[gnu::cold]] const OpDef& random_normal_like() {
  static const OpDef def = make_def<Distribution::kNormal, true>("RandomNormalLike");
  return def;
}

[[gnu::cold]] const OpDef& random_uniform() {
  static const OpDef def = make_def<Distribution::kUniform, false>("RandomUniform");
  return def;
}

[[gnu::cold]] const OpDef& random_uniform_like() {
  static const OpDef def = make_def<Distribution::kUniform, true>("RandomUniformLike");
  return def;
}

}  // namespace attune::ops
