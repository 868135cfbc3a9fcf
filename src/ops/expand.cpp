// Expand: https://onnx.ai/onnx/operators/onnx__Expand.html, versions 8 and 13.
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Expand final : public Operator {
 public:
  explicit Expand(const Node&) {}

  void infer(InferContext& context) const override {
    std::optional<Shape> target;
    if (const auto values = known_integers(context, 1)) {
      target = checked_shape(*values);
    } else if (const auto elements = context.elements(1)) {
      target = elements;
    } else if (context.has_shape(1) && context.shape(1).rank() == 1 && is_known(context.shape(1)[0])) {
      target.emplace();
      for (int64_t axis = 0; axis < context.shape(1)[0]; ++axis) target->push_back(kUnknownDim);
    }
    if (!target || !context.has_shape(0)) return context.set_output_type(0, context.type(0));
    const Shape& from = context.shape(0);
    const int rank = std::max(from.rank(), target->rank());
    Shape shape = Shape::filled(rank, 1);
    for (int axis = 0; axis < rank; ++axis) {
      const int a = axis - (rank - from.rank());
      const int b = axis - (rank - target->rank());
      const int64_t dim = broadcast_dims(context, a < 0 ? 1 : from[a], b < 0 ? 1 : (*target)[b]);
      shape[axis] = dim == kUnknownDim ? context.fresh_dim() : dim;
    }
    context.set_output(0, context.type(0), shape);
    const auto elements = context.elements(0);
    if (!elements || elements->rank() != 1 || rank != 1 || !is_known(shape[0]) || shape[0] > Shape::kMaxRank) return;
    context.set_elements(0, Shape::filled(static_cast<int>(shape[0]), (*elements)[0]));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    Shape shape = checked_shape(read_integers(context.input(1)));
    while (shape.rank() < x.rank()) shape.insert(0, 1);
    Shape source_strides = strides_of(x.shape());
    const int missing = shape.rank() - x.rank();
    for (int axis = 0; axis < missing; ++axis) source_strides.insert(0, 0);
    for (int axis = missing; axis < shape.rank(); ++axis) {
      const int64_t dim = x.dim(axis - missing);
      if (dim == 1) {
        source_strides[axis] = 0;
      } else if (shape[axis] == 1) {
        shape[axis] = dim;
      } else if (shape[axis] != dim) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("invalid expand shape: {} cannot be expanded to {}",
                                                             x.shape().to_string(), shape.to_string()));
      }
    }
    const TensorView y = output_of_shape(context, 0, shape);
    copy_box(y.type, shape, x.data, 0, source_strides, y.data, 0, strides_of(shape), context.parallel());
  }

 private:
  static Shape checked_shape(const std::vector<int64_t>& values) {
    const Shape shape(values);
    if (!shape.is_concrete()) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("invalid expand shape {}", shape.to_string()));
    }
    return shape;
  }
};

}  // namespace

[[gnu::cold]] const OpDef& expand() {
  static const OpDef def{
      .name = "Expand",
      .since = 8,
      .inputs = {{"input", "T"}, {"shape", "tensor(int64)"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Expand>,
  };
  return def;
}

}  // namespace attune::ops
