// Shape: https://onnx.ai/onnx/operators/onnx__Shape.html, versions 1 to 25 (`start` and `end` from 15).
// Size: https://onnx.ai/onnx/operators/onnx__Size.html, versions 1 to 25.
#include <algorithm>
#include <limits>

#include "ops/axes.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// The input's layout does not matter: only its dimensions are read.
void accept_any_layout(LayoutContext& context) { context.want_input(0, context.current(0)); }

class ShapeOf final : public Operator {
 public:
  explicit ShapeOf(const Node& node) {
    if (node.version < 15) return;
    start_ = node.attributes.get_int("start", 0);
    end_ = node.attributes.get_int("end", std::numeric_limits<int64_t>::max());
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output(0, DataType::kInt64, Shape{context.fresh_dim()});
    const Shape dims = slice(context.shape(0));
    context.set_output(0, DataType::kInt64, Shape{dims.rank()});
    context.set_elements(0, dims);
  }

  void choose_layouts(LayoutContext& context) const override { accept_any_layout(context); }

  void run(RunContext& context) const override {
    const Shape dims = slice(context.input(0).shape());
    std::copy(dims.begin(), dims.end(), context.output(0).as<int64_t>());
  }

 private:
  Shape slice(const Shape& shape) const {
    const int64_t rank = shape.rank();
    const auto clamp = [rank](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
    const int64_t first = clamp(start_);
    const int64_t last = std::max(first, clamp(end_));
    return Shape(shape.dims().subspan(static_cast<size_t>(first), static_cast<size_t>(last - first)));
  }

  int64_t start_ = 0;
  int64_t end_ = std::numeric_limits<int64_t>::max();
};

class Size final : public Operator {
 public:
  explicit Size(const Node&) {}

  void infer(InferContext& context) const override {
    context.set_output(0, DataType::kInt64, Shape{});
    if (!context.has_shape(0)) return;
    const Shape& shape = context.shape(0);
    context.set_elements(0, Shape{multiply_dims(context, shape, 0, shape.rank())});
  }

  void choose_layouts(LayoutContext& context) const override { accept_any_layout(context); }

  void run(RunContext& context) const override { *context.output(0).as<int64_t>() = context.input(0).elements(); }
};

}  // namespace

[[gnu::cold]] const OpDef& shape() {
  static const OpDef def{
      .name = "Shape",
      .inputs = {{"data", "T"}},
      .outputs = {{"shape", "T1"}},
      .types = {{"T", kAnyType}, {"T1", {DataType::kInt64}}},
      .make = make_operator<ShapeOf>,
      .reads_shapes_only = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& size() {
  static const OpDef def{
      .name = "Size",
      .inputs = {{"data", "T"}},
      .outputs = {{"size", "T1"}},
      .types = {{"T", kAnyType}, {"T1", {DataType::kInt64}}},
      .make = make_operator<Size>,
      .reads_shapes_only = true,
  };
  return def;
}

}  // namespace attune::ops
