#include "ops/composite_operator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/memory.h"
#include "kernels/simd.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {

using Source = RecipeValue::Source;

RecipeValue Recipe::constant(Tensor tensor) {
  constants_.push_back(std::move(tensor));
  return {Source::kConstant, static_cast<int>(constants_.size()) - 1, 0};
}

RecipeValue Recipe::integers(std::initializer_list<int64_t> values) {
  return constant(Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
}

RecipeValue Recipe::add(std::string_view op_type, int version, std::vector<RecipeValue> inputs,
                        const AttributeList& attributes, std::string_view domain, int outputs) {
  Step step{std::string(op_type), std::string(domain), version, {}, std::move(inputs), outputs};
  while (!step.inputs.empty() && !step.inputs.back()) step.inputs.pop_back();
  for (const auto& [name, value] : attributes) step.attributes.set(name, value);
  steps_.push_back(std::move(step));
  return {Source::kStep, static_cast<int>(steps_.size()) - 1, 0};
}

/// What inference knows of the values of a recipe. A step's outputs stay where they are when the struct moves.
struct CompositeOperator::Infos {
  std::vector<ValueInfo> inputs;
  std::vector<bool> has_input;
  std::vector<ValueInfo> constants;
  std::vector<std::vector<ValueInfo>> steps;

  const ValueInfo* find(const RecipeValue& value) const {
    const auto index = static_cast<size_t>(value.index);
    switch (value.source) {
      case Source::kInput:
        return index < inputs.size() && has_input[index] ? &inputs[index] : nullptr;
      case Source::kConstant:
        return &constants[index];
      case Source::kStep:
        return &steps[index][static_cast<size_t>(value.output)];
      case Source::kNone:
        break;
    }
    return nullptr;
  }
  std::vector<const ValueInfo*> find_all(const std::vector<RecipeValue>& values) const {
    std::vector<const ValueInfo*> found;
    for (const RecipeValue& value : values) found.push_back(find(value));
    return found;
  }
};

/// The memory of the values of a recipe, in steps.
struct CompositeOperator::Views {
  std::vector<std::vector<TensorView>> inputs;
  std::vector<std::vector<TensorView>> outputs;
  size_t bytes = 0;  ///< what the intermediate values take of the workspace
};

namespace {

/// What a step is shown while it packs its weights.
class StepPreparation final : public PrepareContext {
 public:
  StepPreparation(PrepareContext& outer, const Recipe::Step& step, std::vector<const ValueInfo*> inputs,
                  std::span<const ValueInfo> outputs, std::span<const int> readers)
      : outer_(outer), step_(step), inputs_(std::move(inputs)), outputs_(outputs), readers_(readers) {}

  bool has_input(int i) const override {
    return static_cast<size_t>(i) < inputs_.size() && inputs_[static_cast<size_t>(i)] != nullptr;
  }
  const ValueInfo& input(int i) const override { return *inputs_[static_cast<size_t>(i)]; }
  const ValueInfo& output(int i) const override { return outputs_[static_cast<size_t>(i)]; }
  Layout input_layout(int) const override { return Layout::kPlain; }
  Layout output_layout(int) const override { return Layout::kPlain; }
  int block() const override { return kernels::block_channels(); }

  PackedWeights pack(int i, std::string_view packing, size_t floats, FunctionRef<void(float*)> fill) override {
    const RecipeValue& value = step_.inputs[static_cast<size_t>(i)];
    if (value.source == Source::kInput) return outer_.pack(value.index, packing, floats, fill);
    const std::shared_ptr<std::byte> memory = allocate_block(floats * sizeof(float));
    PackedWeights packed(memory, reinterpret_cast<float*>(memory.get()));
    fill(reinterpret_cast<float*>(memory.get()));
    return packed;
  }
  void release_input(int i) override {
    const RecipeValue& value = step_.inputs[static_cast<size_t>(i)];
    if (value.source == Source::kInput && readers_[static_cast<size_t>(value.index)] == 1) {
      outer_.release_input(value.index);
    }
  }
  Parallel& parallel() override { return outer_.parallel(); }

 private:
  PrepareContext& outer_;
  const Recipe::Step& step_;
  std::vector<const ValueInfo*> inputs_;
  std::span<const ValueInfo> outputs_;
  std::span<const int> readers_;
};

class StepRun final : public RunContext {
 public:
  StepRun(std::span<const TensorView> inputs, std::span<TensorView> outputs, std::span<std::byte> workspace,
          Parallel& parallel, std::vector<std::pair<int, Tensor>>& given)
      : RunContext(inputs, outputs, workspace, parallel), given_(given) {}
  void give_output(int i, Tensor tensor) override { given_.emplace_back(i, std::move(tensor)); }

 private:
  std::vector<std::pair<int, Tensor>>& given_;
};

/// Halves are widened before they come here.
DataType computed_type(DataType type) {
  return type == DataType::kFloat16 || type == DataType::kBfloat16 ? DataType::kFloat : type;
}

}  // namespace

CompositeOperator::CompositeOperator(const Node& node, WriteRecipe write)
    : recipe_(node), readers_(static_cast<size_t>(node.input_count()), 0) {
  write(recipe_);
  std::vector<Value*> inputs;
  for (int i = 0; i < node.input_count(); ++i) {
    const Value* input = node.input(i);
    inputs.push_back(input == nullptr ? nullptr : graph_.add_value({}, computed_type(input->type)));
  }
  std::vector<std::vector<Value*>> results;
  for (const Recipe::Step& step : recipe_.steps()) {
    std::vector<Value*> arguments;
    for (const RecipeValue& value : step.inputs) {
      const auto index = static_cast<size_t>(value.index);
      switch (value.source) {
        case Source::kInput:
          ++readers_[index];
          arguments.push_back(inputs[index]);
          break;
        case Source::kConstant:
          arguments.push_back(graph_.add_constant(recipe_.constants()[index]));
          break;
        case Source::kStep:
          arguments.push_back(results[index][static_cast<size_t>(value.output)]);
          break;
        case Source::kNone:
          arguments.push_back(nullptr);
          break;
      }
    }
    std::vector<Value*> given;
    for (int i = 0; i < step.outputs; ++i) given.push_back(graph_.add_value());
    results.push_back(given);
    Node* made = graph_.add_node(step.op_type, arguments, given, node.name, step.domain, step.version);
    made->attributes = step.attributes;
    operators_.push_back(make_node_operator(*made));
  }
}

CompositeOperator::~CompositeOperator() = default;

void CompositeOperator::infer_steps(Infos& infos, Symbols* symbols) const {
  for (const Tensor& constant : recipe_.constants()) {
    ValueInfo info;
    info.type = constant.type();
    info.has_shape = true;
    info.shape = constant.shape();
    info.constant = &constant;
    infos.constants.push_back(info);
  }
  infos.steps.reserve(operators_.size());
  for (size_t i = 0; i < operators_.size(); ++i) {
    const Recipe::Step& step = recipe_.steps()[i];
    const std::vector<const ValueInfo*> inputs = infos.find_all(step.inputs);
    infos.steps.emplace_back(static_cast<size_t>(step.outputs));
    InferContext context(inputs, infos.steps.back(), symbols);
    operators_[i]->infer(context);
  }
}

void CompositeOperator::infer(InferContext& context) const {
  Infos infos;
  for (const ValueInfo* input : context.inputs()) {
    infos.inputs.push_back(input == nullptr ? ValueInfo{} : *input);
    infos.has_input.push_back(input != nullptr);
  }
  infer_steps(infos, context.symbols());
  for (int i = 0; i < context.output_count(); ++i) {
    const ValueInfo* info = infos.find(recipe_.results()[static_cast<size_t>(i)]);
    if (info == nullptr) continue;
    if (info->has_shape) {
      context.set_output(i, info->type, info->shape);
    } else {
      context.set_output_type(i, info->type);
    }
    if (info->has_elements) context.set_elements(i, info->elements);
  }
}

bool CompositeOperator::reads_unaligned(int i) const {
  bool all = true;
  for (size_t s = 0; s < operators_.size(); ++s) {
    const std::vector<RecipeValue>& inputs = recipe_.steps()[s].inputs;
    for (size_t k = 0; k < inputs.size(); ++k) {
      if (inputs[k].source != Source::kInput || inputs[k].index != i) continue;
      all = all && operators_[s]->reads_unaligned(static_cast<int>(k));
    }
  }
  return all;
}

void CompositeOperator::prepare(PrepareContext& context) {
  Infos infos;
  for (int i = 0; i < static_cast<int>(readers_.size()); ++i) {
    infos.has_input.push_back(context.has_input(i));
    infos.inputs.push_back(context.has_input(i) ? context.input(i) : ValueInfo{});
  }
  Symbols symbols;
  infer_steps(infos, &symbols);
  for (size_t i = 0; i < operators_.size(); ++i) {
    const Recipe::Step& step = recipe_.steps()[i];
    StepPreparation preparation(context, step, infos.find_all(step.inputs), infos.steps[i], readers_);
    operators_[i]->prepare(preparation);
  }
}

CompositeOperator::Infos CompositeOperator::infer_views(std::span<const TensorView> inputs) const {
  Infos infos;
  for (const TensorView& view : inputs) {
    ValueInfo info;
    info.type = view.type;
    info.has_shape = view.dims != nullptr;
    if (info.has_shape) info.shape = view.shape();
    infos.inputs.push_back(info);
    infos.has_input.push_back(view.dims != nullptr);
  }
  infer_steps(infos, nullptr);
  return infos;
}

/// Results that are optional have a place in the workspace too, for a plan that leaves them out.
CompositeOperator::Views CompositeOperator::place(const Infos& infos, std::span<const TensorView> inputs,
                                                  std::span<const TensorView> outputs, std::byte* memory) const {
  Views views;
  WorkspaceCursor cursor = memory == nullptr ? WorkspaceCursor() : WorkspaceCursor({memory, size_t{1}});
  for (size_t s = 0; s < operators_.size(); ++s) {
    const Recipe::Step& step = recipe_.steps()[s];
    std::vector<TensorView> arguments;
    for (const RecipeValue& value : step.inputs) {
      const auto index = static_cast<size_t>(value.index);
      TensorView view;
      if (value.source == Source::kInput && infos.has_input[index]) view = inputs[index];
      if (value.source == Source::kConstant) view = TensorView::of(recipe_.constants()[index]);
      if (value.source == Source::kStep) view = views.outputs[index][static_cast<size_t>(value.output)];
      arguments.push_back(view);
    }
    views.inputs.push_back(std::move(arguments));
    std::vector<TensorView> results;
    for (int k = 0; k < step.outputs; ++k) {
      const ValueInfo& info = infos.steps[s][static_cast<size_t>(k)];
      TensorView view{nullptr, &info.shape, info.type, Layout::kPlain, 1};
      const auto& given = recipe_.results();
      const auto result = std::find_if(given.begin(), given.end(), [&](const RecipeValue& value) {
        return value.source == Source::kStep && value.index == static_cast<int>(s) && value.output == k;
      });
      const bool is_first = result == given.begin();
      if (info.has_shape && info.shape.is_concrete() && !is_first) {
        view.data = cursor.take<std::byte>(
            std::max<int64_t>(1, info.shape.elements() * static_cast<int64_t>(element_size(info.type))));
      }
      if (result != given.end()) {
        const TensorView& outer = outputs[static_cast<size_t>(result - given.begin())];
        if (outer.data != nullptr) view.data = outer.data;
      }
      results.push_back(view);
    }
    views.outputs.push_back(std::move(results));
  }
  views.bytes = cursor.bytes();
  return views;
}

size_t CompositeOperator::workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                                          int threads) const {
  const Infos infos = infer_views(inputs);
  const Views views = place(infos, inputs, outputs, nullptr);
  size_t most = 0;
  for (size_t i = 0; i < operators_.size(); ++i) {
    most = std::max(most, operators_[i]->workspace_bytes(views.inputs[i], views.outputs[i], threads));
  }
  return views.bytes + most;
}

