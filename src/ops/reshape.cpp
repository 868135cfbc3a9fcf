// Reshape: https://onnx.ai/onnx/operators/onnx__Reshape.html, versions 5 to 25 (allowzero from 14).
// Flatten: https://onnx.ai/onnx/operators/onnx__Flatten.html, versions 1 to 25.
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// Elements of a vector or scalar keep their order under another shape of at most one axis.
void pass_elements(InferContext& context) {
  if (!context.output(0).has_shape || context.output(0).shape.rank() > 1) return;
  if (const auto elements = context.elements(0)) context.set_elements(0, *elements);
}

class Reshape final : public Operator {
 public:
  explicit Reshape(const Node& node)
      : allow_zero_(node.version >= 14 && node.attributes.get_int("allowzero", 0) != 0) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    if (const auto values = known_integers(context, 1)) {
      check_target(*values);
      context.set_output(0, type, resolve(context, Shape(*values)));
    } else if (const auto elements = context.elements(1)) {
      context.set_output(0, type, resolve(context, *elements));
    } else if (context.has_shape(1) && context.shape(1).rank() == 1 && is_known(context.shape(1)[0])) {
      Shape shape;
      for (int64_t axis = 0; axis < context.shape(1)[0]; ++axis) shape.push_back(context.fresh_dim());
      // Of an empty target nothing is unknown, not even whether it fits.
      context.set_output(0, type, shape.rank() == 0 ? resolve(context, shape) : shape);
    } else {
      return context.set_output_type(0, type);
    }
    pass_elements(context);
  }

  void choose_layouts(LayoutContext& context) const override {
    if (is_blocked_vector(context, 0)) context.want_input(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    if (context.output(0).data != nullptr) return copy_all(x, context.output(0), context.parallel());
    // The target was computed in this very run: infer again, now that it is known.
    const Tensor target = Tensor::view(context.input(1).type, context.input(1).shape(), context.input(1).data);
    ValueInfo data;
    data.type = x.type;
    data.has_shape = true;
    data.shape = x.shape();
    ValueInfo shape = data;
    shape.type = target.type();
    shape.shape = target.shape();
    shape.constant = &target;
    const ValueInfo* const inputs[] = {&data, &shape};
    ValueInfo result;
    InferContext inference(inputs, {&result, 1}, nullptr);
    infer(inference);
    copy_all(x, output_of_shape(context, 0, result.shape), context.parallel());
  }

 private:
  void check_target(const std::vector<int64_t>& target) const {
    const auto computed = std::count(target.begin(), target.end(), -1);
    const bool negative = std::any_of(target.begin(), target.end(), [](int64_t dim) { return dim < -1; });
    if (computed > 1) throw Error(ErrorCode::kInvalidArgument, "At most one dimension can be -1.");
    if (negative) throw Error(ErrorCode::kInvalidArgument, "A dimension cannot be less than -1.");
    if (allow_zero_ && computed == 1 && std::find(target.begin(), target.end(), 0) != target.end()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "The input tensor cannot be reshaped to the requested shape: allowzero with both 0 and -1.");
    }
  }

  /// Replaces 0 and one -1. An entry of the target that is not known here (kUnknownDim, which is -1 too) must be what
  /// the other dimensions leave over, whatever number it stands for.
  Shape resolve(InferContext& context, Shape target) const {
    if (!context.has_shape(0)) {
      for (int axis = 0; axis < target.rank(); ++axis) {
        if (target[axis] == kUnknownDim || (target[axis] == 0 && !allow_zero_)) target[axis] = context.fresh_dim();
      }
      return target;
    }
    const Shape& shape = context.shape(0);
    Shape known;          // dimensions of the input
    Shape symbols;        // those that are symbols and not yet matched by the target's
    Shape known_target;   // dimensions of the target
    bool opaque = false;  // something on either side that does not cancel
    int computed = 0;
    for (const int64_t dim : shape) {
      if (is_known(dim)) known.push_back(dim);
      if (is_symbol(dim)) symbols.push_back(dim);
      opaque = opaque || dim == kUnknownDim;
    }
    for (int axis = 0; axis < target.rank(); ++axis) {
      if (target[axis] == 0 && !allow_zero_) {
        if (axis >= shape.rank()) {
          throw Error(ErrorCode::kInvalidArgument,
                      "The dimension with value zero exceeds the dimension size of the input tensor.");
        }
        target[axis] = shape[axis];
        if (target[axis] == kUnknownDim) {
          target[axis] = context.fresh_dim();
          opaque = true;
          continue;
        }
      }
      if (is_known(target[axis])) {
        known_target.push_back(target[axis]);
      } else if (target[axis] == kUnknownDim) {
        ++computed;
      } else if (const auto* match = std::find(symbols.begin(), symbols.end(), target[axis]); match != symbols.end()) {
        symbols.erase(static_cast<int>(match - symbols.begin()));
      } else {
        opaque = true;
      }
    }
    const int64_t have = known.elements();
    const int64_t asked = known_target.elements();
    const bool certain = !opaque && symbols.rank() == 0;
    if (computed == 0 && certain && have != asked) throw_mismatch(shape, target);
    int64_t rest = kUnknownDim;
    if (computed == 1 && certain) {
      const std::optional<int64_t> found = divide(known, known_target);
      if (!found) throw_mismatch(shape, target);
      rest = *found;
    } else if (computed == 1 && !opaque && symbols.rank() == 1 && have == asked) {
      rest = symbols[0];
    }
    for (int axis = 0; axis < target.rank(); ++axis) {
      if (target[axis] == kUnknownDim) target[axis] = rest == kUnknownDim ? context.fresh_dim() : rest;
    }
    return target;
  }

  /// The dimension that is missing on the right. Where elements do not tell, because there are none and a dimension of
  /// 0 stays, it is what the other dimensions leave over: {0, 1, 5} to {0, -1, 1} is as {2, 1, 5} to {2, -1, 1}.
  static std::optional<int64_t> divide(const Shape& have, const Shape& asked) {
    const auto zeros = [](const Shape& dims) { return std::count(dims.begin(), dims.end(), 0); };
    const auto product = [](const Shape& dims) {
      Shape others;
      for (const int64_t dim : dims) {
        if (dim != 0) others.push_back(dim);
      }
      return others.elements();
    };
    if (zeros(have) > zeros(asked)) return 0;
    if (zeros(have) < zeros(asked) || product(have) % product(asked) != 0) return std::nullopt;
    return product(have) / product(asked);
  }

  [[noreturn]] static void throw_mismatch(const Shape& shape, const Shape& target) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("The input tensor cannot be reshaped to the requested shape. Input shape:{}, requested "
                            "shape:{}",
                            shape.to_string(), target.to_string()));
  }

  bool allow_zero_;
};

