// Transpose: https://onnx.ai/onnx/operators/onnx__Transpose.html, versions 1 to 25.
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Transpose final : public Operator {
 public:
  explicit Transpose(const Node& node) : given_(node.attributes.has("perm")) {
    const auto order = node.attributes.get_ints("perm");
    std::vector<bool> seen(order.size(), false);
    for (const int64_t axis : order) {
      if (axis < 0 || axis >= static_cast<int64_t>(order.size()) || seen[static_cast<size_t>(axis)]) {
        throw Error(ErrorCode::kInvalidGraph, "Attribute perm of Transpose has an invalid value.");
      }
      seen[static_cast<size_t>(axis)] = true;
      order_.push_back(axis);
    }
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) {
      if (!given_) return context.set_output_type(0, context.type(0));
      Shape shape;
      for (int axis = 0; axis < order_.rank(); ++axis) shape.push_back(context.fresh_dim());
      return context.set_output(0, context.type(0), shape);
    }
    context.set_output(0, context.type(0), permuted(context.shape(0)));
    if (context.shape(0).rank() > 1) return;
    if (const auto elements = context.elements(0)) context.set_elements(0, *elements);
  }

  /// Reading blocks costs no more than reading rows, and saves a reorder before.
  void choose_layouts(LayoutContext& context) const override {
    if (is_blocked(context, 0)) context.want_input(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return given_ && order_[0] == 0 ? batch_of_first(inputs, outputs) : 0;
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const Shape shape = permuted(x.shape());
    const TensorView y = output_of_shape(context, 0, shape);
    if (x.layout == Layout::kBlocked) return run_blocked(context, x, y);
    copy_box(x.type, shape, x.data, 0, permuted(strides_of(x.shape())), y.data, 0, strides_of(shape),
             context.parallel());
  }

 private:
  /// `values`, one for each axis of the input, in the output's order.
  Shape permuted(const Shape& values) const {
    Shape shape = values;
    if (given_ && order_.rank() != values.rank()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("perm size: {} does not match input rank: {}", order_.rank(), values.rank()));
    }
    for (int axis = 0; axis < values.rank(); ++axis) {
      shape[axis] = values[given_ ? static_cast<int>(order_[axis]) : values.rank() - 1 - axis];
    }
    return shape;
  }

  /// The axis of channels as two, whole blocks and lanes; the lanes of a last, shorter block apart.
  void run_blocked(const RunContext& context, const TensorView& x, const TensorView& y) const {
    const Shape physical = x.physical();
    const Shape from = strides_of(physical);
    Shape to = strides_of(y.shape());  // by the input's axes
    const Shape strides = to;
    for (int axis = 0; axis < 4; ++axis) to[given_ ? static_cast<int>(order_[axis]) : 3 - axis] = strides[axis];
    const int64_t block = x.block;
    const int64_t whole = x.dim(1) / block;
    to.push_back(to[1]);
    to[1] *= block;
    copy_box(x.type, {x.dim(0), whole, x.dim(2), x.dim(3), block}, x.data, 0, from, y.data, 0, to, context.parallel());
    copy_box(x.type, {x.dim(0), 1, x.dim(2), x.dim(3), x.dim(1) % block}, x.data, whole * from[1], from, y.data,
             whole * to[1], to, context.parallel());
  }

  bool given_;
  Shape order_;
};

}  // namespace

[[gnu::cold]] const OpDef& transpose() {
  static const OpDef def{
      .name = "Transpose",
      .inputs = {{"data", "T"}},
      .outputs = {{"transposed", "T"}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Transpose>,
  };
  return def;
}

}  // namespace attune::ops
