// SplitToSequence: https://onnx.ai/onnx/operators/onnx__SplitToSequence.html, version 11, and ConcatFromSequence:
// https://onnx.ai/onnx/operators/onnx__ConcatFromSequence.html, version 11.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/axis_copy.h"
#include "ops/op_def.h"
#include "ops/sequence.h"

namespace attune::ops {
namespace {

class SplitToSequence final : public Operator {
 public:
  explicit SplitToSequence(const Node& node)
      : axis_(node.attributes.get_int("axis", 0)), keeps_axis_(node.attributes.get_int("keepdims", 1) != 0) {}

  void infer(InferContext& context) const override {
    if (context.has_shape(0)) resolve_axis(axis_, context.shape(0).rank());
    set_sequence_output(context, 0, context.type(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int axis = resolve_axis(axis_, x.rank());
    const AxisView view(x.shape(), axis);
    std::vector<Tensor> pieces;
    int64_t first = 0;
    for (const int64_t length : piece_lengths(context, view.count)) {
      Shape shape = x.shape();
      shape[axis] = length;
      // Where lengths are given the axis stays.
      if (!context.has_input(1) && !keeps_axis_) shape.erase(axis);
      Tensor piece = Tensor::allocate(x.type, shape);
      copy_along_axis(x.type, view, x.data, first, view.with_count(length), piece.raw(), 0, length);
      pieces.push_back(std::move(piece));
      first += length;
    }
    context.give_output(0, Tensor::sequence(std::move(pieces)));
  }

 private:
  static std::vector<int64_t> piece_lengths(const RunContext& context, int64_t extent) {
    if (!context.has_input(1)) return std::vector<int64_t>(static_cast<size_t>(extent), 1);
    const TensorView& split = context.input(1);
    std::vector<int64_t> lengths;
    if (split.rank() == 0) {
      const int64_t each = split.integer(0);
      if (each <= 0) throw Error(ErrorCode::kInvalidArgument, fmt::format("Pieces of {} cannot be cut.", each));
      for (int64_t first = 0; first < extent; first += each) lengths.push_back(std::min(each, extent - first));
      return lengths;
    }
    int64_t sum = 0;
    for (int64_t i = 0; i < split.elements(); ++i) {
      lengths.push_back(split.integer(i));
      if (lengths.back() < 0 || lengths.back() > extent - sum) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("A piece of {} does not fit into what is left of {}.", lengths.back(), extent));
      }
      sum += lengths.back();
    }
    if (sum != extent) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("The pieces come to {} of {}.", sum, extent));
    }
    return lengths;
  }

  int64_t axis_;
  bool keeps_axis_;
};

class ConcatFromSequence final : public Operator {
 public:
  explicit ConcatFromSequence(const Node& node)
      : axis_(node.attributes.require_int("axis")), stacks_(node.attributes.get_int("new_axis", 0) != 0) {}

  void infer(InferContext& context) const override { context.set_output_type(0, context.type(0)); }

  void run(RunContext& context) const override {
    const std::span<const Tensor> elements = sequence_elements(context.input(0));
    if (elements.empty()) throw Error(ErrorCode::kInvalidArgument, "An empty sequence cannot be concatenated.");
    const int axis = resolve_axis(axis_, elements[0].shape().rank() + (stacks_ ? 1 : 0));
    Shape shape = stacked(elements[0], axis);
    shape[axis] = 0;
    for (const Tensor& element : elements) shape[axis] += check(element, elements[0], axis);
    Tensor result = Tensor::allocate(elements[0].type(), shape);
    const AxisView view(shape, axis);
    int64_t first = 0;
    for (const Tensor& element : elements) {
      const int64_t length = stacked(element, axis)[axis];
      copy_along_axis(result.type(), view.with_count(length), element.raw(), 0, view, result.raw(), first, length);
      first += length;
    }
    context.give_output(0, std::move(result));
  }

 private:
  Shape stacked(const Tensor& element, int axis) const {
    Shape shape = element.shape();
    if (stacks_) shape.insert(axis, 1);
    return shape;
  }

  /// The extent along the axis.
  int64_t check(const Tensor& element, const Tensor& first, int axis) const {
    const Shape shape = stacked(element, axis);
    Shape wanted = stacked(first, axis);
    if (shape.rank() == wanted.rank()) wanted[axis] = shape[axis];
    if (shape != wanted || element.type() != first.type()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("Tensors of shapes {} and {} cannot be concatenated.",
                                                           first.shape().to_string(), element.shape().to_string()));
    }
    return shape[axis];
  }

  int64_t axis_;
  bool stacks_;
};

}  // namespace

[[gnu::cold]] const OpDef& split_to_sequence() {
  static const OpDef def{
      .name = "SplitToSequence",
      .since = 11,
      .inputs = {{"input", "T"}, {"split", "I", Occurrence::kOptional}},
      .outputs = {{"output_sequence", "T", Occurrence::kRequired, kSequences}},
      .types = {{"T", kAnyType}, {"I", kIndices}},
      .make = make_operator<SplitToSequence>,
  };
  return def;
}

[[gnu::cold]] const OpDef& concat_from_sequence() {
  static const OpDef def{
      .name = "ConcatFromSequence",
      .since = 11,
      .inputs = {{"input_sequence", "T", Occurrence::kRequired, kSequences}},
      .outputs = {{"concat_result", "T"}},
      .types = {{"T", kAnyType}},
      .make = make_operator<ConcatFromSequence>,
  };
  return def;
}

}  // namespace attune::ops
