// Common subexpressions: nodes that compute the same from the same are one node, small equal constants one constant.
#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>

#include "ops/op_def.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

/// Comparing larger constants costs more than finding them equal could save.
constexpr size_t kLargestCompared = 1024;

void append(std::string& key, const void* data, size_t size) { key.append(static_cast<const char*>(data), size); }

template <class T>
requires std::is_trivially_copyable_v<T>
void append(std::string& key, const T& value) { append(key, &value, sizeof value); }

void append(std::string& key, std::string_view text) {
  append(key, text.size());
  append(key, text.data(), text.size());
}

bool append_tensor(std::string& key, const Tensor& tensor) {
  if (tensor.type() == DataType::kString || tensor.bytes() > kLargestCompared) return false;
  append(key, tensor.type());
  append(key, tensor.shape().rank());
  append(key, tensor.shape().begin(), sizeof(int64_t) * static_cast<size_t>(tensor.shape().rank()));
  append(key, tensor.raw(), tensor.bytes());
  return true;
}

/// False for what is not compared: large tensors, subgraphs.
bool append_attribute(std::string& key, const Attributes::Entry& entry) {
  append(key, std::string_view(entry.name));
  append(key, entry.value.index());
  return std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_arithmetic_v<T>) {
          append(key, value);
        } else if constexpr (std::is_same_v<T, std::string>) {
          append(key, std::string_view(value));
        } else if constexpr (std::is_same_v<T, Tensor>) {
          return append_tensor(key, value);
        } else if constexpr (std::is_same_v<T, std::vector<int64_t>> || std::is_same_v<T, std::vector<float>>) {
          append(key, value.size());
          append(key, value.data(), value.size() * sizeof(value[0]));
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          append(key, value.size());
          for (const std::string& text : value) append(key, std::string_view(text));
        } else {
          return false;
        }
        return true;
      },
      entry.value);
}

/// Equal for nodes that give equal outputs; empty for nodes that must stay as they are.
std::string key_of(const Node& node) {
  const OpDef* def = find_op(node.domain, node.op_type, node.version);
  // Without its description an operator might be random.
  if (def == nullptr || def->is_random) return {};
  std::string key;
  append(key, std::string_view(node.op_type));
  append(key, std::string_view(node.domain));
  append(key, node.version);
  append(key, node.input_count());
  append(key, node.inputs().data(), node.inputs().size_bytes());
  append(key, node.output_count());
  for (const Value* output : node.outputs()) append(key, output != nullptr);
  std::vector<const Attributes::Entry*> entries;
  for (const auto& entry : node.attributes.entries()) entries.push_back(&entry);
  std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
  for (const auto* entry : entries) {
    if (!append_attribute(key, *entry)) return {};
  }
  return key;
}

void merge_constants(Rewriter& rewriter) {
  std::unordered_map<std::string, Value*> known;
  rewriter.for_each_node([&](Node& node) {
    for (int index = 0; index < node.input_count(); ++index) {
      Value* input = node.input(index);
      if (input == nullptr || !input->is_constant()) continue;
      std::string key;
      if (!append_tensor(key, input->constant)) continue;
      Value* first = known.try_emplace(std::move(key), input).first->second;
      if (first != input) rewriter.set_input(node, index, first);
    }
  });
}

}  // namespace

void merge_common(Rewriter& rewriter) {
  merge_constants(rewriter);
  std::unordered_map<std::string, Node*> known;
  rewriter.for_each_node([&](Node& node) {
    std::string key = key_of(node);
    if (key.empty()) return;
    Node* first = known.try_emplace(std::move(key), &node).first->second;
    if (first == &node) return;
    for (int i = 0; i < first->output_count() && !rewriter.is_gone(&node); ++i) {
      if (node.output(i) != nullptr) rewriter.replace_value(node.output(i), first->output(i));
    }
  });
}

}  // namespace attune::optimize
