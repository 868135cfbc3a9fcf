// Feature transformations of ai.onnx.ml, https://onnx.ai/onnx/operators/onnx_aionnxml_ArrayFeatureExtractor.html and so
// on, version 1: ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer, OneHotEncoder, Scaler.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/convert.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

constexpr TypeSet kFeatures{DataType::kFloat, DataType::kDouble, DataType::kInt64, DataType::kInt32};

template <class Visit>
void visit_feature(DataType type, Visit&& visit) {
  visit_type<float, double, int64_t, int32_t>(type, std::forward<Visit>(visit));
}

/// The features of a sample: the last axis.
int64_t feature_count(const Shape& x) { return x.rank() == 0 ? 1 : x[x.rank() - 1]; }

/// One value for all features, or one for each.
void check_values(size_t count, int64_t features, std::string_view name) {
  if (count == 1 || !is_known(features) || static_cast<int64_t>(count) == features) return;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("{} has {} values for {} features.", name, count, features));
}

class ArrayFeatureExtractor final : public Operator {
 public:
  explicit ArrayFeatureExtractor(const Node&) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0) || !context.has_shape(1)) return;
    Shape y = context.shape(0);
    if (y.rank() == 0) throw Error(ErrorCode::kInvalidGraph, "ArrayFeatureExtractor does not take scalars.");
    const int64_t count = multiply_dims(context, context.shape(1), 0, context.shape(1).rank());
    y[y.rank() - 1] = count;
    if (y.rank() == 1) y.insert(0, 1);
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    const int64_t features = feature_count(x.shape());
    const int64_t count = indices.elements();
    for (int64_t k = 0; k < count; ++k) {
      const int64_t index = indices.as<int64_t>()[k];
      if (index < 0 || index >= features) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("ArrayFeatureExtractor: feature {} of {}.", index, features));
      }
    }
    const int64_t rows = x.shape().product(0, x.rank() - 1);
    visit_type<float, double, int64_t, int32_t, std::string>(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t k = 0; k < count; ++k) {
          context.output(0).as<T>()[row * count + k] = x.as<T>()[row * features + indices.as<int64_t>()[k]];
        }
      }
    });
  }
};

class Binarizer final : public Operator {
 public:
  explicit Binarizer(const Node& node) : threshold_(node.attributes.get_float("threshold", 0.0F)) {}
  void infer(InferContext& context) const override { infer_same_shape(context, context.type(0)); }
  void run(RunContext& context) const override {
    visit_feature(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      map_elements<T, T>(context, kCheapGrain,
                         [this](T x) { return static_cast<T>(static_cast<double>(x) > threshold_ ? 1 : 0); });
    });
  }

 private:
  double threshold_;
};

/// Puts the features of all inputs behind each other, as float.
class FeatureVectorizer final : public Operator {
 public:
  explicit FeatureVectorizer(const Node& node) {
    const auto sizes = node.attributes.get_ints("inputdimensions");
    sizes_.assign(sizes.begin(), sizes.end());
  }

  void infer(InferContext& context) const override {
    int64_t rows = kUnknownDim;
    int64_t columns = 0;
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_shape(i)) return context.set_output_type(0, DataType::kFloat);
      const Shape& x = context.shape(i);
      if (x.rank() < 1 || x.rank() > 2) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("FeatureVectorizer of shape {}.", x.to_string()));
      }
      if (x.rank() == 2) rows = agree_dims(x[0], rows, "Samples of the inputs");
      columns = is_known(columns) && is_known(feature_count(x)) ? columns + feature_count(x) : kUnknownDim;
    }
    if (rows == kUnknownDim) rows = 1;
    context.set_output(0, DataType::kFloat, Shape{rows, is_known(columns) ? columns : context.fresh_dim()});
  }

  void run(RunContext& context) const override {
    const TensorView& y = context.output(0);
    int64_t first = 0;
    for (int i = 0; i < context.input_count(); ++i) {
      const TensorView& x = context.input(i);
      const int64_t count = feature_count(x.shape());
      if (i < static_cast<int>(sizes_.size()) && sizes_[static_cast<size_t>(i)] != count) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("FeatureVectorizer: input {} has {} features, not {}.", i,
                                                             count, sizes_[static_cast<size_t>(i)]));
      }
      visit_feature(x.type, [&](auto tag) {
        using T = typename decltype(tag)::type;
        for (int64_t k = 0; k < x.elements(); ++k) {
          y.as<float>()[k / count * y.dim(1) + first + k % count] = static_cast<float>(x.as<T>()[k]);
        }
      });
      first += count;
    }
  }

 private:
  std::vector<int64_t> sizes_;
};