class Flatten final : public Operator {
 public:
  explicit Flatten(const Node& node) : axis_(node.attributes.get_int("axis", 1)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) {
      return context.set_output(0, context.type(0), Shape{context.fresh_dim(), context.fresh_dim()});
    }
    const Shape& shape = context.shape(0);
    // The axis may be the rank itself: everything goes into the first dimension.
    const int axis = axis_ == shape.rank() ? shape.rank() : resolve_axis(axis_, shape.rank());
    const int64_t rows = multiply_dims(context, shape, 0, axis);
    context.set_output(0, context.type(0), Shape{rows, multiply_dims(context, shape, axis, shape.rank())});
  }

  void choose_layouts(LayoutContext& context) const override {
    if (is_blocked_vector(context, 0)) context.want_input(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override { copy_all(context.input(0), context.output(0), context.parallel()); }

 private:
  int64_t axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& flatten() {
  static const OpDef def{
      .name = "Flatten",
      .inputs = {{"input", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Flatten>,
      .is_view = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& reshape() {
  static const OpDef def{
      .name = "Reshape",
      .since = 5,
      .inputs = {{"data", "T"}, {"shape", "tensor(int64)"}},
      .outputs = {{"reshaped", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Reshape>,
      .is_view = true,
  };
  return def;
}

}  // namespace attune::ops
