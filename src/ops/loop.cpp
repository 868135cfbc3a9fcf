// Loop: https://onnx.ai/onnx/operators/onnx__Loop.html, versions 1 to 25. States may change their shapes from one
// iteration to the next. Scan outputs of a loop that does not run have length 0, and 0 where nothing is known of a
// dimension, as onnxruntime gives them.
//
// A loop without a trip count ends when its condition does: who runs it should give the run a time limit.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "attune/error.h"
#include "ops/infer.h"
#include "ops/op_def.h"
#include "ops/stacked_tensors.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

// Inputs: the trip count, the condition, the states, what is captured. Of the body: the iteration, the condition, the
// states, what is captured. Its outputs: the condition, the states, the scan outputs.
constexpr int kStates = 2;

class Loop final : public Operator {
 public:
  explicit Loop(const Node& node)
      : body_(node.attributes.require_graph("body")),
        index_(subgraph_index(node, "body")),
        states_(std::max(node.own_input_count() - kStates, 0)),
        own_inputs_(node.own_input_count()),
        scans_(static_cast<size_t>(std::max(node.output_count() - states_, 0))) {
    const auto inputs = static_cast<int>(body_->inputs().size());
    const auto outputs = static_cast<int>(body_->outputs().size());
    if (inputs != kStates + states_ + node.captured()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("The body has {} inputs instead of {}.", inputs - node.captured(), kStates + states_));
    }
    if (outputs < 1 + states_ || node.output_count() > outputs - 1) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("The body has {} outputs, for {} states and {} outputs.",
                                                        outputs, states_, node.output_count()));
    }
    for (size_t i = 0; i < 2; ++i) {
      const std::optional<Shape>& shape = body_->inputs()[i]->shape;
      if (shape && shape->rank() == 1) control_shapes_[i] = Shape{1};
    }
  }

  void infer(InferContext& context) const override {
    if (context.symbols() == nullptr) return;  // how often, only the run knows
    std::vector<ValueInfo> inputs{control(DataType::kInt64, 0), control(DataType::kBool, 1)};
    for (ValueInfo& info : input_infos(context, std::min(kStates, own_inputs_))) inputs.push_back(info);
    const std::vector<ValueInfo> outputs = infer_repeated(*body_, inputs, kStates, 1, states_);
    for (int i = 0; i < context.output_count(); ++i) {
      const ValueInfo& found = outputs[static_cast<size_t>(i) + 1];
      if (i < states_) {
        const ValueInfo& state = inputs[static_cast<size_t>(kStates + i)];
        if (state.has_shape) {
          // One that the iterations do not change is what it was.
          const ValueInfo& first = *context.inputs()[static_cast<size_t>(kStates + i)];
          Shape shape = first.shape;
          for (int axis = 0; axis < shape.rank(); ++axis) {
            if (!same_dim(shape[axis], state.shape[axis])) shape[axis] = context.fresh_dim();
          }
          context.set_output(i, state.type, shape);
        } else {
          // What is an optional at first may be more from the first iteration on.
          const ValueInfo& typed = found.type != DataType::kUndefined ? found : state;
          context.set_output_type(i, typed.type, typed.kind);
        }
      } else if (found.has_shape) {
        Shape shape = known_outside(found.shape, context);
        shape.insert(0, context.fresh_dim());
        context.set_output(i, found.type, shape);
      } else {
        context.set_output_type(i, found.type);
      }
    }
  }

  void prepare(PrepareContext& context) override {
    for (size_t k = 0; k < scans_.size(); ++k) scans_[k] = context.output(states_ + static_cast<int>(k));
  }

  void run(RunContext& context) const override {
    const int64_t most = trip_count(context);
    Tensor condition = Tensor::allocate(DataType::kBool, control_shapes_[1]);
    condition.values<bool>()[0] = !context.has_input(1) || own_inputs_ < 2 || is_true(borrow(context.input(1)));
    std::vector<Tensor> inputs(kStates);
    for (int i = std::min(kStates, own_inputs_); i < context.input_count(); ++i) {
      inputs.push_back(borrow(context.input(i)));
    }
    std::vector<StackedTensors> stacks(scans_.size());
    for (int64_t i = 0; i < most && condition.values<bool>()[0]; ++i) {
      inputs[0] = Tensor::allocate(DataType::kInt64, control_shapes_[0]);
      inputs[0].values<int64_t>()[0] = i;
      inputs[1] = condition;
      std::vector<Tensor> results = context.run_subgraph(index_, inputs);
      condition = Tensor::allocate(DataType::kBool, control_shapes_[1]);
      condition.values<bool>()[0] = is_true(results[0]);
      for (int k = 0; k < states_; ++k) {
        inputs[static_cast<size_t>(kStates + k)] = std::move(results[static_cast<size_t>(1 + k)]);
      }
      for (size_t k = 0; k < stacks.size(); ++k) {
        if (context.has_output(states_ + static_cast<int>(k))) {
          stacks[k].append(results[1 + static_cast<size_t>(states_) + k]);
        }
      }
    }
    for (int k = 0; k < context.output_count(); ++k) {
      if (!context.has_output(k)) continue;
      if (k < states_) {
        context.give_output(k, keep(inputs[static_cast<size_t>(kStates + k)]));
      } else {
        StackedTensors& stack = stacks[static_cast<size_t>(k - states_)];
        context.give_output(k, stack.count() > 0 ? stack.finish() : empty_scan(k - states_));
      }
    }
  }

 private:
  ValueInfo control(DataType type, size_t i) const {
    ValueInfo info;
    info.type = type;
    info.has_shape = true;
    info.shape = control_shapes_[i];
    return info;
  }

  int64_t trip_count(const RunContext& context) const {
    if (own_inputs_ < 1 || !context.has_input(0)) return std::numeric_limits<int64_t>::max();
    if (context.input(0).elements() != 1) {
      throw Error(ErrorCode::kInvalidArgument, "The trip count is not one number.");
    }
    return *context.input(0).as<int64_t>();
  }

  static bool is_true(const Tensor& condition) {
    if (condition.type() != DataType::kBool || condition.elements() != 1) {
      throw Error(ErrorCode::kInvalidArgument, "The condition is not one bool.");
    }
    return condition.values<bool>()[0];
  }

  Tensor empty_scan(int scan) const {
    const ValueInfo& info = scans_[static_cast<size_t>(scan)];
    Shape shape = info.has_shape ? info.shape : Shape{0};
    shape[0] = 0;
    for (int axis = 1; axis < shape.rank(); ++axis) shape[axis] = std::max<int64_t>(shape[axis], 0);
    return Tensor::allocate(info.type, shape);
  }

  std::shared_ptr<Graph> body_;  // until it is compiled
  int index_;
  int states_;
  int own_inputs_;
  Shape control_shapes_[2];       // of the iteration and the condition: scalars unless the body says {1}
  std::vector<ValueInfo> scans_;  // what is known of the scan outputs
};

}  // namespace

[[gnu::cold]] const OpDef& loop() {
  static const OpDef def{
      .name = "Loop",
      .inputs = {{"M", "I", Occurrence::kOptional},
                 {"cond", "B", Occurrence::kOptional},
                 {"v_initial", "V", Occurrence::kVariadic, kAnyKind}},
      .outputs = {{"v_final_and_scan_outputs", "V", Occurrence::kVariadic, kAnyKind}},
      .types = {{"I", {DataType::kInt64}}, {"B", {DataType::kBool}}, {"V", kAnyType, true}},
      .make = make_operator<Loop>,
      .has_subgraphs = true,
  };
  return def;
}

}  // namespace attune::ops
