#include "graph/attributes.h"

#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"

namespace attune {
namespace {

template <class T>
const T* typed(const AttributeValue* value, std::string_view name) {
  if (value == nullptr) return nullptr;
  const T* held = std::get_if<T>(value);
  if (held == nullptr) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Attribute '{}' has the wrong type.", name));
  }
  return held;
}

/// Lists written without elements carry no kind; an empty list of one type reads as an empty list of any.
template <class T>
std::span<const T> typed_list(const AttributeValue* value, std::string_view name) {
  if (value == nullptr) return {};
  if (const auto* ints = std::get_if<std::vector<int64_t>>(value); ints != nullptr && ints->empty()) return {};
  return *typed<std::vector<T>>(value, name);
}

[[noreturn]] void throw_missing(std::string_view name) {
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Required attribute '{}' is missing.", name));
}

}  // namespace

void Attributes::set(std::string_view name, AttributeValue value) {
  erase(name);
  entries_.push_back({std::string(name), std::move(value)});
}

void Attributes::erase(std::string_view name) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.name == name; });
}

const AttributeValue* Attributes::find(std::string_view name) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name == name; });
  return entry == entries_.end() ? nullptr : &entry->value;
}

int64_t Attributes::get_int(std::string_view name, int64_t fallback) const {
  const auto* value = typed<int64_t>(find(name), name);
  return value == nullptr ? fallback : *value;
}

DataType Attributes::get_data_type(std::string_view name, DataType fallback) const {
  const int64_t number = get_int(name, static_cast<int64_t>(fallback));
  if (number < 0 || number > static_cast<int64_t>(DataType::kInt2)) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Attribute '{}' is {}, which is no element type.", name, number));
  }
  return static_cast<DataType>(number);
}

float Attributes::get_float(std::string_view name, float fallback) const {
  const auto* value = typed<float>(find(name), name);
  return value == nullptr ? fallback : *value;
}

std::string Attributes::get_string(std::string_view name, std::string_view fallback) const {
  const auto* value = typed<std::string>(find(name), name);
  return value == nullptr ? std::string(fallback) : *value;
}

std::span<const int64_t> Attributes::get_ints(std::string_view name) const {
  return typed_list<int64_t>(find(name), name);
}

std::span<const float> Attributes::get_floats(std::string_view name) const {
  return typed_list<float>(find(name), name);
}

std::span<const std::string> Attributes::get_strings(std::string_view name) const {
  return typed_list<std::string>(find(name), name);
}

Tensor Attributes::get_tensor(std::string_view name) const {
  const auto* value = typed<Tensor>(find(name), name);
  return value == nullptr ? Tensor() : *value;
}

std::shared_ptr<Graph> Attributes::get_graph(std::string_view name) const {
  const auto* value = typed<std::shared_ptr<Graph>>(find(name), name);
  return value == nullptr ? nullptr : *value;
}

std::optional<ValueType> Attributes::get_type(std::string_view name) const {
  const auto* value = typed<ValueType>(find(name), name);
  return value == nullptr ? std::nullopt : std::optional<ValueType>(*value);
}

int64_t Attributes::require_int(std::string_view name) const {
  if (!has(name)) throw_missing(name);
  return get_int(name, 0);
}

std::span<const int64_t> Attributes::require_ints(std::string_view name) const {
  if (!has(name)) throw_missing(name);
  return get_ints(name);
}

std::shared_ptr<Graph> Attributes::require_graph(std::string_view name) const {
  if (!has(name)) throw_missing(name);
  return get_graph(name);
}

}  // namespace attune
