// Concat: https://onnx.ai/onnx/operators/onnx__Concat.html, versions 1 to 13.
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "kernels/copy_channels.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/image_view.h"
#include "ops/joins_inputs.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Concat final : public Operator, public JoinsInputs {
 public:
  explicit Concat(const Node& node)
      : axis_(node.version >= 4 ? node.attributes.require_int("axis") : node.attributes.get_int("axis", 1)) {}

  void infer(InferContext& context) const override {
    const int rank = find_rank(context);
    if (rank < 0) return context.set_output_type(0, context.type(0));
    const int joined = resolve_axis(axis_, rank);
    Shape shape = Shape::filled(rank, kUnknownDim);
    int64_t known = 0;       // along the joined axis
    int64_t symbol = 0;      // the one part that is not known, 0 while there is none
    bool uncertain = false;  // several such parts
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_shape(i)) {
        uncertain = true;
        continue;
      }
      const Shape& part = context.shape(i);
      if (part.rank() != rank) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("Ranks of input data are different, cannot concatenate them. "
                                                          "expected rank: {} got: {}",
                                                          rank, part.rank()));
      }
      for (int axis = 0; axis < rank; ++axis) {
        if (axis != joined) shape[axis] = agree_dims(shape[axis], part[axis], "Non concat axis dimensions must match");
      }
      if (is_known(part[joined])) {
        if (__builtin_add_overflow(known, part[joined], &known)) {
          throw Error(ErrorCode::kInvalidGraph, "Concat: the joined dimension is too large.");
        }
      } else {
        uncertain = uncertain || symbol != 0;
        symbol = part[joined];
      }
    }
    const bool whole = symbol != 0 && known == 0 && symbol != kUnknownDim;
    shape[joined] = uncertain || (symbol != 0 && !whole) ? context.fresh_dim() : (whole ? symbol : known);
    for (int axis = 0; axis < rank; ++axis) {
      if (shape[axis] == kUnknownDim) shape[axis] = context.fresh_dim();
    }
    context.set_output(0, context.type(0), shape);
    if (rank == 1) pass_elements(context);
  }

  void choose_layouts(LayoutContext& context) const override {
    bool any_blocked = false;
    const int count = context.input_count();
    for (int i = 0; i < count; ++i) {
      const ValueInfo& info = context.input(i);
      if (info.type != DataType::kFloat || !info.has_shape || info.shape.rank() != 4 || !is_known(info.shape[1]))
        return;
      any_blocked = any_blocked || context.current(i) == Layout::kBlocked;
    }
    if (!any_blocked) return;
    for (int i = 0; i < count; ++i) context.want_input(i, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return resolve_axis(axis_, outputs[0].rank()) == 0 ? 0 : batch_among(~uint64_t{0}, inputs, outputs);
  }

  std::vector<size_t> joined_inputs(std::span<const TensorView> inputs,
                                    std::span<const TensorView> outputs) const override {
    const TensorView& y = outputs[0];
    const int joined = resolve_axis(axis_, y.rank());
    const Shape physical = y.physical();
    if (y.type == DataType::kString || physical.product(0, joined) != 1) return {};
    const auto unit_bytes = static_cast<size_t>(strides_of(physical)[joined]) * element_size(y.type);
    std::vector<size_t> offsets;
    offsets.reserve(inputs.size());
    int64_t at = 0;
    for (const TensorView& x : inputs) {
      const int64_t unit = physical_unit(y, joined);
      offsets.push_back(at % unit == 0 ? static_cast<size_t>(at / unit) * unit_bytes : kMoved);
      at += x.dim(joined);
    }
    return offsets;
  }

  void run(RunContext& context) const override {
    const Shape shape = joined_shape(context);
    const TensorView y = output_of_shape(context, 0, shape);
    const int joined = resolve_axis(axis_, shape.rank());
    const Shape target_strides = strides_of(y.physical());
    int64_t at = 0;
    for (int i = 0; i < context.input_count(); ++i) {
      const TensorView& x = context.input(i);
      if (y.layout == Layout::kBlocked && joined == 1 && at % y.block != 0) {
        // The piece begins within a block.
        kernels::copy_channels({x.dim(0), x.dim(1), 0, at, x.dim(2), x.dim(3)}, kernels::as_const(image_of(x)),
                               image_of(y), context.parallel());
        at += x.dim(1);
        continue;
      }
      const int64_t offset = at / physical_unit(y, joined) * target_strides[joined];
      at += x.dim(joined);
      if (static_cast<char*>(y.data) + static_cast<size_t>(offset) * element_size(y.type) == x.data) continue;
      const Shape extents = x.physical();
      copy_box(x.type, extents, x.data, 0, strides_of(extents), y.data, offset, target_strides, context.parallel());
    }
  }

 private:
  /// The rank that the inputs share; -1 while none is known.
  static int find_rank(const InferContext& context) {
    int rank = -1;
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_input(i)) throw Error(ErrorCode::kInvalidGraph, "Concat: an input is missing.");
      if (context.has_shape(i)) rank = std::max(rank, context.shape(i).rank());
    }
    return rank;
  }

  /// infer() for concrete inputs, whose shapes may have become known only in this run.
  Shape joined_shape(const RunContext& context) const {
    int rank = 0;
    for (int i = 0; i < context.input_count(); ++i) rank = std::max(rank, context.input(i).rank());
    const int joined = resolve_axis(axis_, rank);
    Shape shape;
    for (int i = 0; i < context.input_count(); ++i) {
      const Shape& part = context.input(i).shape();
      bool fits = part.rank() == rank;
      if (shape.rank() == 0 && fits) {
        shape = part;
        continue;
      }
      for (int axis = 0; fits && axis < rank; ++axis) fits = axis == joined || part[axis] == shape[axis];
      if (!fits) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("Concat: input {} of shape {} does not fit {} along axis {}.", i, part.to_string(),
                                shape.to_string(), joined));
      }
      shape[joined] += part[joined];
    }
    return shape;
  }

  static void pass_elements(InferContext& context) {
    Shape elements;
    for (int i = 0; i < context.input_count(); ++i) {
      if (const auto part = context.elements(i)) {
        if (elements.rank() + part->rank() > Shape::kMaxRank) return;
        for (const int64_t element : *part) elements.push_back(element);
        continue;
      }
      // Unknown elements hold the place of a part whose length is known.
      if (context.type(i) != DataType::kInt64 && context.type(i) != DataType::kInt32) return;
      if (!context.has_shape(i) || !is_known(context.shape(i)[0])) return;
      if (elements.rank() + context.shape(i)[0] > Shape::kMaxRank) return;
      for (int64_t k = 0; k < context.shape(i)[0]; ++k) elements.push_back(kUnknownDim);
    }
    context.set_elements(0, elements);
  }

  int64_t axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& concat() {
  static const OpDef def{
      .name = "Concat",
      .inputs = {{"inputs", "T", Occurrence::kVariadic}},
      .outputs = {{"concat_result", "T"}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Concat>,
  };
  return def;
}

}  // namespace attune::ops