class Imputer final : public Operator {
 public:
  explicit Imputer(const Node& node) {
    const Attributes& attributes = node.attributes;
    for (const float value : attributes.get_floats("imputed_value_floats"))
      values_.push_back(static_cast<double>(value));
    if (values_.empty()) {
      for (const int64_t value : attributes.get_ints("imputed_value_int64s"))
        values_.push_back(static_cast<double>(value));
    }
    if (values_.empty()) throw Error(ErrorCode::kInvalidGraph, "Imputer: there is no imputed value.");
    replaced_ = attributes.has("replaced_value_int64")
                    ? static_cast<double>(attributes.get_int("replaced_value_int64", 0))
                    : static_cast<double>(attributes.get_float("replaced_value_float", 0.0F));
  }
  void infer(InferContext& context) const override {
    if (context.has_shape(0)) check_values(values_.size(), feature_count(context.shape(0)), "imputed_value");
    infer_same_shape(context, context.type(0));
  }
  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t features = std::max<int64_t>(feature_count(x.shape()), 1);
    visit_feature(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int64_t i = 0; i < x.elements(); ++i) {
        const T value = x.as<T>()[i];
        const auto number = static_cast<double>(value);
        const bool found = std::isnan(replaced_) ? std::isnan(number) : number == replaced_;
        const double imputed = values_[values_.size() == 1 ? 0 : static_cast<size_t>(i % features)];
        context.output(0).as<T>()[i] = found ? convert<T>(imputed) : value;
      }
    });
  }

 private:
  std::vector<double> values_;
  double replaced_ = 0.0;
};

class Normalizer final : public Operator {
 public:
  explicit Normalizer(const Node& node) {
    const std::string norm = node.attributes.get_string("norm", "MAX");
    power_ = norm == "L1" ? 1 : norm == "L2" ? 2 : 0;
    if (power_ == 0 && norm != "MAX") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Normalizer: unknown norm '{}'.", norm));
    }
  }
  void infer(InferContext& context) const override { infer_same_shape(context, DataType::kFloat); }
  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t features = feature_count(x.shape());
    if (x.elements() == 0) return;
    visit_feature(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (int64_t row = 0; row < x.elements() / features; ++row) {
        const T* in = x.as<T>() + row * features;
        float* out = context.output(0).as<float>() + row * features;
        double norm = power_ == 0 ? static_cast<double>(in[0]) : 0.0;
        for (int64_t i = 0; i < features; ++i) {
          const auto value = static_cast<double>(in[i]);
          norm = power_ == 0 ? std::max(norm, value) : norm + (power_ == 1 ? std::fabs(value) : value * value);
        }
        if (power_ == 2) norm = std::sqrt(norm);
        for (int64_t i = 0; i < features; ++i) {
          out[i] = static_cast<float>(norm == 0.0 ? static_cast<double>(in[i]) : static_cast<double>(in[i]) / norm);
        }
      }
    });
  }

 private:
  int power_ = 0;
};

class OneHotEncoder final : public Operator {
 public:
  explicit OneHotEncoder(const Node& node) : zeros_(node.attributes.get_int("zeros", 1) != 0) {
    const auto numbers = node.attributes.get_ints("cats_int64s");
    const auto strings = node.attributes.get_strings("cats_strings");
    numbers_.assign(numbers.begin(), numbers.end());
    strings_.assign(strings.begin(), strings.end());
    if (numbers_.empty() == strings_.empty()) {
      throw Error(ErrorCode::kInvalidGraph, "OneHotEncoder needs either cats_int64s or cats_strings.");
    }
  }
  void infer(InferContext& context) const override {
    if ((context.type(0) == DataType::kString) != numbers_.empty() && context.type(0) != DataType::kUndefined) {
      throw Error(ErrorCode::kInvalidGraph, "OneHotEncoder: the categories have another type than the input.");
    }
    if (!context.has_shape(0)) return context.set_output_type(0, DataType::kFloat);
    Shape y = context.shape(0);
    y.push_back(count());
    context.set_output(0, DataType::kFloat, y);
  }
  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    float* y = context.output(0).as<float>();
    std::fill_n(y, context.output(0).elements(), 0.0F);
    for (int64_t i = 0; i < x.elements(); ++i) {
      const int64_t category = find(x, i);
      if (category < count()) {
        y[i * count() + category] = 1.0F;
      } else if (!zeros_) {
        throw Error(ErrorCode::kInvalidArgument, "OneHotEncoder: unknown category, and zeros is 0.");
      }
    }
  }

 private:
  int64_t count() const { return static_cast<int64_t>(numbers_.size() + strings_.size()); }

  int64_t find(const TensorView& x, int64_t i) const {
    if (x.type == DataType::kString) {
      return std::find(strings_.begin(), strings_.end(), x.as<std::string>()[i]) - strings_.begin();
    }
    int64_t number = 0;
    visit_feature(x.type, [&](auto tag) { number = convert<int64_t>(x.as<typename decltype(tag)::type>()[i]); });
    return std::find(numbers_.begin(), numbers_.end(), number) - numbers_.begin();
  }

  bool zeros_;
  std::vector<int64_t> numbers_;
  std::vector<std::string> strings_;
};

