// Tile: https://onnx.ai/onnx/operators/onnx__Tile.html, versions 6 and 13.
#include <fmt/format.h>

#include "attune/error.h"
#include "kernels/copy.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Tile final : public Operator {
 public:
  explicit Tile(const Node&) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    Shape shape = context.shape(0);
    std::optional<Shape> repeats;
    if (const auto values = known_integers(context, 1)) {
      check_repeats(*values, shape.rank());
      repeats = Shape(*values);
    } else {
      repeats = context.elements(1);
    }
    if (repeats && repeats->rank() != shape.rank()) {
      throw Error(ErrorCode::kInvalidGraph, "'repeats' must have as many entries as the input has dimensions");
    }
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const int64_t dim = repeats ? multiply_dims(context, shape[axis], (*repeats)[axis]) : context.fresh_dim();
      shape[axis] = dim == kUnknownDim ? context.fresh_dim() : dim;
    }
    context.set_output(0, context.type(0), shape);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const std::vector<int64_t> repeats = read_integers(context.input(1));
    check_repeats(repeats, x.rank());
    Shape shape = x.shape();
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (__builtin_mul_overflow(shape[axis], repeats[static_cast<size_t>(axis)], &shape[axis])) {
        throw Error(ErrorCode::kInvalidArgument, "Tile: the output is too large.");
      }
    }
    const TensorView y = output_of_shape(context, 0, shape);
    const Shape source_strides = strides_of(x.shape());
    const Shape target_strides = strides_of(shape);
    kernels::StridedBox box;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      box.add(repeats[static_cast<size_t>(axis)], 0, x.dim(axis) * target_strides[axis]);
      box.add(x.dim(axis), source_strides[axis], target_strides[axis]);
    }
    kernels::copy_strided(box, element_of(x.type), x.data, y.data, context.parallel());
  }

 private:
  static void check_repeats(const std::vector<int64_t>& repeats, int rank) {
    if (repeats.size() != static_cast<size_t>(rank)) {
      throw Error(ErrorCode::kInvalidArgument, "'repeats' must have as many entries as the input has dimensions");
    }
    for (const int64_t repeat : repeats) {
      if (repeat >= 0) continue;
      throw Error(ErrorCode::kInvalidArgument, fmt::format("Tile repeat value must be non-negative, got: {}", repeat));
    }
  }
};

}  // namespace

[[gnu::cold]] const OpDef& tile() {
  static const OpDef def{
      .name = "Tile",
      .since = 6,
      .inputs = {{"input", "T"}, {"repeats", "T1"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"T1", {DataType::kInt64}}},
      .make = make_operator<Tile>,
  };
  return def;
}

}  // namespace attune::ops
