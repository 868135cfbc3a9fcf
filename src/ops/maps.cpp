// Maps of ai.onnx.ml, version 1: ZipMap makes one of each sample's scores, DictVectorizer and CastMap make tensors of
// them: https://onnx.ai/onnx/operators/onnx_aionnxml_ZipMap.html and so on. What ONNX leaves open is onnxruntime's
// behaviour: maps list their keys in ascending order, and of a label that is there twice the last score counts.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/convert.h"
#include "ops/element_types.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// The one of two lists of attributes that the node has, of int64 or of strings.
Tensor read_labels(const Node& node, std::string_view numbers_name, std::string_view strings_name) {
  const auto numbers = node.attributes.get_ints(numbers_name);
  const auto strings = node.attributes.get_strings(strings_name);
  if (numbers.empty() == strings.empty()) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("{} needs either {} or {}.", node.op_type, numbers_name, strings_name));
  }
  const Shape shape{static_cast<int64_t>(numbers.size() + strings.size())};
  return !numbers.empty() ? Tensor::from_values<int64_t>(shape, numbers)
                          : Tensor::from_values<std::string>(shape, strings);
}

template <class Visit>
void visit_label(DataType type, Visit&& visit) {
  visit_type<int64_t, std::string>(type, std::forward<Visit>(visit));
}

/// The places of `labels` in ascending order, of equal ones the last.
std::vector<int64_t> sorted_places(const Tensor& labels) {
  std::vector<int64_t> places(static_cast<size_t>(labels.elements()));
  std::iota(places.begin(), places.end(), 0);
  visit_label(labels.type(), [&](auto tag) {
    const auto values = labels.values<typename decltype(tag)::type>();
    const auto at = [&](int64_t place) -> const auto& { return values[static_cast<size_t>(place)]; };
    std::sort(places.begin(), places.end(),
              [&](int64_t a, int64_t b) { return at(a) < at(b) || (at(a) == at(b) && a > b); });
    const auto same = [&](int64_t a, int64_t b) { return at(a) == at(b); };
    places.erase(std::unique(places.begin(), places.end(), same), places.end());
  });
  return places;
}

/// A map from labels to scores for each row: all of them share the keys, and the block of values that they lie in.
class ZipMap final : public Operator {
 public:
  explicit ZipMap(const Node& node) : labels_(read_labels(node, "classlabels_int64s", "classlabels_strings")) {
    places_ = sorted_places(labels_);
    keys_ = Tensor::allocate(labels_.type(), Shape{static_cast<int64_t>(places_.size())});
    visit_label(labels_.type(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const std::span<const T> labels = std::as_const(labels_).values<T>();
      std::transform(places_.begin(), places_.end(), keys_.values<T>().begin(),
                     [&](int64_t place) { return labels[static_cast<size_t>(place)]; });
    });
  }

  void infer(InferContext& context) const override {
    if (context.has_shape(0)) check_shape(context.shape(0));
    const bool has_numbers = labels_.type() == DataType::kInt64;
    context.set_output_type(0, DataType::kFloat,
                            has_numbers ? ValueKind::kInt64MapSequence : ValueKind::kStringMapSequence);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    check_shape(x.shape());
    const int64_t rows = x.rank() == 2 ? x.dim(0) : 1;
    const auto count = static_cast<int64_t>(places_.size());
    Tensor values = Tensor::allocate(DataType::kFloat, Shape{rows, count});
    float* out = values.values<float>().data();
    std::vector<Tensor> maps;
    maps.reserve(static_cast<size_t>(rows));
    for (int64_t row = 0; row < rows; ++row, out += count) {
      const float* in = x.as<float>() + row * labels_.elements();
      std::transform(places_.begin(), places_.end(), out, [in](int64_t place) { return in[place]; });
      maps.push_back(Tensor::map(keys_, Tensor::view(DataType::kFloat, Shape{count}, out, values.owner())));
    }
    context.give_output(0, Tensor::sequence(std::move(maps)));
  }

 private:
  void check_shape(const Shape& shape) const {
    if (shape.rank() < 1 || shape.rank() > 2) {
      throw Error(ErrorCode::kInvalidArgument, "Zipmap only supports 1D or 2D input tensors");
    }
    const int64_t columns = shape[shape.rank() - 1];
    if (!is_known(columns) || columns == labels_.elements()) return;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("Input features_per_batch[{}] != number of classlabels[{}]", columns, labels_.elements()));
  }

  Tensor labels_;
  Tensor keys_;                  // sorted
  std::vector<int64_t> places_;  // of the keys among the labels
};

/// The values of the vocabulary's keys, zeros and empty strings for those that the map lacks.
class DictVectorizer final : public Operator {
 public:
  explicit DictVectorizer(const Node& node) : vocabulary_(read_labels(node, "int64_vocabulary", "string_vocabulary")) {}

