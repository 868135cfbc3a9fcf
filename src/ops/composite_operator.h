// An operator that is others in a row: what com.microsoft's fused operators are. The optimizer puts the others in its
// place (spell_out in optimize/), where its passes see them; without optimization it runs them itself.
#pragma once

#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/attributes.h"
#include "graph/graph.h"
#include "ops/operator.h"

namespace attune::ops {

/// A value of a recipe: an input of the node, a constant, or what a step gives; or none.
struct RecipeValue {
  enum class Source : uint8_t { kNone, kInput, kConstant, kStep };
  Source source = Source::kNone;
  int index = 0;   ///< of the input, the constant or the step
  int output = 0;  ///< of the step
  explicit operator bool() const { return source != Source::kNone; }
  bool operator==(const RecipeValue&) const = default;
};

/// The operators that a node is made of, in the order in which they run. The node must live while the recipe is
/// written, no longer.
class Recipe {
 public:
  using AttributeList = std::vector<std::pair<std::string_view, AttributeValue>>;

  struct Step {
    std::string op_type;
    std::string domain;
    int version = 0;
    Attributes attributes;
    std::vector<RecipeValue> inputs;
    int outputs = 1;
  };

  explicit Recipe(const Node& node) : node_(node), results_(static_cast<size_t>(node.output_count())) {}

  const Node& node() const { return node_; }
  /// Input i of the node; none where the node has none.
  RecipeValue input(int i) const {
    if (node_.input(i) == nullptr) return {};
    return {RecipeValue::Source::kInput, i, 0};
  }
  /// Whether somebody wants output i of the node.
  bool wants(int i) const { return node_.output(i) != nullptr; }

  RecipeValue constant(Tensor tensor);
  RecipeValue integers(std::initializer_list<int64_t> values);
  RecipeValue number(float value) { return constant(Tensor::scalar(value)); }

  /// Appends a step; gives its first output. `version` is the opset that the attributes and inputs are written for.
  RecipeValue add(std::string_view op_type, int version, std::vector<RecipeValue> inputs,
                  const AttributeList& attributes = {}, std::string_view domain = {}, int outputs = 1);
  /// Another output of the step that gave `value`.
  static RecipeValue output_of(RecipeValue value, int output) {
    value.output = output;
    return value;
  }
  /// What output i of the node is: the output of a step. An output that is not wanted may be left without.
  void give(int i, RecipeValue value) {
    if (wants(i)) results_[static_cast<size_t>(i)] = value;
  }

  const std::vector<Step>& steps() const { return steps_; }
  const std::deque<Tensor>& constants() const { return constants_; }
  const std::vector<RecipeValue>& results() const { return results_; }

 private:
  const Node& node_;
  std::vector<Step> steps_;
  std::deque<Tensor> constants_;
  std::vector<RecipeValue> results_;
};

/// Fills in the recipe of a node; throws Error(kInvalidGraph or kNotImplemented) as an operator's constructor does.
using WriteRecipe = void (*)(Recipe&);

/// The operators of a recipe as one.
class CompositeOperator : public Operator {
 public:
  CompositeOperator(const Node& node, WriteRecipe write);
  ~CompositeOperator() override;

  const Recipe& recipe() const { return recipe_; }

  void infer(InferContext& context) const override;
  bool reads_unaligned(int i) const override;
  void prepare(PrepareContext& context) override;
  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override;
  void run(RunContext& context) const override;
  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override;

 private:
  struct Infos;
  struct Views;

  void infer_steps(Infos& infos, Symbols* symbols) const;
  Infos infer_views(std::span<const TensorView> inputs) const;
  Views place(const Infos& infos, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
              std::byte* memory) const;

  Graph graph_;  ///< the steps as nodes, which their operators were made from
  Recipe recipe_;
  std::vector<std::unique_ptr<Operator>> operators_;  ///< of each step
  std::vector<int> readers_;                          ///< how many steps read each input of the node
};

/// For OpDef::make.
template <WriteRecipe kWrite>
std::unique_ptr<Operator> make_composite(const Node& node) {
  return std::make_unique<CompositeOperator>(node, kWrite);
}

}  // namespace attune::ops
