// Fused operators of com.microsoft give way to the operators that they are made of, which the other passes know.
#include <memory>
#include <utility>
#include <vector>

#include "ops/composite_operator.h"
#include "ops/op_def.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

using ops::CompositeOperator;
using ops::Recipe;
using ops::RecipeValue;

bool has_halves(const Node& node) {
  for (const Value* input : node.inputs()) {
    if (input == nullptr) continue;
    // Converted once for the whole operator, not for each of its steps.
    if (input->type == DataType::kFloat16 || input->type == DataType::kBfloat16) return true;
  }
  return false;
}

void spell_out_node(Rewriter& rewriter, Node& node) {
  const OpDef* def = find_op(node.domain, node.op_type, node.version);
  if (def == nullptr || has_halves(node)) return;
  const std::unique_ptr<Operator> op = def->make(node);
  const auto* composite = dynamic_cast<const CompositeOperator*>(op.get());
  if (composite == nullptr) return;
  const Recipe& recipe = composite->recipe();
  for (const Recipe::Step& step : recipe.steps()) {
    if (!rewriter.can_make(node, step.op_type, step.domain, step.version)) return;
  }
  std::vector<Value*> constants;
  for (const Tensor& tensor : recipe.constants()) constants.push_back(rewriter.graph().add_constant(tensor));
  std::vector<std::vector<Value*>> given;
  const auto value_of = [&](const RecipeValue& value) -> Value* {
    const auto index = static_cast<size_t>(value.index);
    switch (value.source) {
      case RecipeValue::Source::kInput:
        return node.input(value.index);
      case RecipeValue::Source::kConstant:
        return constants[index];
      case RecipeValue::Source::kStep:
        return given[index][static_cast<size_t>(value.output)];
      case RecipeValue::Source::kNone:
        break;
    }
    return nullptr;
  };
  for (const Recipe::Step& step : recipe.steps()) {
    Replacement replacement{step.op_type, step.domain, step.version, {}, step.attributes, node.name};
    for (const RecipeValue& input : step.inputs) replacement.inputs.push_back(value_of(input));
    std::vector<Value*> outputs;
    for (int i = 0; i < step.outputs; ++i) outputs.push_back(rewriter.graph().add_value());
    given.push_back(outputs);
    rewriter.add_node(std::move(replacement), std::move(outputs));
  }
  const std::vector<Value*> outputs(node.outputs().begin(), node.outputs().end());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != nullptr && !rewriter.is_gone(&node))
      rewriter.replace_value(outputs[i], value_of(recipe.results()[i]));
  }
  rewriter.want_inference();
}

}  // namespace

void spell_out(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (node.domain == "com.microsoft") spell_out_node(rewriter, node);
  });
}

}  // namespace attune::optimize
