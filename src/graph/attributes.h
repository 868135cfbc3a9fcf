// A node's attributes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attune/tensor.h"
#include "graph/value_type.h"

namespace attune {

class Graph;

/// One attribute's value. A subgraph belongs to one node; the optimizer rewrites it as it does the graph around it.
using AttributeValue = std::variant<int64_t, float, std::string, Tensor, std::shared_ptr<Graph>, std::vector<int64_t>,
                                    std::vector<float>, std::vector<std::string>, std::vector<Tensor>, ValueType>;

/// Name and value pairs. The getters throw Error(kInvalidGraph) naming the attribute when it has another type than
/// asked for, and the require_ forms also when it is missing.
class Attributes {
 public:
  void set(std::string_view name, AttributeValue value);
  void erase(std::string_view name);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  const AttributeValue* find(std::string_view name) const;

  int64_t get_int(std::string_view name, int64_t fallback) const;
  /// An element type, given as ONNX's number: 0 for none, and an error for a number that stands for none.
  DataType get_data_type(std::string_view name, DataType fallback) const;
  float get_float(std::string_view name, float fallback) const;
  std::string get_string(std::string_view name, std::string_view fallback) const;
  /// A missing list is an empty one.
  std::span<const int64_t> get_ints(std::string_view name) const;
  std::span<const float> get_floats(std::string_view name) const;
  std::span<const std::string> get_strings(std::string_view name) const;
  /// An undefined tensor when missing.
  Tensor get_tensor(std::string_view name) const;
  /// None when missing.
  std::optional<ValueType> get_type(std::string_view name) const;
  /// Null when missing.
  std::shared_ptr<Graph> get_graph(std::string_view name) const;

  int64_t require_int(std::string_view name) const;
  std::span<const int64_t> require_ints(std::string_view name) const;
  std::shared_ptr<Graph> require_graph(std::string_view name) const;

  struct Entry {
    std::string name;
    AttributeValue value;
  };
  std::span<const Entry> entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace attune
