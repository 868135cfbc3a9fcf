// If: https://onnx.ai/onnx/operators/onnx__If.html, versions 1 to 25. The branches' results may have different shapes.
#include <fmt/format.h>

#include "attune/error.h"
#include "ops/infer.h"
#include "ops/op_def.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

class If final : public Operator {
 public:
  explicit If(const Node& node)
      : then_(node.attributes.require_graph("then_branch")),
        else_(node.attributes.require_graph("else_branch")),
        then_index_(subgraph_index(node, "then_branch")),
        else_index_(subgraph_index(node, "else_branch")) {
    for (const Graph* branch : {then_.get(), else_.get()}) {
      if (static_cast<int>(branch->inputs().size()) != node.captured()) {
        throw Error(ErrorCode::kInvalidGraph, "A branch has inputs.");
      }
      if (static_cast<int>(branch->outputs().size()) < node.output_count()) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("The node has {} outputs, a branch {}.", node.output_count(),
                                                          branch->outputs().size()));
      }
    }
  }

  void infer(InferContext& context) const override {
    if (context.symbols() == nullptr) return;  // which branch it is, only the run knows
    const std::vector<ValueInfo> inputs = input_infos(context, 1);
    const std::vector<ValueInfo> yes = infer_branch(*then_, inputs);
    const std::vector<ValueInfo> no = infer_branch(*else_, inputs);
    for (int i = 0; i < context.output_count(); ++i) {
      set_either(context, i, yes[static_cast<size_t>(i)], no[static_cast<size_t>(i)]);
    }
  }

  void run(RunContext& context) const override {
    const TensorView& condition = context.input(0);
    if (condition.elements() != 1) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("The condition has {} elements instead of one.", condition.elements()));
    }
    std::vector<Tensor> inputs;
    for (int i = 1; i < context.input_count(); ++i) inputs.push_back(borrow(context.input(i)));
    std::vector<Tensor> results = context.run_subgraph(*condition.as<bool>() ? then_index_ : else_index_, inputs);
    for (int i = 0; i < context.output_count(); ++i) {
      if (context.has_output(i)) context.give_output(i, std::move(results[static_cast<size_t>(i)]));
    }
  }

 private:
  /// Shapes that contradict each other are no error yet: a condition on shapes may see to it that the branch is never
  /// taken.
  static std::vector<ValueInfo> infer_branch(Graph& branch, std::span<const ValueInfo> inputs) {
    try {
      return infer_subgraph(branch, inputs);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kFail && error.code() != ErrorCode::kInvalidArgument) throw;
    }
    std::vector<ValueInfo> outputs;
    for (const GraphOutput& output : branch.outputs()) {
      outputs.emplace_back();
      outputs.back().type = output.value->type;
      outputs.back().kind = output.value->kind;
    }
    return outputs;
  }

  /// What holds whichever branch is taken.
  static void set_either(InferContext& context, int i, const ValueInfo& yes, const ValueInfo& no) {
    if (yes.type != DataType::kUndefined && no.type != DataType::kUndefined &&
        (yes.type != no.type || yes.kind != no.kind)) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Mismatched type for output {}: then={} else={}", i, value_type_name(yes.kind, yes.type),
                              value_type_name(no.kind, no.type)));
    }
    const ValueInfo& typed = yes.type != DataType::kUndefined ? yes : no;
    if (typed.kind != ValueKind::kTensor || !yes.has_shape || !no.has_shape || yes.shape.rank() != no.shape.rank()) {
      return context.set_output_type(i, typed.type, typed.kind);
    }
    Shape shape = yes.shape;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (!same_dim(yes.shape[axis], no.shape[axis])) shape[axis] = context.fresh_dim();
    }
    context.set_output(i, typed.type, shape);
  }

  std::shared_ptr<Graph> then_;  // until they are compiled
  std::shared_ptr<Graph> else_;
  int then_index_;
  int else_index_;
};

}  // namespace

[[gnu::cold]] const OpDef& if_op() {
  static const OpDef def{
      .name = "If",
      .inputs = {{"cond", "B"}},
      .outputs = {{"outputs", "V", Occurrence::kVariadic, kAnyKind}},
      .types = {{"B", {DataType::kBool}}, {"V", kAnyType, true}},
      .make = make_operator<If>,
      .has_subgraphs = true,
  };
  return def;
}

}  // namespace attune::ops