void CompositeOperator::run(RunContext& context) const {
  std::vector<TensorView> inputs;
  std::vector<TensorView> outputs;
  for (int i = 0; i < context.input_count(); ++i) inputs.push_back(context.input(i));
  for (int i = 0; i < context.output_count(); ++i) outputs.push_back(context.output(i));
  const Infos infos = infer_views(inputs);
  Views views = place(infos, inputs, outputs, context.workspace().data());
  std::deque<Tensor> kept;  // values whose size only their step knew
  for (size_t s = 0; s < operators_.size(); ++s) {
    std::vector<std::pair<int, Tensor>> given;
    StepRun step(views.inputs[s], views.outputs[s], context.workspace().subspan(views.bytes), context.parallel(),
                 given);
    operators_[s]->run(step);
    for (auto& [k, tensor] : given) {
      kept.push_back(std::move(tensor));
      const RecipeValue made{Source::kStep, static_cast<int>(s), k};
      for (size_t later = s + 1; later < operators_.size(); ++later) {
        const std::vector<RecipeValue>& arguments = recipe_.steps()[later].inputs;
        for (size_t a = 0; a < arguments.size(); ++a) {
          if (arguments[a] == made) views.inputs[later][a] = TensorView::of(kept.back());
        }
      }
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (recipe_.results()[i] == made && outputs[i].dims != nullptr) {
          context.give_output(static_cast<int>(i), kept.back());
        }
      }
    }
  }
}

double CompositeOperator::flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const {
  const Infos infos = infer_views(inputs);
  const Views views = place(infos, inputs, outputs, nullptr);
  double flops = 0.0;
  for (size_t i = 0; i < operators_.size(); ++i) flops += operators_[i]->flops(views.inputs[i], views.outputs[i]);
  return flops;
}

}  // namespace attune::ops
