// ai.onnx.ml.LabelEncoder: https://onnx.ai/onnx/operators/onnx_aionnxml_LabelEncoder.html, versions 1 to 4: a table
// from keys to values, between numbers and strings. ai.onnx.ml.CategoryMapper, version 1: the same between int64 and
// string. A NaN finds a NaN.
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "attune/error.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// A key; numbers of all types are found as double, but int64, which double cannot hold.
using Key = std::variant<int64_t, double, std::string>;

/// The two zeros are one key.
Key number_key(double value) { return value == 0.0 ? 0.0 : value; }

struct HashKey {
  size_t operator()(const Key& key) const {
    if (const double* number = std::get_if<double>(&key); number != nullptr && std::isnan(*number)) return 0;
    return std::hash<Key>()(key);
  }
};
struct SameKey {
  bool operator()(const Key& a, const Key& b) const {
    const double* x = std::get_if<double>(&a);
    const double* y = std::get_if<double>(&b);
    return (x != nullptr && y != nullptr && std::isnan(*x) && std::isnan(*y)) || a == b;
  }
};

constexpr TypeSet kLabels{DataType::kString, DataType::kInt64, DataType::kFloat,
                          DataType::kInt32,  DataType::kInt16, DataType::kDouble};

/// Values of one type with a default, in a tensor of keys and one of values.
class LabelEncoder final : public Operator {
 public:
  explicit LabelEncoder(const Node& node) {
    if (node.op_type == "CategoryMapper" || node.version < 2) {
      read_classes(node);
    } else {
      keys_ = read_column(node.attributes, "keys", true);
      values_ = read_column(node.attributes, "values", true);
      default_ = read_default(node.attributes, values_.type());
      if (keys_.elements() != values_.elements()) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("{}: {} keys and {} values.", node.op_type, keys_.elements(), values_.elements()));
      }
      fill(table_, keys_);
    }
  }

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    if (!both_ways_ && type != DataType::kUndefined && type != keys_.type()) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("LabelEncoder: an input of {} for keys of {}.",
                                                        tensor_type_name(type), tensor_type_name(keys_.type())));
    }
    infer_same_shape(context,
                     both_ways_ ? (type == DataType::kString ? DataType::kInt64 : DataType::kString) : values_.type());
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const bool back = both_ways_ && x.type != keys_.type();
    const auto& table = back ? back_ : table_;
    const Tensor& values = back ? keys_ : values_;
    const Tensor& fallback = back ? back_default_ : default_;
    visit_label(y.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const std::span<const T> column = values.values<T>();
      const T missing = fallback.values<T>()[0];
      for (int64_t i = 0; i < x.elements(); ++i) {
        const auto entry = table.find(key_of(x, i));
        y.as<T>()[i] = entry == table.end() ? missing : column[entry->second];
      }
    });
  }

 private:
  using Table = std::unordered_map<Key, size_t, HashKey, SameKey>;

  template <class Visit>
  static void visit_label(DataType type, Visit&& visit) {
    visit_type<std::string, int64_t, float, int32_t, int16_t, double>(type, std::forward<Visit>(visit));
  }

  static Key key_of(const TensorView& view, int64_t i) {
    switch (view.type) {
      case DataType::kString:
        return view.as<std::string>()[i];
      case DataType::kFloat:
        return number_key(static_cast<double>(view.as<float>()[i]));
      case DataType::kDouble:
        return number_key(view.as<double>()[i]);
      case DataType::kInt16:
        return int64_t{view.as<int16_t>()[i]};
      default:
        return view.integer(i);
    }
  }

  /// The last of equal keys counts.
  static void fill(Table& table, const Tensor& keys) {
    const TensorView view = TensorView::of(keys);
    for (int64_t i = 0; i < view.elements(); ++i) table[key_of(view, i)] = static_cast<size_t>(i);
  }

  template <class T>
  static Tensor column_of(std::span<const T> values) {
    return Tensor::from_values<T>(Shape{static_cast<int64_t>(values.size())}, values);
  }

  /// keys_strings, keys_int64s, keys_floats or keys_tensor.
  static Tensor read_column(const Attributes& attributes, const std::string& name, bool required) {
    if (attributes.has(name + "_strings")) return column_of<std::string>(attributes.get_strings(name + "_strings"));
    if (attributes.has(name + "_int64s")) return column_of<int64_t>(attributes.get_ints(name + "_int64s"));
    if (attributes.has(name + "_floats")) return column_of<float>(attributes.get_floats(name + "_floats"));
    const Tensor tensor = attributes.get_tensor(name + "_tensor");
    if ((!tensor && required) || (tensor && !kLabels.contains(tensor.type()))) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("LabelEncoder: {}_* is missing or of a wrong type.", name));
    }
    return tensor.aligned();
  }

  static Tensor read_default(const Attributes& attributes, DataType type) {
    if (const Tensor stated = attributes.get_tensor("default_tensor")) {
      if (stated.type() != type || stated.elements() != 1) {
        throw Error(ErrorCode::kInvalidGraph, "LabelEncoder: default_tensor must be one value of the values' type.");
      }
      return stated.aligned();
    }
    if (type == DataType::kString)
      return Tensor::scalar<std::string>(attributes.get_string("default_string", "_Unused"));
    if (type == DataType::kInt64) return Tensor::scalar<int64_t>(attributes.get_int("default_int64", -1));
    if (type == DataType::kFloat) return Tensor::scalar<float>(attributes.get_float("default_float", 0.0F));
    if (type == DataType::kDouble) return Tensor::scalar<double>(0.0);
    if (type == DataType::kInt16) return Tensor::scalar<int16_t>(-1);
    return Tensor::scalar<int32_t>(-1);
  }

  /// Strings to numbers and numbers to strings by the same table.
  void read_classes(const Node& node) {
    both_ways_ = true;
    const bool is_mapper = node.op_type == "CategoryMapper";
    const auto strings = node.attributes.get_strings(is_mapper ? "cats_strings" : "classes_strings");
    keys_ = column_of<std::string>(strings);
    if (is_mapper) {
      values_ = column_of<int64_t>(node.attributes.get_ints("cats_int64s"));
    } else {
      values_ = Tensor::allocate(DataType::kInt64, keys_.shape());
      for (size_t i = 0; i < strings.size(); ++i) values_.values<int64_t>()[i] = static_cast<int64_t>(i);
    }
    if (keys_.elements() != values_.elements()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("{}: {} strings and {} numbers.", node.op_type, keys_.elements(), values_.elements()));
    }
    default_ = Tensor::scalar<int64_t>(node.attributes.get_int("default_int64", -1));
    back_default_ = Tensor::scalar<std::string>(node.attributes.get_string("default_string", "_Unused"));
    fill(table_, keys_);
    fill(back_, values_);
  }

  bool both_ways_ = false;
  Tensor keys_;
  Tensor values_;
  Tensor default_;
  Tensor back_default_;
  Table table_;
  Table back_;
};

OpDef label_def(std::string_view name, TypeSet types) {
  return {
      .domain = "ai.onnx.ml",
      .name = name,
      .inputs = {{"X", "T1"}},
      .outputs = {{"Y", "T2"}},
      .types = {{"T1", types}, {"T2", types}},
      .make = make_operator<LabelEncoder>,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& category_mapper() {
  static const OpDef def = label_def("CategoryMapper", {DataType::kString, DataType::kInt64});
  return def;
}

[[gnu::cold]] const OpDef& label_encoder() {
  static const OpDef def = label_def("LabelEncoder", kLabels);
  return def;
}

}  // namespace attune::ops
