// Squeeze: https://onnx.ai/onnx/operators/onnx__Squeeze.html, versions 1 to 25.
// Unsqueeze: https://onnx.ai/onnx/operators/onnx__Unsqueeze.html, versions 1 to 25.
// `axes` is an attribute before version 13 and an input since.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// The part that both share: where the axes come from, and a copy that the planner mostly avoids.
class ChangeRank : public Operator {
 public:
  explicit ChangeRank(const Node& node) : takes_input_(node.version >= 13), has_axes_(node.attributes.has("axes")) {
    if (takes_input_ || !has_axes_) return;
    const auto axes = node.attributes.get_ints("axes");
    axes_.assign(axes.begin(), axes.end());
  }

  void infer(InferContext& context) const override {
    std::optional<std::vector<int64_t>> axes = axes_;
    bool given = has_axes_;
    if (takes_input_) {
      axes = known_integers(context, 1);
      given = context.has_input(1);
    }
    std::optional<Shape> shape;
    if (context.has_shape(0) && (axes || !given)) {
      shape = change(context.shape(0), given ? &*axes : nullptr);
    } else if (context.has_shape(0) && context.has_shape(1) && context.shape(1).rank() == 1 &&
               is_known(context.shape(1)[0])) {
      shape = guess(context, context.shape(1)[0]);
    }
    if (!shape) return context.set_output_type(0, context.type(0));
    context.set_output(0, context.type(0), *shape);
    if (shape->rank() > 1) return;
    if (const auto elements = context.elements(0)) context.set_elements(0, *elements);
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
    // The axes were computed in this run, or the input's rank was not known before it.
    std::vector<int64_t> axes = axes_;
    bool given = has_axes_;
    if (takes_input_) {
      given = context.has_input(1);
      if (given) axes = read_integers(context.input(1));
    }
    const std::optional<Shape> shape = change(x.shape(), given ? &axes : nullptr);
    copy_all(x, output_of_shape(context, 0, *shape), context.parallel());
  }

 protected:
  /// The output's shape; `axes` is null when there are none. Nullopt when it depends on symbols.
  virtual std::optional<Shape> change(const Shape& shape, const std::vector<int64_t>* axes) const = 0;
  /// What `count` unknown axes leave: the rank alone.
  virtual std::optional<Shape> guess(InferContext& context, int64_t count) const = 0;

 private:
  bool takes_input_;
  bool has_axes_;
  std::vector<int64_t> axes_;
};

class Squeeze final : public ChangeRank {
 public:
  using ChangeRank::ChangeRank;

 protected:
  std::optional<Shape> change(const Shape& shape, const std::vector<int64_t>* axes) const override {
    Shape squeezed;
    if (axes == nullptr) {
      for (const int64_t dim : shape) {
        if (!is_known(dim)) return std::nullopt;
        if (dim != 1) squeezed.push_back(dim);
      }
      return squeezed;
    }
    const std::vector<int> dropped = resolve_all(*axes, shape.rank());
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (std::find(dropped.begin(), dropped.end(), axis) == dropped.end()) {
        squeezed.push_back(shape[axis]);
      } else if (is_known(shape[axis]) && shape[axis] != 1) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("Dimension of input {} must be 1 instead of {}. shape={}",
                                                          axis, shape[axis], shape.to_string()));
      }
    }
    return squeezed;
  }

  std::optional<Shape> guess(InferContext& context, int64_t count) const override {
    const int64_t rank = context.shape(0).rank() - count;
    if (rank < 0) throw Error(ErrorCode::kInvalidGraph, "Squeeze: more axes than dimensions.");
    Shape shape;
    for (int64_t axis = 0; axis < rank; ++axis) shape.push_back(context.fresh_dim());
    return shape;
  }

 private:
  /// onnxruntime lets an axis appear twice.
  static std::vector<int> resolve_all(const std::vector<int64_t>& axes, int rank) {
    std::vector<int> resolved;
    for (const int64_t axis : axes) resolved.push_back(resolve_axis(axis, rank));
    return resolved;
  }
};

class Unsqueeze final : public ChangeRank {
 public:
  explicit Unsqueeze(const Node& node) : ChangeRank(node) {
    if (node.version < 13) node.attributes.require_ints("axes");
  }

 protected:
  std::optional<Shape> change(const Shape& shape, const std::vector<int64_t>* axes) const override {
    const Shape checked = Shape::filled(checked_rank(shape.rank(), static_cast<int64_t>(axes->size())), 1);
    const std::vector<int> added = resolve_axes(*axes, checked.rank());
    Shape unsqueezed = checked;
    int from = 0;
    for (int axis = 0; axis < unsqueezed.rank(); ++axis) {
      if (std::find(added.begin(), added.end(), axis) == added.end()) unsqueezed[axis] = shape[from++];
    }
    return unsqueezed;
  }

  std::optional<Shape> guess(InferContext& context, int64_t count) const override {
    Shape shape;
    const int rank = checked_rank(context.shape(0).rank(), count);
    for (int axis = 0; axis < rank; ++axis) shape.push_back(context.fresh_dim());
    return shape;
  }

 private:
  static int checked_rank(int rank, int64_t added) {
    if (added > Shape::kMaxRank - rank) {
      throw Error(ErrorCode::kNotImplemented, fmt::format("A tensor has more than {} dimensions.", Shape::kMaxRank));
    }
    return rank + static_cast<int>(added);
  }
};

OpDef make_def(std::string_view name, int since, int until, std::unique_ptr<Operator> (*make)(const Node&)) {
  OpDef def{
      .name = name,
      .since = since,
      .until = until,
      .inputs = {{"data", "T"}},
      .outputs = {{name == "Squeeze" ? "squeezed" : "expanded", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make,
      .is_view = true,
  };
  if (since < 13) return def;
  def.inputs.push_back({"axes", "tensor(int64)", name == "Squeeze" ? Occurrence::kOptional : Occurrence::kRequired});
  return def;
}

}  // namespace

[[gnu::cold]] const OpDef& squeeze() {
  static const OpDef def = make_def("Squeeze", 13, 1000, make_operator<Squeeze>);
  return def;
}

[[gnu::cold]] const OpDef& squeeze_1() {
  static const OpDef def = make_def("Squeeze", 1, 12, make_operator<Squeeze>);
  return def;
}

[[gnu::cold]] const OpDef& unsqueeze() {
  static const OpDef def = make_def("Unsqueeze", 13, 1000, make_operator<Unsqueeze>);
  return def;
}

[[gnu::cold]] const OpDef& unsqueeze_1() {
  static const OpDef def = make_def("Unsqueeze", 1, 12, make_operator<Unsqueeze>);
  return def;
}

}  // namespace attune::ops
