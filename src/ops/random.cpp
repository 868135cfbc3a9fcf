// RandomNormal, RandomUniform and their Like forms, versions 1 to 22:
// https://onnx.ai/onnx/operators/onnx__RandomNormal.html, https://onnx.ai/onnx/operators/onnx__RandomUniform.html,
// https://onnx.ai/onnx/operators/onnx__RandomNormalLike.html,
// https://onnx.ai/onnx/operators/onnx__RandomUniformLike.html. The numbers are not onnxruntime's: ONNX does not say
// which they are. With `seed` the first run of every session gives the same numbers, the second the same others, and so
// on.
#include <fmt/format.h>

#include <atomic>
#include <cmath>
#include <numbers>
#include <random>

#include "attune/error.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a hash of 64 bits. Numbers are hashes of their index, so that
/// any thread can make any of them.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio, SplitMix64's step

/// Number i of stream `key`, in [0, 1).
double uniform(uint64_t key, uint64_t i) { return static_cast<double>(mix(key + (i + 1) * kGolden) >> 11) * 0x1p-53; }

/// Box and Muller's transform of two uniform numbers.
double normal(uint64_t key, uint64_t i) {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform(key, 2 * i)));  // 1 - u is never 0
  return radius * std::cos(2.0 * std::numbers::pi * uniform(key, 2 * i + 1));
}

enum class Distribution : uint8_t { kNormal, kUniform };

class Random final : public Operator {
 public:
  Random(const Node& node, Distribution distribution, bool is_like)
      : distribution_(distribution), is_like_(is_like), type_(is_like ? DataType::kUndefined : DataType::kFloat) {
    const Attributes& attributes = node.attributes;
    if (distribution == Distribution::kNormal) {
      offset_ = attributes.get_float("mean", 0);
      scale_ = attributes.get_float("scale", 1);
    } else {
      offset_ = attributes.get_float("low", 0);
      scale_ = attributes.get_float("high", 1) - offset_;
    }
    if (attributes.has("dtype")) type_ = static_cast<DataType>(attributes.get_int("dtype", 0));
    if (type_ != DataType::kUndefined) check_type(type_);
    if (!is_like) {
      shape_ = Shape(attributes.require_ints("shape"));
      shape_.elements();  // throws for negative dimensions
    }
    if (attributes.has("seed")) {
      seed_ = mix(static_cast<uint64_t>(std::llround(static_cast<double>(attributes.get_float("seed", 0)) * 1e6)));
    } else {
      std::random_device device;
      seed_ = (uint64_t{device()} << 32) | device();
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
    const uint64_t key = mix(seed_ + runs_.fetch_add(1, std::memory_order_relaxed) * kGolden);
    for_ranges(context.parallel(), y.elements(), 4096, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const auto index = static_cast<uint64_t>(i);
        const double value =
            offset_ + scale_ * (distribution_ == Distribution::kNormal ? normal(key, index) : uniform(key, index));
        if (y.type == DataType::kFloat) {
          y.as<float>()[i] = static_cast<float>(value);
        } else {
          y.as<double>()[i] = value;
        }
      }
    });
  }

 private:
  static void check_type(DataType type) {
    if (!kFloats.contains(type)) refuse_type(type);
  }

  Distribution distribution_;
  bool is_like_;
  DataType type_;
  Shape shape_;
  double offset_ = 0;
  double scale_ = 1;
  uint64_t seed_ = 0;
  mutable std::atomic<uint64_t> runs_{0};  // each run takes a stream of its own
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
      .types = {{"T1", kAnyType}, {"T2", kFloats}},
      .make = make_random<kDistribution, kIsLike>,
      .reads_shapes_only = kIsLike,
      .is_random = true,
  };
  if (kIsLike) def.inputs.push_back({"input", "T1"});
  return def;
}

}  // namespace

const OpDef& random_normal() {
  static const OpDef def = make_def<Distribution::kNormal, false>("RandomNormal");
  return def;
}

const OpDef& random_normal_like() {
  static const OpDef def = make_def<Distribution::kNormal, true>("RandomNormalLike");
  return def;
}

const OpDef& random_uniform() {
  static const OpDef def = make_def<Distribution::kUniform, false>("RandomUniform");
  return def;
}

const OpDef& random_uniform_like() {
  static const OpDef def = make_def<Distribution::kUniform, true>("RandomUniformLike");
  return def;
}

}  // namespace attune::ops
