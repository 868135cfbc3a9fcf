// Constant: https://onnx.ai/onnx/operators/onnx__Constant.html, versions 1 to 25; the loader makes a
// sparse value a dense one.
// ConstantOfShape: https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html, versions 9 to 25.
#include <fmt/format.h>

#include "attune/error.h"
#include "kernels/copy.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

Tensor parse_value(const Attributes& attributes) {
  const auto vector_of = [](auto values) {
    return Tensor::from_values(Shape{static_cast<int64_t>(values.size())}, values);
  };
  if (attributes.has("value")) return attributes.get_tensor("value");
  if (attributes.has("value_int")) return Tensor::scalar(attributes.get_int("value_int", 0));
  if (attributes.has("value_ints")) return vector_of(attributes.get_ints("value_ints"));
  if (attributes.has("value_float")) return Tensor::scalar(attributes.get_float("value_float", 0));
  if (attributes.has("value_floats")) return vector_of(attributes.get_floats("value_floats"));
  if (attributes.has("value_string")) return Tensor::scalar(attributes.get_string("value_string", ""));
  if (attributes.has("value_strings")) return vector_of(attributes.get_strings("value_strings"));
  throw Error(ErrorCode::kInvalidGraph, "Constant has none of the attributes that give its value.");
}

/// Tells inference the elements of a small integer tensor.
void set_known_elements(InferContext& context, const Tensor& tensor) {
  if (tensor.type() != DataType::kInt32 && tensor.type() != DataType::kInt64) return;
  if (tensor.shape().rank() > 1 || tensor.elements() > Shape::kMaxRank) return;
  Shape elements;
  for (const int64_t value : read_integers(TensorView::of(tensor))) {
    elements.push_back(std::max(value, kUnknownDim));  // other negative numbers would be taken for symbols
  }
  context.set_elements(0, elements);
}

class Constant final : public Operator {
 public:
  explicit Constant(const Node& node) : value_(parse_value(node.attributes)) {}

  void infer(InferContext& context) const override {
    context.set_output(0, value_.type(), value_.shape());
    set_known_elements(context, value_);
  }

  void run(RunContext& context) const override {
    copy_all(TensorView::of(value_), context.output(0), context.parallel());
  }

 private:
  Tensor value_;
};

class ConstantOfShape final : public Operator {
 public:
  explicit ConstantOfShape(const Node& node) : value_(Tensor::scalar(0.0F)) {
    if (!node.attributes.has("value")) return;
    value_ = node.attributes.get_tensor("value");
    if (value_.elements() != 1) {
      throw Error(ErrorCode::kInvalidGraph, "ConstantOfShape: 'value' must have exactly one element.");
    }
  }

  void infer(InferContext& context) const override {
    if (const auto values = known_integers(context, 0)) {
      set_shape(context, checked_shape(*values));
    } else if (const auto elements = context.elements(0)) {
      Shape shape = *elements;
      for (int axis = 0; axis < shape.rank(); ++axis) {
        if (shape[axis] == kUnknownDim) shape[axis] = context.fresh_dim();
      }
      set_shape(context, shape);
    } else if (context.has_shape(0) && context.shape(0).rank() == 1 && is_known(context.shape(0)[0])) {
      Shape shape;
      for (int64_t axis = 0; axis < context.shape(0)[0]; ++axis) shape.push_back(context.fresh_dim());
      set_shape(context, shape);
    } else {
      context.set_output_type(0, value_.type());
    }
  }

  void run(RunContext& context) const override {
    const Shape shape = checked_shape(read_integers(context.input(0)));
    const TensorView y = output_of_shape(context, 0, shape);
    kernels::fill_elements(element_of(y.type), value_.raw(), y.data, y.elements(), context.parallel());
  }

 private:
  static Shape checked_shape(const std::vector<int64_t>& values) {
    const Shape shape(values);
    if (!shape.is_concrete()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("ConstantOfShape: invalid shape {}.", shape.to_string()));
    }
    return shape;
  }

  void set_shape(InferContext& context, const Shape& shape) const {
    context.set_output(0, value_.type(), shape);
    if (shape.rank() > 1 || (shape.rank() == 1 && (!is_known(shape[0]) || shape[0] > Shape::kMaxRank))) return;
    if (value_.type() != DataType::kInt32 && value_.type() != DataType::kInt64) return;
    const int64_t value = std::max(TensorView::of(value_).integer(0), kUnknownDim);
    context.set_elements(0, Shape::filled(shape.rank() == 0 ? 1 : static_cast<int>(shape[0]), value));
  }

  Tensor value_;
};

}  // namespace

[[gnu::cold]] const OpDef& constant() {
  static const OpDef def{
      .name = "Constant",
      .inputs = {},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Constant>,
  };
  return def;
}

[[gnu::cold]] const OpDef& constant_of_shape() {
  static const OpDef def{
      .name = "ConstantOfShape",
      .since = 9,
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", {DataType::kInt64}}, {"T2", kAnyType}},
      .make = make_operator<ConstantOfShape>,
  };
  return def;
}

}  // namespace attune::ops
