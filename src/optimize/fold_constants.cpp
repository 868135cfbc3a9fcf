// Computes now what depends on constants alone, and what shape inference knows of small integer tensors.
#include <algorithm>
#include <memory>
#include <unordered_set>

#include "attune/error.h"
#include "ops/evaluate.h"
#include "ops/op_def.h"
#include "optimize/inference.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

/// A folded constant may be this many times as large as what it is made from: 8-bit weights become fp32.
constexpr size_t kMostGrowth = 4;

/// The value of a Constant node; undefined for the forms that are left to the operator.
Tensor literal(const Node& node) {
  const Attributes& attributes = node.attributes;
  if (attributes.has("value")) return attributes.get_tensor("value");
  if (attributes.has("value_float")) return Tensor::scalar(attributes.get_float("value_float", 0.0F));
  if (attributes.has("value_int")) return Tensor::scalar(attributes.get_int("value_int", 0));
  if (attributes.has("value_floats")) {
    const auto values = attributes.get_floats("value_floats");
    return Tensor::from_values<float>(Shape{static_cast<int64_t>(values.size())}, values);
  }
  if (attributes.has("value_ints")) {
    const auto values = attributes.get_ints("value_ints");
    return Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values);
  }
  return {};
}

/// A tensor of what inference knows of the value's elements; undefined while one of them is unknown.
Tensor from_elements(const Value& value) {
  if (!value.elements || !value.elements->is_concrete()) return {};
  if (!value.shape || value.shape->rank() > 1 || !value.shape->is_concrete()) return {};
  if (value.shape->elements() != value.elements->rank()) return {};
  if (value.type == DataType::kInt64) return Tensor::from_values<int64_t>(*value.shape, value.elements->dims());
  if (value.type != DataType::kInt32) return {};
  Tensor tensor = Tensor::allocate(DataType::kInt32, *value.shape);
  std::transform(value.elements->begin(), value.elements->end(), tensor.values<int32_t>().begin(),
                 [](int64_t element) { return static_cast<int32_t>(element); });
  return tensor;
}

class Folder {
 public:
  explicit Folder(Rewriter& rewriter) : rewriter_(rewriter) {}

  void visit(Node& node) {
    if (improved_.contains(&node) && refine_node(rewriter_.graph(), node)) {
      for (const Value* output : node.outputs()) mark_users(output);
    }
    if (fold_known_elements(node)) return;
    if (!node.subgraphs().empty() || !are_inputs_constant(node)) return;
    if (node.is("Constant")) {
      if (Tensor tensor = literal(node)) return replace(node.output(0), std::move(tensor));
    }
    evaluate_node(node);
  }

 private:
  static bool are_inputs_constant(const Node& node) {
    return std::all_of(node.inputs().begin(), node.inputs().end(),
                       [](const Value* input) { return input == nullptr || input->is_constant(); });
  }

  bool fold_known_elements(const Node& node) {
    for (const Value* output : node.outputs()) {
      if (output == nullptr || !output->elements) return false;
    }
    bool all = node.output_count() > 0;
    for (Value* output : std::vector<Value*>(node.outputs().begin(), node.outputs().end())) {
      if (rewriter_.is_gone(&node)) break;
      Tensor tensor = from_elements(*output);
      all = all && tensor;
      if (tensor && (!output->users().empty() || rewriter_.graph().is_output(output))) {
        replace(output, std::move(tensor));
      }
    }
    return all;
  }

  void evaluate_node(Node& node) {
    const OpDef* def = find_op(node.domain, node.op_type, node.version);
    if (def == nullptr || def->is_random || (node.input_count() == 0 && !node.is("Constant"))) return;
    if (!is_small_enough(node)) return;
    std::vector<Tensor> inputs;
    for (const Value* input : node.inputs()) inputs.push_back(input == nullptr ? Tensor() : input->constant.aligned());
    std::vector<Tensor> results;
    try {
      const auto op = make_node_operator(node);
      results = evaluate(*op, inputs, node.output_count(), parallel());
    } catch (const Error& error) {
      // Whether the node is ever run is not for this pass to say; if it is, the run reports the error.
      return rewriter_.refuse(node, error.text());
    }
    const std::vector<Value*> outputs(node.outputs().begin(), node.outputs().end());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (rewriter_.is_gone(&node)) break;
      if (outputs[i] != nullptr && results[i]) replace(outputs[i], std::move(results[i]));
    }
  }

  bool is_small_enough(Node& node) {
    size_t before = 0;
    for (const Value* input : node.inputs()) before += input == nullptr ? 0 : input->constant.bytes();
    size_t after = 0;
    for (const Value* output : node.outputs()) {
      if (output == nullptr) continue;
      if (!output->shape || !output->shape->is_concrete()) {
        rewriter_.refuse(node, "the size of the result is not known before it is computed");
        return false;
      }
      after += static_cast<size_t>(output->shape->elements()) * element_size(output->type);
    }
    if (after <= rewriter_.context().largest_constant || after <= kMostGrowth * before) return true;
    rewriter_.refuse(node, fmt::format("the result would take {} bytes", after));
    return false;
  }

  Parallel& parallel() { return rewriter_.context().parallel != nullptr ? *rewriter_.context().parallel : serial_; }

  void replace(Value* output, Tensor tensor) {
    mark_users(output);
    rewriter_.replace_value(output, rewriter_.graph().add_constant(std::move(tensor)));
  }

  void mark_users(const Value* value) {
    if (value != nullptr) improved_.insert(value->users().begin(), value->users().end());
  }

  Rewriter& rewriter_;
  SerialParallel serial_;
  std::unordered_set<const Node*> improved_;  // nodes whose inputs are better known than when they were inferred
};

}  // namespace

void fold_constants(Rewriter& rewriter) {
  Folder folder(rewriter);
  rewriter.for_each_node([&](Node& node) { folder.visit(node); });
}

}  // namespace attune::optimize
