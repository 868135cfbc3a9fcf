// Moves Transposes down through element-wise operators, joins and reductions: never more of them, and where a model
// goes from one layout to another and back they meet and vanish. It also brings activations next to convolutions.
#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

constexpr std::array<std::string_view, 29> kUnary = {
    "Abs",       "Cast", "Ceil", "Clip",  "Cos", "Elu",  "Erf",      "Exp",        "Floor",      "Gelu",
    "HardSwish", "Log",  "Mish", "Neg",   "Not", "Relu", "Round",    "Reciprocal", "Selu",       "Sigmoid",
    "Sign",      "Sin",  "Sqrt", "Swish", "Tan", "Tanh", "Softplus", "Softsign",   "HardSigmoid"};
constexpr std::array<std::string_view, 9> kElementWise = {"Add", "Div", "LeakyRelu", "Max", "Min",
                                                          "Mul", "Pow", "Sub",       "Sum"};
constexpr std::array<std::string_view, 5> kReductions = {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
                                                         "ReduceSum"};

template <size_t kSize>
bool is_one_of(const Node& node, const std::array<std::string_view, kSize>& names) {
  return node.domain.empty() && std::find(names.begin(), names.end(), node.op_type) != names.end();
}

using Permutation = std::vector<int64_t>;

class TransposePusher {
 public:
  explicit TransposePusher(Rewriter& rewriter) : rewriter_(rewriter) {
    for (const auto& node : rewriter.graph().nodes()) positions_.try_emplace(node.get(), positions_.size());
  }

  void visit(Node& node) {
    if (node.output_count() != 1 || node.input_count() == 0) return;
    if (is_one_of(node, kUnary)) return push_through(node, 1, node.attributes);
    if (is_one_of(node, kElementWise)) return push_through(node, node.input_count(), node.attributes);
    if (node.is("Concat")) return push_through_concat(node);
    if (is_one_of(node, kReductions)) push_through_reduction(node);
  }

 private:
  /// The Transpose that gives a value nobody else reads, else null.
  Node* transpose_of(const Value* value) const {
    Node* node = value == nullptr ? nullptr : value->producer();
    return node != nullptr && node->is("Transpose") && rewriter_.used_once(value) ? node : nullptr;
  }

  /// The permutation that all operands which are not constant share; empty when they do not.
  Permutation common_permutation(const Node& node, int operands) const {
    Permutation common;
    for (int i = 0; i < operands; ++i) {
      const Value* input = node.input(i);
      if (input == nullptr || input->is_constant()) continue;
      const Node* transpose = transpose_of(input);
      if (transpose == nullptr) return {};
      Permutation perm = permutation_of(*transpose, rank_of(input));
      if (perm.empty() || (!common.empty() && perm != common)) return {};
      common = std::move(perm);
    }
    return common;
  }

