#include "ops/subgraph.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "attune/error.h"
#include "ops/infer.h"

namespace attune::ops {
namespace {

/// What inference has written into a graph, to be undone.
class Knowledge {
 public:
  explicit Knowledge(const Graph& graph) {
    for (const Value* value : graph.values()) add(const_cast<Value*>(value));
    for (const auto& node : graph.nodes()) {
      for (const std::shared_ptr<Graph>& body : node->subgraphs()) inner_.emplace_back(*body);
    }
  }

  void restore() const {
    for (const Known& known : known_) {
      known.value->type = known.type;
      known.value->kind = known.kind;
      known.value->shape = known.shape;
      known.value->elements = known.elements;
    }
    for (const Knowledge& inner : inner_) inner.restore();
  }

 private:
  struct Known {
    Value* value;
    DataType type;
    ValueKind kind;
    std::optional<Shape> shape;
    std::optional<Shape> elements;
  };
  void add(Value* value) { known_.push_back({value, value->type, value->kind, value->shape, value->elements}); }

  std::vector<Known> known_;
  std::vector<Knowledge> inner_;
};

}  // namespace

int subgraph_index(const Node& node, std::string_view attribute) {
  const std::shared_ptr<Graph> wanted = node.attributes.require_graph(attribute);
  const std::vector<std::shared_ptr<Graph>> all = node.subgraphs();
  return static_cast<int>(std::find(all.begin(), all.end(), wanted) - all.begin());
}

Tensor borrow(const TensorView& view) {
  return view.data == nullptr ? Tensor() : Tensor::view(view.type, view.shape(), view.data);
}

Tensor keep(const Tensor& tensor) {
  if (!tensor || tensor.owner() != nullptr) return tensor;
  if (tensor.type() != DataType::kSequence) return tensor.copied();
  const std::span<const Tensor> elements = tensor.values<Tensor>();
  return Tensor::sequence({elements.begin(), elements.end()});
}

std::vector<ValueInfo> input_infos(const InferContext& context, int first) {
  std::vector<ValueInfo> infos;
  for (int i = first; i < context.input_count(); ++i) {
    const ValueInfo* info = context.inputs()[static_cast<size_t>(i)];
    infos.push_back(info == nullptr ? ValueInfo{} : *info);
    infos.back().constant = nullptr;
  }
  return infos;
}

std::vector<ValueInfo> infer_repeated(Graph& body, std::vector<ValueInfo>& inputs, int first_state, int first_output,
                                      int states) {
  // A state is assumed to keep its shape. Where that leads to another one, what differs is given up: a dimension
  // becomes one of which nothing is known, a shape of another rank is forgotten. That ends, because it is never undone.
  const Knowledge before(body);
  std::vector<std::vector<bool>> free(static_cast<size_t>(states));
  for (int k = 0; k < states; ++k) {
    ValueInfo& state = inputs[static_cast<size_t>(first_state + k)];
    state.has_elements = false;  // another time they are others
    if (state.has_shape) free[static_cast<size_t>(k)].assign(static_cast<size_t>(state.shape.rank()), false);
  }
  for (;;) {
    std::vector<ValueInfo> outputs = infer_subgraph(body, inputs);
    bool holds = true;
    for (int k = 0; k < states; ++k) {
      ValueInfo& assumed = inputs[static_cast<size_t>(first_state + k)];
      if (static_cast<size_t>(first_output + k) >= outputs.size()) continue;
      const ValueInfo& found = outputs[static_cast<size_t>(first_output + k)];
      if (!assumed.has_shape) continue;
      if (!found.has_shape || found.shape.rank() != assumed.shape.rank()) {
        assumed.has_shape = false;
        holds = false;
        continue;
      }
      for (int axis = 0; axis < assumed.shape.rank(); ++axis) {
        const auto is_free = free[static_cast<size_t>(k)].begin() + axis;
        if (*is_free || same_dim(assumed.shape[axis], found.shape[axis])) continue;
        assumed.shape[axis] = body.symbols->fresh();
        *is_free = true;
        holds = false;
      }
    }
    if (holds) return outputs;
    before.restore();
  }
}

Shape known_outside(const Shape& shape, InferContext& context) {
  Shape known = shape;
  const auto is_outside = [&](int64_t dim) {
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_shape(i)) continue;
      const Shape& outer = context.shape(i);
      if (std::find(outer.begin(), outer.end(), dim) != outer.end()) return true;
    }
    return false;
  };
  for (int axis = 0; axis < known.rank(); ++axis) {
    const bool is_unknown = known[axis] == kUnknownDim;
    if (is_unknown || (!is_known(known[axis]) && !is_outside(known[axis]))) known[axis] = context.fresh_dim();
  }
  return known;
}

}  // namespace attune::ops
