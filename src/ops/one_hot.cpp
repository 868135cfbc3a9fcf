// OneHot: https://onnx.ai/onnx/operators/onnx__OneHot.html, versions 9 to 28.
#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "attune/error.h"
#include "kernels/copy.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// An element of any number type as an integer; what no integer can hold becomes `beyond`.
int64_t to_integer(const TensorView& view, int64_t index, int64_t beyond) {
  int64_t result = beyond;
  with_number_type(view.type, [&](auto value) {
    using T = decltype(value);
    const T element = view.as<T>()[index];
    if constexpr (std::is_floating_point_v<T>) {
      if (std::abs(element) < T{9e18F}) result = static_cast<int64_t>(element);
    } else {
      result = static_cast<int64_t>(element);
    }
  });
  return result;
}

class OneHot final : public Operator {
 public:
  explicit OneHot(const Node& node) : axis_(node.attributes.get_int("axis", -1)) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(2);
    if (!context.has_shape(0)) return context.set_output_type(0, type);
    Shape shape = context.shape(0);
    const int axis = resolve_axis(axis_, shape.rank() + 1);
    int64_t depth = kUnknownDim;
    if (const Tensor* constant = context.constant(1)) {
      depth = read_depth(TensorView::of(*constant));
    } else if (const auto elements = context.elements(1); elements && elements->rank() == 1) {
      depth = (*elements)[0];
    }
    shape.insert(axis, depth == kUnknownDim ? context.fresh_dim() : depth);
    context.set_output(0, type, shape);
  }

  void run(RunContext& context) const override {
    const TensorView& indices = context.input(0);
    const TensorView& values = context.input(2);
    if (values.rank() != 1 || values.dim(0) != 2) {
      throw Error(ErrorCode::kInvalidArgument,
                  "Invalid argument for values; either it's rank is more than 1 or it has "
                  "more than 2 elements");
    }
    const int64_t depth = read_depth(context.input(1));
    Shape shape = indices.shape();
    const int axis = resolve_axis(axis_, shape.rank() + 1);
    shape.insert(axis, depth);
    const TensorView y = output_of_shape(context, 0, shape);
    kernels::fill_elements(element_of(y.type), values.data, y.data, y.elements(), context.parallel());
    const int64_t inner = indices.shape().product(axis, indices.rank());
    const int64_t count = indices.elements();
    kernels::with_element_type(element_of(y.type), [&](auto type) {
      using T = decltype(type);
      const T on = static_cast<const T*>(values.data)[1];
      T* out = static_cast<T*>(y.data);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t index = to_integer(indices, i, depth);
        if (index < -depth || index >= depth) continue;  // all off, as the page says
        out[(i / inner * depth + (index < 0 ? index + depth : index)) * inner + i % inner] = on;
      }
    });
  }

 private:
  static int64_t read_depth(const TensorView& view) {
    if (view.elements() != 1)
      throw Error(ErrorCode::kInvalidArgument, "Invalid argument for depth; it's not a scalar.");
    const int64_t depth = to_integer(view, 0, -1);
    if (depth <= 0) throw Error(ErrorCode::kInvalidArgument, "Depth is negative.");
    return depth;
  }

  int64_t axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& one_hot() {
  static const OpDef def{
      .name = "OneHot",
      .since = 9,
      .inputs = {{"indices", "T1"}, {"depth", "T2"}, {"values", "T3"}},
      .outputs = {{"output", "T3"}},
      .types = {{"T1", kNumbers}, {"T2", kNumbers}, {"T3", kAnyType}},
      .make = make_operator<OneHot>,
  };
  return def;
}

}  // namespace attune::ops
