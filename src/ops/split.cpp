// Split: https://onnx.ai/onnx/operators/onnx__Split.html, versions 2 to 18: `split` is an attribute before version 13
// and an input since, `num_outputs` from 18.
#include <fmt/format.h>

#include <numeric>
#include <optional>

#include "attune/error.h"
#include "kernels/copy_channels.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/image_view.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Split final : public Operator {
 public:
  explicit Split(const Node& node)
      : axis_(node.attributes.get_int("axis", 0)), takes_input_(node.version >= 13), uneven_(node.version >= 18) {
    if (!takes_input_ && node.attributes.has("split")) {
      const auto sizes = node.attributes.get_ints("split");
      sizes_.emplace(sizes.begin(), sizes.end());
    }
    if (!uneven_ || !node.attributes.has("num_outputs")) return;
    const int64_t asked = node.attributes.get_int("num_outputs", 0);
    if (node.input(1) != nullptr) {
      throw Error(ErrorCode::kInvalidGraph, "Split: only one of 'split' and 'num_outputs' may be given.");
    }
    if (asked != node.output_count()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Split: 'num_outputs' is {} but the node has {} outputs.", asked, node.output_count()));
    }
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) {
      for (int i = 0; i < context.output_count(); ++i) context.set_output_type(i, context.type(0));
      return;
    }
    Shape shape = context.shape(0);
    const int axis = resolve_axis(axis_, shape.rank());
    const int64_t dim = shape[axis];
    const bool given = has_sizes(context.has_input(1));
    const auto asked = takes_input_ ? known_integers(context, 1) : sizes_;
    std::optional<std::vector<int64_t>> sizes;
    if (given ? asked.has_value() : is_known(dim)) sizes = piece_sizes(asked, dim, context.output_count());
    const auto elements = shape.rank() == 1 ? context.elements(0) : std::nullopt;
    int64_t at = 0;
    for (int i = 0; i < context.output_count(); ++i) {
      if (sizes) {
        shape[axis] = (*sizes)[static_cast<size_t>(i)];
      } else {
        shape[axis] = context.output_count() == 1 && dim != kUnknownDim ? dim : context.fresh_dim();
      }
      context.set_output(i, context.type(0), shape);
      if (!elements || !sizes) continue;
      const auto piece = elements->dims().subspan(static_cast<size_t>(at), static_cast<size_t>(shape[axis]));
      context.set_elements(i, Shape(piece));
      at += shape[axis];
    }
  }

  void choose_layouts(LayoutContext& context) const override {
    if (!is_blocked(context, 0)) return;
    const Shape& shape = context.input(0).shape;
    const int outputs = context.output_count();
    if (resolve_axis(axis_, 4) == 1) {
      const auto asked = takes_input_ ? known_integers(context, 1) : sizes_;
      if (context.has_input(1) && !asked) return;
      piece_sizes(asked, shape[1], outputs);  // must fit
    }
    context.want_input(0, Layout::kBlocked);
    for (int i = 0; i < outputs; ++i) context.set_output(i, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return resolve_axis(axis_, inputs[0].rank()) == 0 ? 0 : batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int axis = resolve_axis(axis_, x.rank());
    std::optional<std::vector<int64_t>> asked = sizes_;
    if (takes_input_ && context.has_input(1)) asked = read_integers(context.input(1));
    const std::vector<int64_t> sizes = piece_sizes(asked, x.dim(axis), context.output_count());
    const Shape source_strides = strides_of(x.physical());
    int64_t at = 0;
    Shape shape = x.shape();
    for (int i = 0; i < context.output_count(); ++i) {
      shape[axis] = sizes[static_cast<size_t>(i)];
      const int64_t first = at;
      const int64_t offset = at / physical_unit(x, axis) * source_strides[axis];
      at += shape[axis];
      if (!context.has_output(i)) continue;
      const TensorView y = output_of_shape(context, i, shape);
      if (x.layout == Layout::kBlocked && axis == 1 && first % x.block != 0) {
        // The piece begins within a block.
        kernels::copy_channels({x.dim(0), y.dim(1), first, 0, x.dim(2), x.dim(3)}, kernels::as_const(image_of(x)),
                               image_of(y), context.parallel());
        continue;
      }
      const Shape extents = y.physical();
      copy_box(x.type, extents, x.data, offset, source_strides, y.data, 0, strides_of(extents), context.parallel());
    }
  }

 private:
  bool has_sizes(bool has_input) const { return takes_input_ ? has_input : sizes_.has_value(); }

  /// The pieces' sizes, `asked` or equal ones. A negative `dim` is not known and not compared with.
  std::vector<int64_t> piece_sizes(const std::optional<std::vector<int64_t>>& asked, int64_t dim, int outputs) const {
    if (asked) {
      int64_t sum = 0;
      bool valid = static_cast<int64_t>(asked->size()) == outputs;
      for (const int64_t size : *asked) valid = valid && size >= 0 && !__builtin_add_overflow(sum, size, &sum);
      if (!valid || (is_known(dim) && sum != dim)) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("Cannot split using values in 'split' attribute. Axis={} Dim being split={} number of "
                                "outputs={} entries in split={} sum of split={}",
                                axis_, dim, outputs, asked->size(), sum));
      }
      return *asked;
    }
    if (!uneven_ && dim % outputs != 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Input cannot be split evenly on selected axis. Input dim={} on axis={} is not divisible "
                              "by number of outputs={}",
                              dim, axis_, outputs));
    }
    const int64_t size = (dim + outputs - 1) / outputs;
    std::vector<int64_t> sizes(static_cast<size_t>(outputs), size);
    sizes.back() = dim - size * (outputs - 1);
    if (sizes.back() < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Input cannot be split on axis {}: {} into {} parts.", axis_, dim, outputs));
    }
    return sizes;
  }

  int64_t axis_;
  bool takes_input_;
  bool uneven_;
  std::optional<std::vector<int64_t>> sizes_;
};

}  // namespace

[[gnu::cold]] const OpDef& split() {
  static const OpDef def{
      .name = "Split",
      .since = 13,
      .inputs = {{"input", "T"}, {"split", "tensor(int64)", Occurrence::kOptional}},
      .outputs = {{"outputs", "T", Occurrence::kVariadic}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Split>,
  };
  return def;
}

[[gnu::cold]] const OpDef& split_2() {
  static const OpDef def{
      .name = "Split",
      .since = 2,
      .until = 12,
      .inputs = {{"input", "T"}},
      .outputs = {{"outputs", "T", Occurrence::kVariadic}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Split>,
  };
  return def;
}

}  // namespace attune::ops
