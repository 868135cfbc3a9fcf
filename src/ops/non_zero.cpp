// NonZero: https://onnx.ai/onnx/operators/onnx__NonZero.html, versions 9 and 13. A scalar counts as a vector of one
// element, as in onnxruntime.
// Compress: https://onnx.ai/onnx/operators/onnx__Compress.html, versions 9 to 28.
#include <algorithm>
#include <optional>

#include "attune/error.h"
#include "kernels/copy.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class NonZero final : public Operator {
 public:
  explicit NonZero(const Node&) {}

  void infer(InferContext& context) const override {
    const int64_t rank = context.has_shape(0) ? std::max(context.shape(0).rank(), 1) : context.fresh_dim();
    context.set_output(0, DataType::kInt64, Shape{rank, context.fresh_dim()});
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    std::vector<int64_t> found;
    if (x.type == DataType::kBool) {
      found = find<bool>(x);
    } else {
      with_number_type(x.type, [&](auto value) { found = find<decltype(value)>(x); });
    }
    const int rank = std::max(x.rank(), 1);
    const auto count = static_cast<int64_t>(found.size());
    const Shape shape{rank, count};
    const TensorView y = output_of_shape(context, 0, shape);
    auto* out = y.as<int64_t>();
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = found[static_cast<size_t>(i)];
      for (int axis = rank - 1; axis >= 0; --axis) {
        const int64_t dim = x.rank() == 0 ? 1 : x.dim(axis);
        out[axis * count + i] = rest % dim;
        rest /= dim;
      }
    }
  }

 private:
  template <class T>
  static std::vector<int64_t> find(const TensorView& x) {
    std::vector<int64_t> found;
    const T* values = x.as<T>();
    const int64_t count = x.elements();
    for (int64_t i = 0; i < count; ++i) {
      if (values[i] != T{}) found.push_back(i);
    }
    return found;
  }
};

class Compress final : public Operator {
 public:
  explicit Compress(const Node& node) {
    if (node.attributes.has("axis")) axis_ = node.attributes.get_int("axis", 0);
  }

  void infer(InferContext& context) const override {
    if (context.has_shape(1) && context.shape(1).rank() != 1) {
      throw Error(ErrorCode::kInvalidGraph, "Compress: 'condition' must have one dimension.");
    }
    if (!axis_) return context.set_output(0, context.type(0), Shape{context.fresh_dim()});
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    Shape shape = context.shape(0);
    shape[resolve_axis(*axis_, shape.rank())] = context.fresh_dim();
    context.set_output(0, context.type(0), shape);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& condition = context.input(1);
    // Without an axis the input is one long vector.
    Shape shape = axis_ ? x.shape() : Shape{x.elements()};
    const int axis = axis_ ? resolve_axis(*axis_, x.rank()) : 0;
    const int64_t extent = shape[axis];
    const int64_t outer = shape.product(0, axis);
    const int64_t run = shape.product(axis + 1, shape.rank());
    std::vector<int64_t> kept;
    for (int64_t i = 0; i < std::min(condition.elements(), extent); ++i) {
      if (condition.as<bool>()[i]) kept.push_back(i);
    }
    shape[axis] = static_cast<int64_t>(kept.size());
    const TensorView y = output_of_shape(context, 0, shape);
    kernels::gather_runs(element_of(x.type), x.data, outer, extent, run, kept.data(), shape[axis], y.data,
                         context.parallel());
  }

 private:
  std::optional<int64_t> axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& compress() {
  static const OpDef def{
      .name = "Compress",
      .since = 9,
      .inputs = {{"input", "T"}, {"condition", "T1"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"T1", {DataType::kBool}}},
      .make = make_operator<Compress>,
  };
  return def;
}

[[gnu::cold]] const OpDef& non_zero() {
  static const OpDef def{
      .name = "NonZero",
      .since = 9,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "tensor(int64)"}},
      .types = {{"T", kNumbers | TypeSet{DataType::kBool}}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<NonZero>,
  };
  return def;
}

}  // namespace attune::ops