  void infer(InferContext& context) const override {
    if (context.type(0) != DataType::kUndefined && map_key_type(context.kind(0)) != vocabulary_.type()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("DictVectorizer has a vocabulary of {} for a {}.", data_type_name(vocabulary_.type()),
                              value_type_name(context.kind(0), context.type(0))));
    }
    context.set_output(0, context.type(0), Shape{1, vocabulary_.elements()});
  }

  void run(RunContext& context) const override {
    const Tensor map = map_of(context.input(0));
    const TensorView& y = context.output(0);
    visit_label(vocabulary_.type(), [&](auto key_tag) {
      using Key = typename decltype(key_tag)::type;
      const std::span<const Key> keys = map.map_keys().values<Key>();
      const std::span<const Key> wanted = vocabulary_.values<Key>();
      visit_type<float, double, int64_t, std::string>(y.type, [&](auto value_tag) {
        using T = typename decltype(value_tag)::type;
        const std::span<const T> values = map.map_values().template values<T>();
        for (size_t i = 0; i < wanted.size(); ++i) {
          const auto found = std::find(keys.begin(), keys.end(), wanted[i]);
          y.as<T>()[i] = found == keys.end() ? T() : values[static_cast<size_t>(found - keys.begin())];
        }
      });
    });
  }

  static Tensor map_of(const TensorView& view) {
    if (view.type != DataType::kMap) throw Error(ErrorCode::kInvalidArgument, "The map is missing.");
    return Tensor::view(view.type, view.shape(), view.data);
  }

 private:
  Tensor vocabulary_;
};

/// A map's values in the order of its keys, or, if the map is sparse, each in the place that its key says.
class CastMap final : public Operator {
 public:
  explicit CastMap(const Node& node) {
    const std::string type = node.attributes.get_string("cast_to", "TO_FLOAT");
    const std::string form = node.attributes.get_string("map_form", "DENSE");
    type_ = type == "TO_FLOAT"    ? DataType::kFloat
            : type == "TO_INT64"  ? DataType::kInt64
            : type == "TO_STRING" ? DataType::kString
                                  : DataType::kUndefined;
    if (type_ == DataType::kUndefined) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("CastMap: unknown cast_to '{}'.", type));
    }
    if (form != "DENSE" && form != "SPARSE") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("CastMap: unknown map_form '{}'.", form));
    }
    if (form == "SPARSE") {
      size_ = node.attributes.get_int("max_map", 1);
      if (size_ < 1) throw Error(ErrorCode::kInvalidGraph, "max_map must be > 0 if map_form is SPARSE");
    }
  }

  void infer(InferContext& context) const override {
    context.set_output(0, type_, Shape{1, size_ > 0 ? size_ : context.fresh_dim()});
  }

  void run(RunContext& context) const override {
    const Tensor map = DictVectorizer::map_of(context.input(0));
    const std::span<const int64_t> keys = map.map_keys().values<int64_t>();
    const std::vector<int64_t> places = sorted_places(map.map_keys());
    const bool is_dense = size_ == 0;
    if (!is_dense && !places.empty() && keys[static_cast<size_t>(places[0])] < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Negative index values are not permitted. First entry in map has index value of {}",
                              keys[static_cast<size_t>(places[0])]));
    }
    const int64_t count = is_dense ? static_cast<int64_t>(places.size()) : size_;
    const Shape shape{1, count};
    const TensorView y = output_of_shape(context, 0, shape);
    visit_type<float, int64_t, std::string>(type_, [&](auto target) {
      using To = typename decltype(target)::type;
      To* out = y.as<To>();
      std::fill_n(out, count, To());
      visit_type<float, std::string>(map.map_values().type(), [&](auto source) {
        using From = typename decltype(source)::type;
        const std::span<const From> values = map.map_values().template values<From>();
        for (size_t i = 0; i < places.size(); ++i) {
          const auto from = static_cast<size_t>(places[i]);
          const int64_t to = is_dense ? static_cast<int64_t>(i) : keys[from];
          if (to < count) out[to] = cast<From, To>(values[from]);
        }
      });
    });
  }

 private:
  template <class From, class To>
  static To cast(const From& value) {
    if constexpr (std::is_same_v<From, To>) {
      return value;
    } else if constexpr (std::is_same_v<To, std::string>) {
      return fmt::format("{:f}", value);
    } else if constexpr (std::is_same_v<From, std::string>) {
      To number{};
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("CastMap: '{}' is no number.", value));
      }
      return number;
    } else {
      return convert<To>(value);
    }
  }

  DataType type_ = DataType::kUndefined;
  int64_t size_ = 0;  // of a sparse map; 0 for a dense one
};

}  // namespace

[[gnu::cold]] const OpDef& cast_map() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "CastMap",
      .inputs = {{"X", "T1", Occurrence::kRequired, {ValueKind::kInt64Map}}},
      .outputs = {{"Y", "T2"}},
      .types = {{"T1", {DataType::kString, DataType::kFloat}},
                {"T2", {DataType::kString, DataType::kFloat, DataType::kInt64}}},
      .make = make_operator<CastMap>,
  };
  return def;
}

[[gnu::cold]] const OpDef& dict_vectorizer() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "DictVectorizer",
      .inputs = {{"X", "T", Occurrence::kRequired, kMaps}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", {DataType::kInt64, DataType::kFloat, DataType::kDouble, DataType::kString}}},
      .make = make_operator<DictVectorizer>,
  };
  return def;
}

[[gnu::cold]] const OpDef& zip_map() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "ZipMap",
      .inputs = {{"X", "T"}},
      .outputs = {{"Z", "T", Occurrence::kRequired, kMapSequences}},
      .types = {{"T", {DataType::kFloat}}},
      .make = make_operator<ZipMap>,
  };
  return def;
}

}  // namespace attune::ops
