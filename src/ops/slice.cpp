// Slice: https://onnx.ai/onnx/operators/onnx__Slice.html, versions 1 to 13: attributes before version 10, inputs since.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// What is cut out of one axis.
struct Cut {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};

/// The bounds as the model gives them. `axes` and `steps` may be absent.
struct Bounds {
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  std::optional<std::vector<int64_t>> axes;
  std::optional<std::vector<int64_t>> steps;
};

Cut cut_axis(int64_t extent, int64_t start, int64_t end, int64_t step) {
  if (step == 0) throw Error(ErrorCode::kInvalidArgument, "'step' value cannot be 0");
  if (extent == 0) return {0, 1, 0};
  const int64_t low = step > 0 ? 0 : -1;  // where an end may lie
  const int64_t high = step > 0 ? extent : extent - 1;
  const int64_t first = std::clamp<int64_t>(start < 0 ? start + extent : start, 0, high);
  const int64_t last = std::clamp<int64_t>(end < 0 ? end + extent : end, low, high);
  const int64_t distance = step > 0 ? last - first : first - last;
  if (distance <= 0) return {0, 1, 0};
  const int64_t stride = step > 0 ? step : -std::max(step, -std::numeric_limits<int64_t>::max());
  const int64_t count = (distance - 1) / stride + 1;
  return {first, count == 1 ? 1 : step, count};  // a step that is never taken may be too large to multiply
}

/// The axes that the bounds speak of, with their places checked.
std::vector<int> bounded_axes(const Bounds& bounds, int rank) {
  const size_t count = bounds.starts.size();
  if (bounds.ends.size() != count || (bounds.axes && bounds.axes->size() != count) ||
      (bounds.steps && bounds.steps->size() != count)) {
    throw Error(ErrorCode::kInvalidArgument, "'starts', 'ends', 'axes' and 'steps' must be of the same length");
  }
  if (bounds.axes) return resolve_axes(*bounds.axes, rank);
  if (count > static_cast<size_t>(rank)) {
    throw Error(ErrorCode::kInvalidArgument, "'starts' has more entries than the data has dimensions");
  }
  std::vector<int> axes(count);
  for (size_t i = 0; i < count; ++i) axes[i] = static_cast<int>(i);
  return axes;
}

/// A cut for each axis of a concrete shape.
std::vector<Cut> cut_shape(const Bounds& bounds, const Shape& shape) {
  std::vector<Cut> cuts;
  for (const int64_t dim : shape) cuts.push_back({0, 1, dim});
  const std::vector<int> axes = bounded_axes(bounds, shape.rank());
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = axes[i];
    cuts[static_cast<size_t>(axis)] =
        cut_axis(shape[axis], bounds.starts[i], bounds.ends[i], bounds.steps ? (*bounds.steps)[i] : 1);
  }
  return cuts;
}

Shape shape_of(const std::vector<Cut>& cuts) {
  Shape shape;
  for (const Cut& cut : cuts) shape.push_back(cut.count);
  return shape;
}

class Slice final : public Operator {
 public:
  explicit Slice(const Node& node) : takes_inputs_(node.version >= 10) {
    if (takes_inputs_) return;
    const auto list = [&](std::string_view name) {
      const auto values = node.attributes.get_ints(name);
      return std::vector<int64_t>(values.begin(), values.end());
    };
    node.attributes.require_ints("starts");
    node.attributes.require_ints("ends");
    bounds_.starts = list("starts");
    bounds_.ends = list("ends");
    if (node.attributes.has("axes")) bounds_.axes = list("axes");
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    const Shape& shape = context.shape(0);
    const auto bounds = known_bounds(context);
    if (!bounds) return context.set_output(0, context.type(0), partly_known(context));
    const std::vector<int> axes = bounded_axes(*bounds, shape.rank());
    Shape sliced = shape;
    for (size_t i = 0; i < axes.size(); ++i) {
      const int64_t step = bounds->steps ? (*bounds->steps)[i] : 1;
      sliced[axes[i]] = slice_dim(context, shape[axes[i]], bounds->starts[i], bounds->ends[i], step);
    }
    context.set_output(0, context.type(0), sliced);
    pass_elements(context, *bounds);
  }

  void prepare(PrepareContext& context) override {
    Bounds bounds = bounds_;
    if (takes_inputs_) bounds.axes = known_integers(context, 3);
    if (!bounds.axes || !context.input(0).has_shape) return;
    const std::vector<int> axes = resolve_axes(*bounds.axes, context.input(0).shape.rank());
    keeps_batch_ = std::find(axes.begin(), axes.end(), 0) == axes.end();
  }