  /// A constant operand as it has to be before the permutation; null when its elements would have to move.
  Value* untranspose_constant(Value* value, const Permutation& perm) {
    const Shape& shape = value->constant.shape();
    const int rank = static_cast<int>(perm.size());
    if (shape.rank() > rank) return nullptr;
    if (value->constant.elements() == 1) return value;
    if (std::count_if(shape.begin(), shape.end(), [](int64_t dim) { return dim != 1; }) != 1) return nullptr;
    Shape moved = Shape::filled(rank, 1);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const int target = axis + rank - shape.rank();
      moved[static_cast<int>(perm[static_cast<size_t>(target)])] = shape[axis];
    }
    return rewriter_.graph().add_constant(value->constant.reshaped(moved));
  }

  void push_through(Node& node, int operands, const Attributes& attributes) {
    const Permutation perm = common_permutation(node, operands);
    if (perm.empty() || rank_of(node.output(0)) != static_cast<int>(perm.size())) return;
    std::vector<Value*> inputs(node.inputs().begin(), node.inputs().end());
    Node* last = nullptr;
    for (int i = 0; i < operands; ++i) {
      Value*& input = inputs[static_cast<size_t>(i)];
      if (input == nullptr) continue;
      if (input->is_constant()) {
        input = untranspose_constant(input, perm);
        if (input == nullptr) return rewriter_.refuse(node, "a constant operand varies along several axes");
        continue;
      }
      Node* transpose = input->producer();
      if (last == nullptr || positions_.at(transpose) > positions_.at(last)) last = transpose;
      input = transpose->input(0);
    }
    move_before(node, *last, std::move(inputs), perm, attributes);
  }

  /// `transpose` becomes what `node` is, on tensors before the permutation, and `node` the Transpose.
  void move_before(Node& node, Node& transpose, std::vector<Value*> inputs, const Permutation& perm,
                   const Attributes& attributes) {
    Value* moved = transpose.output(0);
    Shape shape = *node.output(0)->shape;
    for (size_t i = 0; i < perm.size(); ++i) {
      shape[static_cast<int>(perm[i])] = (*node.output(0)->shape)[static_cast<int>(i)];
    }
    const int transpose_version = transpose.version;
    const std::string transpose_name = transpose.name;
    Replacement computation{node.op_type, "", node.version, std::move(inputs), attributes, node.name};
    rewriter_.become(transpose, std::move(computation));
    moved->type = node.output(0)->type;
    moved->shape = shape;
    moved->elements.reset();
    Attributes transposition;
    transposition.set("perm", perm);
    rewriter_.become(node, {"Transpose", "", transpose_version, {moved}, std::move(transposition), transpose_name});
  }

  void push_through_concat(Node& node) {
    for (const Value* input : node.inputs()) {
      if (input == nullptr || input->is_constant()) return;
    }
    const Permutation perm = common_permutation(node, node.input_count());
    const auto axis = axis_of(node, 0, static_cast<int>(perm.size()));
    if (perm.empty() || !axis || *axis < 0 || *axis >= static_cast<int64_t>(perm.size())) return;
    Attributes attributes = node.attributes;
    attributes.set("axis", perm[static_cast<size_t>(*axis)]);
    push_through(node, node.input_count(), attributes);
  }

  void push_through_reduction(Node& node) {
    const Node* transpose = transpose_of(node.input(0));
    if (transpose == nullptr || node.attributes.get_int("noop_with_empty_axes", 0) != 0) return;
    const int rank = rank_of(node.input(0));
    const Permutation perm = permutation_of(*transpose, rank);
    const auto axes = axes_of(node, rank);
    if (perm.empty() || !axes || !node.output(0)->shape) return;
    std::vector<int64_t> moved;
    for (const int64_t axis : *axes) moved.push_back(perm[static_cast<size_t>(axis)]);
    std::sort(moved.begin(), moved.end());
    Attributes attributes = node.attributes;
    std::vector<Value*> inputs{transpose->input(0)};
    if (node.attributes.has("axes")) {
      attributes.set("axes", moved);
    } else {
      const Shape shape{static_cast<int64_t>(moved.size())};
      inputs.push_back(rewriter_.graph().add_constant(Tensor::from_values<int64_t>(shape, moved)));
    }
    if (node.attributes.get_int("keepdims", 1) != 0) {
      return move_before(node, *node.input(0)->producer(), std::move(inputs), perm, attributes);
    }
    // What is left keeps its order, or it would still have to be transposed.
    Permutation left;
    for (const int64_t axis : perm) {
      if (!std::binary_search(moved.begin(), moved.end(), axis)) left.push_back(axis);
    }
    if (!std::is_sorted(left.begin(), left.end())) return;
    rewriter_.become(node, {node.op_type, "", node.version, std::move(inputs), std::move(attributes)});
  }

  Rewriter& rewriter_;
  std::unordered_map<const Node*, size_t> positions_;
};

}  // namespace

void push_transposes(Rewriter& rewriter) {
  TransposePusher pusher(rewriter);
  rewriter.for_each_node([&](Node& node) { pusher.visit(node); });
}

}  // namespace attune::optimize