/// (x - offset) * scale
class Scaler final : public Operator {
 public:
  explicit Scaler(const Node& node) {
    const auto offsets = node.attributes.get_floats("offset");
    const auto scales = node.attributes.get_floats("scale");
    offsets_.assign(offsets.begin(), offsets.end());
    scales_.assign(scales.begin(), scales.end());
    if (offsets_.empty()) offsets_.push_back(0.0F);
    if (scales_.empty()) scales_.push_back(1.0F);
  }
  void infer(InferContext& context) const override {
    if (context.has_shape(0)) {
      check_values(offsets_.size(), feature_count(context.shape(0)), "offset");
      check_values(scales_.size(), feature_count(context.shape(0)), "scale");
    }
    infer_same_shape(context, DataType::kFloat);
  }
  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t features = std::max<int64_t>(feature_count(x.shape()), 1);
    visit_feature(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_ranges(context.parallel(), x.elements(), kCheapGrain, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
          const auto feature = static_cast<size_t>(i % features);
          const float offset = offsets_[offsets_.size() == 1 ? 0 : feature];
          const float scale = scales_[scales_.size() == 1 ? 0 : feature];
          context.output(0).as<float>()[i] = (static_cast<float>(x.as<T>()[i]) - offset) * scale;
        }
      });
    });
  }

 private:
  std::vector<float> offsets_;
  std::vector<float> scales_;
};

OpDef feature_def(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&), TypeSet in = kFeatures,
                  TypeSet out = kFloatOnly) {
  return {
      .domain = "ai.onnx.ml",
      .name = name,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T1"}},
      .types = {{"T", in}, {"T1", out}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& array_feature_extractor() {
  static const OpDef def = [] {
    constexpr TypeSet kTypes = kFeatures | TypeSet{DataType::kString};
    OpDef extractor = feature_def("ArrayFeatureExtractor", make_operator<ArrayFeatureExtractor>, kTypes, kTypes);
    extractor.inputs.push_back({"Y", "tensor(int64)"});
    extractor.types.push_back({"tensor(int64)", {DataType::kInt64}});
    return extractor;
  }();
  return def;
}

[[gnu::cold]] const OpDef& binarizer() {
  static const OpDef def = feature_def("Binarizer", make_operator<Binarizer>, kFeatures, kFeatures);
  return def;
}

[[gnu::cold]] const OpDef& feature_vectorizer() {
  static const OpDef def = [] {
    OpDef vectorizer = feature_def("FeatureVectorizer", make_operator<FeatureVectorizer>);
    vectorizer.inputs[0].occurrence = Occurrence::kVariadic;
    vectorizer.types[0].mixed = true;
    return vectorizer;
  }();
  return def;
}

[[gnu::cold]] const OpDef& imputer() {
  static const OpDef def = feature_def("Imputer", make_operator<Imputer>, kFeatures, kFeatures);
  return def;
}

[[gnu::cold]] const OpDef& normalizer() {
  static const OpDef def = feature_def("Normalizer", make_operator<Normalizer>);
  return def;
}

[[gnu::cold]] const OpDef& one_hot_encoder() {
  static const OpDef def =
      feature_def("OneHotEncoder", make_operator<OneHotEncoder>, kFeatures | TypeSet{DataType::kString});
  return def;
}

[[gnu::cold]] const OpDef& scaler() {
  static const OpDef def = feature_def("Scaler", make_operator<Scaler>);
  return def;
}

}  // namespace attune::ops
