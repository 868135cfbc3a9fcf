#include "attune/maps.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/error.h"

namespace nb = nanobind;

namespace attune::python {
namespace {

template <class T>
T from_python(nb::handle object, std::string_view what) {
  T value{};
  if (nb::try_cast<T>(object, value, true)) return value;
  if constexpr (std::is_same_v<T, int64_t>) {  // integers of NumPy are none of Python's, but say that they are integers
    if (const auto number = nb::steal(PyNumber_Index(object.ptr())); number.is_valid()) {
      if (nb::try_cast<T>(number, value, true)) return value;
    }
    PyErr_Clear();
  }
  throw std::runtime_error(fmt::format("Unexpected {} type  {}, it cannot be linked to C type {}", what,
                                       nb::cast<std::string>(nb::repr(object.type())),
                                       std::is_same_v<T, int64_t>       ? "int64_t"
                                       : std::is_same_v<T, std::string> ? "string"
                                       : std::is_same_v<T, double>      ? "double"
                                                                        : "float"));
}

template <class Key, class Value>
Tensor map_of(const nb::dict& dict) {
  std::vector<std::pair<Key, Value>> items;
  items.reserve(dict.size());
  for (const auto& [key, value] : dict) {
    items.emplace_back(from_python<Key>(key, "key"), from_python<Value>(value, "value"));
  }
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const Shape shape{static_cast<int64_t>(items.size())};
  Tensor keys = Tensor::allocate(Tensor::data_type_of<Key>(), shape);
  Tensor values = Tensor::allocate(Tensor::data_type_of<Value>(), shape);
  for (size_t i = 0; i < items.size(); ++i) {
    keys.values<Key>()[i] = std::move(items[i].first);
    values.values<Value>()[i] = std::move(items[i].second);
  }
  return Tensor::map(std::move(keys), std::move(values));
}

template <class Key>
Tensor map_to(const nb::dict& dict, DataType value_type, const std::string& name) {
  switch (value_type) {
    case DataType::kFloat:
      return map_of<Key, float>(dict);
    case DataType::kDouble:
      return map_of<Key, double>(dict);
    case DataType::kInt64:
      return map_of<Key, int64_t>(dict);
    case DataType::kString:
      return map_of<Key, std::string>(dict);
    default:
      throw Error(ErrorCode::kNotImplemented, fmt::format("Input '{}' is a map to {}, which is not supported.", name,
                                                          tensor_type_name(value_type)));
  }
}

nb::object item_of(const Tensor& tensor, size_t i) {
  switch (tensor.type()) {
    case DataType::kFloat:
      return nb::float_(static_cast<double>(tensor.values<float>()[i]));
    case DataType::kDouble:
      return nb::float_(tensor.values<double>()[i]);
    case DataType::kInt64:
      return nb::int_(tensor.values<int64_t>()[i]);
    default:
      return nb::cast(tensor.values<std::string>()[i]);
  }
}

}  // namespace

Tensor map_from_object(nb::handle object, DataType key_type, DataType value_type, const std::string& name) {
  if (!nb::isinstance<nb::dict>(object)) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Input '{}' is a map: it takes a dict, not {}.", name,
                                                         nb::cast<std::string>(nb::repr(object.type()))));
  }
  const auto dict = nb::borrow<nb::dict>(object);
  return key_type == DataType::kInt64 ? map_to<int64_t>(dict, value_type, name)
                                      : map_to<std::string>(dict, value_type, name);
}

nb::dict dict_from_map(const Tensor& map) {
  nb::dict dict;
  const auto count = static_cast<size_t>(map.map_keys().elements());
  for (size_t i = 0; i < count; ++i) dict[item_of(map.map_keys(), i)] = item_of(map.map_values(), i);
  return dict;
}

}  // namespace attune::python