  void choose_layouts(LayoutContext& context) const override {
    if (!is_blocked(context, 0)) return;
    Bounds bounds = bounds_;
    if (takes_inputs_) {
      auto starts = known_integers(context, 1);
      auto ends = known_integers(context, 2);
      if (!starts || !ends || (context.has_input(3) && !context.input(3).constant) ||
          (context.has_input(4) && !context.input(4).constant)) {
        return;
      }
      bounds = {std::move(*starts), std::move(*ends), known_integers(context, 3), known_integers(context, 4)};
    }
    const Shape& shape = context.input(0).shape;
    const std::vector<int> axes = bounded_axes(bounds, shape.rank());
    for (size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] != 1) continue;
      // Whole blocks of channels: only the last of the cut may be shorter.
      const Cut cut = cut_axis(shape[1], bounds.starts[i], bounds.ends[i], bounds.steps ? (*bounds.steps)[i] : 1);
      if (cut.step != 1 || cut.start % context.block() != 0) return;
    }
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return keeps_batch_ ? batch_of_first(inputs, outputs) : 0;
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const std::vector<Cut> cuts = cut_shape(takes_inputs_ ? read_bounds(context) : bounds_, x.shape());
    const Shape shape = shape_of(cuts);
    const TensorView y = output_of_shape(context, 0, shape);
    const Shape extents = y.physical();
    Shape source_strides = strides_of(x.physical());
    int64_t offset = 0;
    for (int axis = 0; axis < x.rank(); ++axis) {
      const Cut& cut = cuts[static_cast<size_t>(axis)];
      offset += cut.start / physical_unit(x, axis) * source_strides[axis];
      source_strides[axis] *= cut.step;
    }
    copy_box(x.type, extents, x.data, offset, source_strides, y.data, 0, strides_of(extents), context.parallel());
  }

 private:
  std::optional<Bounds> known_bounds(const InferContext& context) const {
    if (!takes_inputs_) return bounds_;
    auto starts = known_integers(context, 1);
    auto ends = known_integers(context, 2);
    auto axes = known_integers(context, 3);
    auto steps = known_integers(context, 4);
    if (!starts || !ends || (context.has_input(3) && !axes) || (context.has_input(4) && !steps)) return std::nullopt;
    return Bounds{std::move(*starts), std::move(*ends), std::move(axes), std::move(steps)};
  }

  static Bounds read_bounds(const RunContext& context) {
    Bounds bounds{read_integers(context.input(1)), read_integers(context.input(2)), std::nullopt, std::nullopt};
    if (context.has_input(3)) bounds.axes = read_integers(context.input(3));
    if (context.has_input(4)) bounds.steps = read_integers(context.input(4));
    return bounds;
  }

  /// The size of a cut through a dimension that may be a symbol.
  static int64_t slice_dim(InferContext& context, int64_t dim, int64_t start, int64_t end, int64_t step) {
    if (is_known(dim)) return cut_axis(dim, start, end, step).count;
    constexpr int64_t kAll = std::numeric_limits<int32_t>::max();  // exporters write INT_MAX or INT64_MAX
    const bool whole = (step == 1 && start == 0 && end >= kAll) || (step == -1 && start == -1 && end <= -kAll) ||
                       (step == -1 && start >= kAll && end <= -kAll);
    return whole && dim != kUnknownDim ? dim : context.fresh_dim();
  }

  /// Bounds that are not known as numbers: the other axes keep their dimension, and an axis cut from 0 to itself too.
  static Shape partly_known(InferContext& context) {
    const Shape& shape = context.shape(0);
    Shape sliced = shape;
    std::vector<int64_t> axes;
    if (context.has_input(3)) {
      const auto known = known_integers(context, 3);
      if (!known) {
        for (int axis = 0; axis < shape.rank(); ++axis) sliced[axis] = context.fresh_dim();
        return sliced;
      }
      axes = *known;
    } else {
      const bool counted = context.has_shape(1) && context.shape(1).rank() == 1 && is_known(context.shape(1)[0]);
      const int64_t count = counted ? std::min<int64_t>(context.shape(1)[0], shape.rank()) : shape.rank();
      for (int64_t axis = 0; axis < count; ++axis) axes.push_back(axis);
    }
    const auto starts = context.elements(1);
    const auto ends = context.elements(2);
    const auto steps = known_integers(context, 4);
    const bool unit_steps =
        !context.has_input(4) || (steps && std::all_of(steps->begin(), steps->end(), [](int64_t s) { return s == 1; }));
    const std::vector<int> resolved = resolve_axes(axes, shape.rank());
    for (size_t i = 0; i < resolved.size(); ++i) {
      int64_t& dim = sliced[resolved[i]];
      const auto at = static_cast<int>(i);
      const bool from_zero = starts && at < starts->rank() && (*starts)[at] == 0;
      const bool to_itself = ends && at < ends->rank() && same_dim((*ends)[at], dim);
      if (!unit_steps || !from_zero || !to_itself) dim = context.fresh_dim();
    }
    return sliced;
  }

  static void pass_elements(InferContext& context, const Bounds& bounds) {
    const auto elements = context.elements(0);
    if (!elements || context.shape(0).rank() != 1) return;
    const Cut cut = cut_shape(bounds, Shape{elements->rank()})[0];
    Shape picked;
    for (int64_t i = 0; i < cut.count; ++i) picked.push_back((*elements)[static_cast<int>(cut.start + i * cut.step)]);
    context.set_elements(0, picked);
  }

  bool takes_inputs_;
  bool keeps_batch_ = false;  // axis 0 is known not to be cut
  Bounds bounds_;
};

}  // namespace

[[gnu::cold]] const OpDef& slice() {
  static const OpDef def{
      .name = "Slice",
      .since = 10,
      .inputs = {{"data", "T"},
                 {"starts", "Tind"},
                 {"ends", "Tind"},
                 {"axes", "Tind", Occurrence::kOptional},
                 {"steps", "Tind", Occurrence::kOptional}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"Tind", kIndices}},
      .make = make_operator<Slice>,
  };
  return def;
}

[[gnu::cold]] const OpDef& slice_1() {
  static const OpDef def{
      .name = "Slice",
      .until = 9,
      .inputs = {{"data", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Slice>,
  };
  return def;
}

}  // namespace attune::ops
