// SequenceMap: https://onnx.ai/onnx/operators/onnx__SequenceMap.html, version 17.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "attune/error.h"
#include "ops/infer.h"
#include "ops/op_def.h"
#include "ops/sequence.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

class SequenceMap final : public Operator {
 public:
  explicit SequenceMap(const Node& node)
      : body_(node.attributes.require_graph("body")),
        index_(subgraph_index(node, "body")),
        own_inputs_(node.own_input_count()) {
    if (static_cast<int>(body_->inputs().size()) != node.input_count() ||
        static_cast<int>(body_->outputs().size()) < node.output_count()) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("The body has {} inputs and {} outputs, the node {} and {}.",
                                                        static_cast<int>(body_->inputs().size()) - node.captured(),
                                                        body_->outputs().size(), own_inputs_, node.output_count()));
    }
  }

  void infer(InferContext& context) const override {
    if (context.symbols() == nullptr) return;
    std::vector<ValueInfo> inputs = input_infos(context, 0);
    for (int i = 0; i < own_inputs_; ++i) {
      // One element of the sequence, of any shape.
      if (inputs[static_cast<size_t>(i)].kind == ValueKind::kSequence) {
        inputs[static_cast<size_t>(i)].kind = ValueKind::kTensor;
      }
    }
    const std::vector<ValueInfo> outputs = infer_subgraph(*body_, inputs);
    for (int i = 0; i < context.output_count(); ++i) {
      set_sequence_output(context, i, outputs[static_cast<size_t>(i)].type);
    }
  }

  void run(RunContext& context) const override {
    const std::span<const Tensor> first = sequence_elements(context.input(0));
    std::vector<Tensor> inputs;
    for (int i = 0; i < context.input_count(); ++i) {
      const TensorView& input = context.input(i);
      inputs.push_back(borrow(input));
      if (i >= own_inputs_ || input.type != DataType::kSequence) continue;
      if (sequence_elements(input).size() != first.size()) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("Sequences of {} and {} tensors do not go together.",
                                                             first.size(), sequence_elements(input).size()));
      }
    }
    std::vector<std::vector<Tensor>> outputs(static_cast<size_t>(context.output_count()));
    std::vector<Tensor> now;
    for (size_t k = 0; k < first.size(); ++k) {
      now = inputs;
      for (size_t i = 0; i < static_cast<size_t>(own_inputs_); ++i) {
        if (inputs[i].type() == DataType::kSequence) now[i] = std::as_const(inputs[i]).values<Tensor>()[k];
      }
      std::vector<Tensor> results = context.run_subgraph(index_, now);
      for (size_t i = 0; i < outputs.size(); ++i) outputs[i].push_back(keep(results[i]));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const auto output = static_cast<int>(i);
      if (context.has_output(output)) context.give_output(output, Tensor::sequence(std::move(outputs[i])));
    }
  }

 private:
  std::shared_ptr<Graph> body_;  // until it is compiled
  int index_;
  int own_inputs_;
};

}  // namespace

[[gnu::cold]] const OpDef& sequence_map() {
  static const OpDef def{
      .name = "SequenceMap",
      .since = 17,
      .inputs = {{"input_sequence", "V", Occurrence::kRequired, kSequences},
                 {"additional_inputs", "V", Occurrence::kVariadic, {ValueKind::kTensor, ValueKind::kSequence}}},
      .outputs = {{"out_sequence", "V", Occurrence::kVariadic, kSequences}},
      .types = {{"V", kAnyType, true}},
      .make = make_operator<SequenceMap>,
      .has_subgraphs = true,
  };
  return def;
}

}  // namespace attune::ops
