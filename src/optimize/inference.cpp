#include "optimize/inference.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "ops/infer.h"
#include "ops/op_def.h"

namespace attune::optimize {
namespace {

/// The symbols among what is known of a node's inputs.
std::vector<int64_t> symbols_of_inputs(const Node& node) {
  std::vector<int64_t> symbols;
  for (const Value* input : node.inputs()) {
    if (input == nullptr) continue;
    for (const std::optional<Shape>* dims : {&input->shape, &input->elements}) {
      if (!*dims) continue;
      std::copy_if((*dims)->begin(), (*dims)->end(), std::back_inserter(symbols), is_symbol);
    }
  }
  return symbols;
}

/// How much is known: grows whenever a dimension or an element becomes a number, a symbol of the inputs instead of one
/// that was invented, or a symbol at all.
int knowledge(const std::optional<Shape>& dims, const std::vector<int64_t>& inherited) {
  if (!dims) return 0;
  int sum = 1;
  for (const int64_t dim : *dims) {
    if (is_known(dim)) {
      sum += 3;
    } else if (dim != kUnknownDim) {
      sum += std::find(inherited.begin(), inherited.end(), dim) != inherited.end() ? 2 : 1;
    }
  }
  return sum;
}

}  // namespace

void infer_known(Graph& graph) {
  for (const auto& node : graph.nodes()) {
    if (find_op(node->domain, node->op_type, node->version) == nullptr) continue;
    infer_node(graph, *node, *make_node_operator(*node));
  }
}

bool refine_node(Graph& graph, const Node& node) {
  if (find_op(node.domain, node.op_type, node.version) == nullptr) return false;
  struct Before {
    DataType type;
    std::optional<Shape> shape;
    std::optional<Shape> elements;
  };
  std::vector<Before> before;
  for (const Value* output : node.outputs()) {
    before.push_back(output == nullptr ? Before{} : Before{output->type, output->shape, output->elements});
  }
  infer_node(graph, node, *make_node_operator(node));
  const std::vector<int64_t> inherited = symbols_of_inputs(node);
  bool news = false;
  for (size_t i = 0; i < before.size(); ++i) {
    Value* output = node.outputs()[i];
    if (output == nullptr) continue;
    news = news || output->type != before[i].type;
    if (knowledge(output->shape, inherited) > knowledge(before[i].shape, inherited)) {
      news = true;
    } else {
      output->shape = before[i].shape;
    }
    if (knowledge(output->elements, inherited) > knowledge(before[i].elements, inherited)) {
      news = true;
    } else {
      output->elements = before[i].elements;
    }
  }
  return news;
}

}  // namespace attune::optimize
