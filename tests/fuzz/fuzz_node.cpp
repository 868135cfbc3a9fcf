// What fuzz_session.cpp checks, for models that stay well formed: a mutation changes an attribute, a dimension, an
// index, a type or the version of a small model, so that what is wrong is for an operator to find, and not for the
// reader. The seeds are ONNX's own tests, a node each.
#include <array>
#include <cstring>
#include <limits>
#include <random>
#include <string_view>

#include "graph/graph.h"
#include "onnx/reader.h"
#include "onnx/writer.h"
#include "run_if_small.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace attune {
namespace {

constexpr std::array kIntegers = {int64_t{0},          int64_t{1},
                                  int64_t{-1},         int64_t{2},
                                  int64_t{-2},         int64_t{3},
                                  int64_t{7},          int64_t{-9},
                                  int64_t{64},         int64_t{1} << 31,
                                  int64_t{1} << 62,    std::numeric_limits<int64_t>::max(),
                                  -(int64_t{1} << 31), std::numeric_limits<int64_t>::min()};
constexpr std::array kFloats = {0.0F,
                                -0.0F,
                                1.0F,
                                -1.0F,
                                0.5F,
                                1e30F,
                                -1e30F,
                                std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN(),
                                std::numeric_limits<float>::denorm_min()};
constexpr std::array<std::string_view, 8> kTexts = {"", "x", "nearest", "linear", "sum", "SAME_UPPER", "ij->ji", "[a"};
constexpr std::array kTypes = {DataType::kFloat,  DataType::kDouble, DataType::kFloat16, DataType::kBfloat16,
                               DataType::kInt8,   DataType::kUint8,  DataType::kInt32,   DataType::kInt64,
                               DataType::kUint64, DataType::kBool,   DataType::kString,  DataType::kInt4};

class Mutation {
 public:
  Mutation(Graph& graph, unsigned seed) : graph_(graph), random_(seed) {}

  /// One change; nothing where the model has nothing of the kind that was drawn.
  void apply() {
    if (graph_.nodes().empty()) return;
    Node& node = *graph_.nodes()[below(graph_.nodes().size())];
    switch (below(6)) {
      case 0:
      case 1:
        return change_attribute(node);
      case 2:
        return change_shape(node);
      case 3:
        return change_constant(node);
      case 4:
        return change_type(node);
      default:
        if (below(2) == 0 && !node.inputs().empty()) {
          return graph_.set_input(&node, static_cast<int>(below(node.inputs().size())), nullptr);
        }
        for (auto& [domain, version] : graph_.opsets) version = 1 + static_cast<int>(below(28));
    }
  }

 private:
  size_t below(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }
  template <class List>
  auto pick(const List& list) {
    return list[below(list.size())];
  }

  template <class T, class List>
  void change_list(std::vector<T>& list, const List& choices) {
    const size_t what = below(3);
    if (what == 0 && !list.empty()) {
      list.pop_back();
    } else if (what == 1 || list.empty()) {
      list.emplace_back(pick(choices));
    } else {
      list[below(list.size())] = T(pick(choices));
    }
  }

  void change_attribute(Node& node) {
    const auto entries = node.attributes.entries();
    if (entries.empty()) return;
    const Attributes::Entry entry = entries[below(entries.size())];
    if (below(12) == 0) return node.attributes.erase(entry.name);
    AttributeValue value = entry.value;
    if (auto* number = std::get_if<int64_t>(&value)) *number = pick(kIntegers);
    if (auto* number = std::get_if<float>(&value)) *number = pick(kFloats);
    if (auto* text = std::get_if<std::string>(&value)) *text = std::string(pick(kTexts));
    if (auto* list = std::get_if<std::vector<int64_t>>(&value)) change_list(*list, kIntegers);
    if (auto* list = std::get_if<std::vector<float>>(&value)) change_list(*list, kFloats);
    if (auto* list = std::get_if<std::vector<std::string>>(&value)) change_list(*list, kTexts);
    node.attributes.set(entry.name, std::move(value));
  }

  /// An input of the node, or null.
  Value* input_of(Node& node) { return node.inputs().empty() ? nullptr : node.inputs()[below(node.inputs().size())]; }

  void change_shape(Node& node) {
    Value* value = input_of(node);
    if (value == nullptr || !value->shape) return;
    Shape shape = *value->shape;
    const size_t what = below(4);
    if (what == 0 && shape.rank() > 0) {
      shape = Shape(shape.dims().first(static_cast<size_t>(shape.rank() - 1)));
    } else if (what == 1 && shape.rank() < Shape::kMaxRank) {
      shape.push_back(1 + static_cast<int64_t>(below(3)));
    } else if (shape.rank() > 0) {
      shape[static_cast<int>(below(static_cast<size_t>(shape.rank())))] = static_cast<int64_t>(below(6));
    }
    if (!value->is_constant()) {
      value->shape = shape;
      return;
    }
    // As many bytes as there were, repeated or cut off.
    if (value->type == DataType::kString || !shape.is_concrete() || shape.elements() > fuzz::kMostElements) return;
    Tensor changed = Tensor::allocate(value->type, shape);
    const Tensor old = value->constant;
    for (size_t i = 0; i < changed.bytes(); ++i) {
      const auto* bytes = static_cast<const uint8_t*>(old.raw());
      static_cast<uint8_t*>(changed.raw())[i] = old.bytes() == 0 ? 0 : bytes[i % old.bytes()];
    }
    value->constant = changed;
    value->shape = shape;
  }

  void change_constant(Node& node) {
    Value* value = input_of(node);
    if (value == nullptr || !value->is_constant() || value->constant.elements() == 0) return;
    if (value->type != DataType::kInt64 && value->type != DataType::kInt32 && value->type != DataType::kFloat) return;
    Tensor changed = Tensor::allocate(value->type, value->constant.shape());
    std::memcpy(changed.raw(), value->constant.raw(), changed.bytes());
    const size_t at = below(static_cast<size_t>(changed.elements()));
    if (value->type == DataType::kInt64) changed.values<int64_t>()[at] = pick(kIntegers);
    if (value->type == DataType::kInt32) changed.values<int32_t>()[at] = static_cast<int32_t>(pick(kIntegers));
    if (value->type == DataType::kFloat) changed.values<float>()[at] = pick(kFloats);
    value->constant = changed;
  }

  void change_type(Node& node) {
    Value* value = input_of(node);
    if (value == nullptr || value->is_constant()) return;
    value->type = pick(kTypes);
  }

  Graph& graph_;
  std::minstd_rand random_;
};

}  // namespace
}  // namespace attune

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  try {
    attune::Graph graph = attune::load_graph(std::as_bytes(std::span(data, size)), nullptr);
    attune::Mutation mutation(graph, seed);
    for (unsigned i = 0; i <= seed % 3; ++i) mutation.apply();
    const std::string changed = attune::write_model(graph);
    if (changed.size() <= max_size) {
      std::memcpy(data, changed.data(), changed.size());
      return changed.size();
    }
  } catch (const attune::Error&) {  // not a model: changed below
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return attune::fuzz::load_and_run(std::as_bytes(std::span(data, size)));
}
