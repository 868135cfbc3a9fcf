#include "optimize/inference.h"

#include <optional>
#include <vector>

#include "ops/infer.h"
#include "ops/op_def.h"

namespace attune::optimize {
namespace {

/// How much is known: grows whenever a dimension or an element becomes a number, or a symbol for the first time.
int knowledge(const std::optional<Shape>& dims) {
  if (!dims) return 0;
  int sum = 1;
  for (const int64_t dim : *dims) sum += is_known(dim) ? 2 : dim != kUnknownDim ? 1 : 0;
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
  bool news = false;
  for (size_t i = 0; i < before.size(); ++i) {
    Value* output = node.outputs()[i];
    if (output == nullptr) continue;
    news = news || output->type != before[i].type;
    if (knowledge(output->shape) > knowledge(before[i].shape)) {
      news = true;
    } else {
      output->shape = before[i].shape;
    }
    if (knowledge(output->elements) > knowledge(before[i].elements)) {
      news = true;
    } else {
      output->elements = before[i].elements;
    }
  }
  return news;
}

}  // namespace attune::optimize
