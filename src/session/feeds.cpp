#include "session/feeds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "attune/error.h"

namespace attune {
namespace {

ValueDescription describe(const Graph& graph, std::string_view name, const Value& value,
                          const std::optional<Shape>& shape) {
  ValueDescription description;
  description.name = std::string(name);
  description.type = value_type_name(value.kind, value.type);
  description.is_sequence = is_sequence_kind(value.kind);
  description.key_type = map_key_type(value.kind);
  description.is_optional = value.kind == ValueKind::kOptional || value.kind == ValueKind::kOptionalSequence;
  description.element_type = value.type;
  description.has_shape = shape.has_value();
  if (!shape) return description;
  for (const int64_t dim : *shape) {
    if (is_known(dim)) {
      description.shape.emplace_back(dim);
    } else {
      description.shape.emplace_back(std::string(graph.symbols->name(dim)));
    }
  }
  return description;
}

[[noreturn]] void throw_argument(const std::string& text) { throw Error(ErrorCode::kInvalidArgument, text); }

bool is_among(std::span<const ValueDescription> values, const std::string& name) {
  return std::any_of(values.begin(), values.end(), [&](const ValueDescription& v) { return v.name == name; });
}

}  // namespace

std::vector<ValueDescription> describe_inputs(const Graph& graph) {
  std::vector<ValueDescription> descriptions;
  for (const Value* value : graph.inputs()) descriptions.push_back(describe(graph, value->name, *value, value->shape));
  return descriptions;
}

std::vector<ValueDescription> describe_overridable(const Graph& graph) {
  std::vector<ValueDescription> descriptions;
  for (const Value* value : graph.overridable()) {
    descriptions.push_back(describe(graph, value->name, *value, value->shape));
  }
  return descriptions;
}

std::vector<ValueDescription> describe_outputs(const Graph& graph) {
  std::vector<ValueDescription> descriptions;
  for (const GraphOutput& output : graph.outputs()) {
    descriptions.push_back(
        describe(graph, output.name, *output.value, output.stated_shape ? output.stated_shape : output.value->shape));
  }
  return descriptions;
}

void check_shape(const ValueDescription& value, const Shape& shape, std::string_view kind) {
  if (!value.has_shape) return;
  if (static_cast<size_t>(shape.rank()) != value.shape.size()) {
    throw_argument(
        fmt::format("Invalid rank for {}: {} Got: {} Expected: {} Please fix either the inputs/outputs or the model.",
                    kind, value.name, shape.rank(), value.shape.size()));
  }
  std::string wrong;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto* wanted = std::get_if<int64_t>(&value.shape[static_cast<size_t>(axis)]);
    if (wanted == nullptr || *wanted == shape[axis]) continue;
    wrong += fmt::format("\n index: {} Got: {} Expected: {}", axis, shape[axis], *wanted);
  }
  if (wrong.empty()) return;
  throw_argument(
      fmt::format("Got invalid dimensions for {}: {} for the following indices{}\n Please fix either the "
                  "inputs/outputs or the model.",
                  kind, value.name, wrong));
}

namespace {

/// What operators may read in place.
Tensor readable(const Tensor& tensor) {
  if (tensor.type() == DataType::kMap) return Tensor::map(tensor.map_keys().aligned(), tensor.map_values().aligned());
  if (tensor.type() != DataType::kSequence) return tensor.aligned();
  std::vector<Tensor> elements;
  for (const Tensor& element : tensor.values<Tensor>()) elements.push_back(readable(element));
  return Tensor::sequence(std::move(elements));
}

/// As messages call it, with the types in a map; "nothing" for an optional's missing value.
std::string type_of(const Tensor& tensor) {
  if (!tensor) return "nothing";
  if (tensor.type() != DataType::kMap) return tensor_type_name(tensor.type());
  return fmt::format("map({},{})", data_type_name(tensor.map_keys().type()),
                     tensor_type_name(tensor.map_values().type()));
}

[[noreturn]] void throw_type(const ValueDescription& value, std::string_view actual, std::string_view kind) {
  throw_argument(fmt::format("Unexpected {} data type. Actual: ({}) , expected: ({})", kind, actual, value.type));
}

/// A tensor, or a map, of what the value holds.
bool is_element(const ValueDescription& value, const Tensor& tensor) {
  if (value.key_type == DataType::kUndefined) return tensor.type() == value.element_type;
  return tensor.type() == DataType::kMap && tensor.map_keys().type() == value.key_type &&
         tensor.map_values().type() == value.element_type;
}

}  // namespace

void check_tensor(const ValueDescription& value, const Tensor& tensor, std::string_view kind) {
  if (value.is_optional && !tensor) return;
  if (!value.is_sequence) {
    if (!is_element(value, tensor)) throw_type(value, type_of(tensor), kind);
    if (value.key_type == DataType::kUndefined) check_shape(value, tensor.shape(), kind);
    return;
  }
  if (tensor.type() != DataType::kSequence) throw_type(value, type_of(tensor), kind);
  for (const Tensor& element : tensor.values<Tensor>()) {
    if (!is_element(value, element)) throw_type(value, fmt::format("seq({})", type_of(element)), kind);
  }
}

MatchedFeeds match_feeds(std::span<const ValueDescription> inputs, std::span<const ValueDescription> overridable,
                         std::span<const NamedTensor> feeds) {
  MatchedFeeds matched;
  const auto feed_of = [&](const ValueDescription& value) {
    return std::find_if(feeds.begin(), feeds.end(), [&](const NamedTensor& f) { return f.name == value.name; });
  };
  for (const NamedTensor& feed : feeds) {
    if (is_among(inputs, feed.name)) continue;
    if (!is_among(overridable, feed.name)) throw_argument(fmt::format("Invalid input name: {}", feed.name));
    matched.initializers.resize(overridable.size());
  }
  matched.inputs.reserve(inputs.size());
  for (const ValueDescription& input : inputs) {
    const auto feed = feed_of(input);
    if (feed == feeds.end()) {
      if (!input.is_optional) throw_argument(fmt::format("Missing Input: {}", input.name));
      matched.inputs.emplace_back();
      continue;
    }
    check_tensor(input, feed->tensor, "input");
    matched.inputs.push_back(readable(feed->tensor));
  }
  for (size_t i = 0; i < matched.initializers.size(); ++i) {
    const auto feed = feed_of(overridable[i]);
    if (feed == feeds.end()) continue;
    check_tensor(overridable[i], feed->tensor, "input");
    matched.initializers[i] = feed->tensor.aligned();
  }
  return matched;
}

std::vector<size_t> match_outputs(std::span<const ValueDescription> outputs, std::span<const std::string> names) {
  std::vector<size_t> indices;
  if (names.empty()) {
    for (size_t i = 0; i < outputs.size(); ++i) indices.push_back(i);
    return indices;
  }
  for (const std::string& name : names) {
    const auto output =
        std::find_if(outputs.begin(), outputs.end(), [&](const ValueDescription& o) { return o.name == name; });
    if (output == outputs.end()) throw_argument(fmt::format("Invalid output name:{}", name));
    indices.push_back(static_cast<size_t>(output - outputs.begin()));
  }
  return indices;
}

}  // namespace attune
