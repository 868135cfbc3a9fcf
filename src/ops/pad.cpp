// Pad: https://onnx.ai/onnx/operators/onnx__Pad.html, versions 2 to 25: attributes before version 11, inputs since,
// `axes` from 18, wrap from 19. Negative pads crop. As in onnxruntime, reflect takes no more than the data has.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

enum class PadMode : uint8_t { kConstant, kReflect, kEdge, kWrap };

PadMode parse_mode(const Node& node) {
  const std::string name = node.attributes.get_string("mode", "constant");
  if (name == "constant") return PadMode::kConstant;
  if (name == "reflect") return PadMode::kReflect;
  if (name == "edge") return PadMode::kEdge;
  if (name == "wrap" && node.version >= 19) return PadMode::kWrap;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Invalid 'mode' attribute value: '{}'.", name));
}

/// What is added to the two ends of an axis.
struct Ends {
  int64_t before = 0;
  int64_t after = 0;
};

/// An axis of the output: [start, start + count) holds the input from `source` on, the rest is padding.
struct Interior {
  int64_t start = 0;
  int64_t count = 0;
  int64_t source = 0;
};

Interior find_interior(int64_t dim, const Ends& ends, int64_t padded) {
  Interior interior;
  interior.start = std::min(std::max<int64_t>(ends.before, 0), padded);
  interior.source = std::max<int64_t>(-ends.before, 0);
  interior.count = dim + std::min<int64_t>(ends.before, 0) + std::min<int64_t>(ends.after, 0);
  interior.count = std::max<int64_t>(interior.count, 0);
  return interior;
}

class Pad final : public Operator {
 public:
  explicit Pad(const Node& node) : mode_(parse_mode(node)), takes_inputs_(node.version >= 11) {
    if (takes_inputs_) return;
    const auto pads = node.attributes.require_ints("pads");
    pads_.assign(pads.begin(), pads.end());
    value_ = node.attributes.get_float("value", 0);
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    Shape shape = context.shape(0);
    const auto pads = takes_inputs_ ? known_integers(context, 1) : pads_;
    const auto axes = known_integers(context, 3);
    if (!pads || (context.has_input(3) && !axes)) {
      for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = context.fresh_dim();
      return context.set_output(0, context.type(0), shape);
    }
    const std::vector<Ends> ends = spread(*pads, axes, shape.rank());
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const Ends& end = ends[static_cast<size_t>(axis)];
      if (is_known(shape[axis])) {
        shape[axis] = pad_dim(shape[axis], end);
      } else if (end.before != 0 || end.after != 0 || shape[axis] == kUnknownDim) {
        shape[axis] = context.fresh_dim();
      }
    }
    context.set_output(0, context.type(0), shape);
  }

  void prepare(PrepareContext& context) override {
    const auto pads = takes_inputs_ ? known_integers(context, 1) : pads_;
    const auto axes = known_integers(context, 3);
    if (!pads || !context.input(0).has_shape || (context.has_input(3) && !axes)) return;
    const std::vector<Ends> ends = spread(*pads, axes, context.input(0).shape.rank());
    keeps_batch_ = !ends.empty() && ends[0].before == 0 && ends[0].after == 0;
  }

  /// Rows and pixels of blocks are padded like those of planes; channels are not.
  void choose_layouts(LayoutContext& context) const override {
    if (!is_blocked(context, 0)) return;
    const auto pads = takes_inputs_ ? known_integers(context, 1) : pads_;
    const auto axes = known_integers(context, 3);
    if (!pads || (context.has_input(3) && !axes)) return;
    const std::vector<Ends> ends = spread(*pads, axes, 4);
    if (ends[1].before != 0 || ends[1].after != 0) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return keeps_batch_ ? batch_of_first(inputs, outputs) : 0;
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const auto pads = takes_inputs_ ? read_integers(context.input(1)) : pads_;
    std::optional<std::vector<int64_t>> axes;
    if (context.has_input(3)) axes = read_integers(context.input(3));
    const std::vector<Ends> ends = spread(pads, axes, x.rank());
    Shape shape = x.shape();
    for (int axis = 0; axis < x.rank(); ++axis) {
      shape[axis] = pad_dim(x.dim(axis), ends[static_cast<size_t>(axis)]);
    }
    const TensorView y = output_of_shape(context, 0, shape);
    if (y.elements() == 0) return;

    // From here on blocks are just one more axis, without padding.
    const Shape from = x.physical();
    const Shape to = y.physical();
    std::vector<Interior> interior;
    for (int axis = 0; axis < to.rank(); ++axis) {
      const bool padded = axis < x.rank() && physical_unit(x, axis) == 1;
      interior.push_back(find_interior(from[axis], padded ? ends[static_cast<size_t>(axis)] : Ends{}, to[axis]));
    }
    copy_interior(context, x, y, interior);
    if (mode_ == PadMode::kConstant) {
      fill_borders(context, y, interior);
    } else {
      mirror_borders(context, y, interior);
    }
  }

 private:
  static int64_t pad_dim(int64_t dim, const Ends& ends) {
    int64_t padded = 0;
    if (__builtin_add_overflow(dim, ends.before, &padded) || __builtin_add_overflow(padded, ends.after, &padded) ||
        padded < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Pad: a dimension of {} cannot be padded by {} and {}.", dim, ends.before, ends.after));
    }
    return padded;
  }

  /// Pads by axis from the list of all beginnings followed by all ends.
  static std::vector<Ends> spread(const std::vector<int64_t>& pads, const std::optional<std::vector<int64_t>>& axes,
                                  int rank) {
    std::vector<Ends> ends(static_cast<size_t>(rank));
    std::vector<int> padded;
    if (axes) {
      padded = resolve_axes(*axes, rank);
    } else {
      for (int axis = 0; axis < rank; ++axis) padded.push_back(axis);
    }
    if (pads.size() != 2 * padded.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("'pads' has wrong number of values: {} for {} axes", pads.size(), padded.size()));
    }
    for (size_t i = 0; i < padded.size(); ++i) {
      ends[static_cast<size_t>(padded[i])] = {pads[i], pads[i + padded.size()]};
    }
    return ends;
  }

  static void copy_interior(const RunContext& context, const TensorView& x, const TensorView& y,
                            const std::vector<Interior>& interior) {
    const Shape source_strides = strides_of(x.physical());
    const Shape target_strides = strides_of(y.physical());
    Shape extents = y.physical();
    int64_t source = 0;
    int64_t target = 0;
    for (int axis = 0; axis < extents.rank(); ++axis) {
      const Interior& inside = interior[static_cast<size_t>(axis)];
      if (inside.count == 0) return;
      extents[axis] = inside.count;
      source += inside.source * source_strides[axis];
      target += inside.start * target_strides[axis];
    }
    copy_box(x.type, extents, x.data, source, source_strides, y.data, target, target_strides, context.parallel());
  }

  /// Calls body(extents, offset) for each border: before and after the interior of one axis, within the interior of the
  /// axes before it and over the whole of those behind. Together they cover everything but the interior once.
  template <class Body>
  static void for_borders(const Shape& shape, const std::vector<Interior>& interior, int axis, Body&& body) {
    const Shape strides = strides_of(shape);
    Shape extents = shape;
    int64_t offset = 0;
    for (int i = 0; i < axis; ++i) {
      extents[i] = interior[static_cast<size_t>(i)].count;
      offset += interior[static_cast<size_t>(i)].start * strides[i];
    }
    const Interior& inside = interior[static_cast<size_t>(axis)];
    body(extents, offset, int64_t{0}, inside.start);
    body(extents, offset, inside.start + inside.count, shape[axis]);
  }

  void fill_borders(const RunContext& context, const TensorView& y, const std::vector<Interior>& interior) const {
    // Zero bytes are the zero of every type but strings, whose default is empty.
    const std::array<std::byte, 16> zero{};
    const std::string empty;
    const void* value = y.type == DataType::kString ? static_cast<const void*>(&empty) : zero.data();
    const auto as_double = static_cast<double>(value_);
    if (!takes_inputs_ && y.type == DataType::kFloat) value = &value_;
    if (!takes_inputs_ && y.type == DataType::kDouble) value = &as_double;
    if (context.has_input(2)) {
      if (context.input(2).elements() != 1) {
        throw Error(ErrorCode::kInvalidArgument, "Pad: 'constant_value' must have exactly one element.");
      }
      value = context.input(2).data;
    }
    const Shape shape = y.physical();
    const Shape strides = strides_of(shape);
    const Shape repeat = Shape::filled(shape.rank(), 0);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      for_borders(shape, interior, axis, [&](Shape extents, int64_t offset, int64_t begin, int64_t end) {
        extents[axis] = end - begin;
        copy_box(y.type, extents, value, 0, repeat, y.data, offset + begin * strides[axis], strides,
                 context.parallel());
      });
    }
  }

  /// Fills the last axis first, so that what is mirrored along an axis is complete along those behind it.
  void mirror_borders(const RunContext& context, const TensorView& y, const std::vector<Interior>& interior) const {
    const Shape shape = y.physical();
    const Shape strides = strides_of(shape);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const Interior& inside = interior[static_cast<size_t>(axis)];
      if (inside.count == shape[axis]) continue;
      check_mirror(axis, inside, shape[axis]);
      for_borders(shape, interior, axis, [&](Shape extents, int64_t offset, int64_t begin, int64_t end) {
        extents[axis] = 1;
        for (int64_t at = begin; at < end; ++at) {
          const int64_t source = offset + (inside.start + mirror(at - inside.start, inside.count)) * strides[axis];
          copy_box(y.type, extents, y.data, source, strides, y.data, offset + at * strides[axis], strides,
                   context.parallel());
        }
      });
    }
  }

  void check_mirror(int axis, const Interior& inside, int64_t padded) const {
    const int64_t most = inside.count - (mode_ == PadMode::kReflect ? 1 : 0);
    const int64_t after = padded - inside.start - inside.count;
    if (inside.count == 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Pad: axis {} has no elements to pad with in this mode.", axis));
    }
    if (mode_ != PadMode::kReflect || (inside.start <= most && after <= most)) return;
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("Pad reflect: {}-pad ({}) exceeds maximum allowed ({}) for axis {}.",
                    inside.start > most ? "pre" : "post", inside.start > most ? inside.start : after, most, axis));
  }

  /// The element of [0, count) that stands at `at` outside it.
  int64_t mirror(int64_t at, int64_t count) const {
    switch (mode_) {
      case PadMode::kReflect:
        return at < 0 ? -at : 2 * (count - 1) - at;
      case PadMode::kWrap:
        return (at % count + count) % count;
      default:
        return at < 0 ? 0 : count - 1;
    }
  }

  PadMode mode_;
  bool takes_inputs_;
  bool keeps_batch_ = false;  // axis 0 is known not to be padded
  std::vector<int64_t> pads_;
  float value_ = 0;
};

}  // namespace

[[gnu::cold]] const OpDef& pad() {
  static const OpDef def{
      .name = "Pad",
      .since = 11,
      .inputs = {{"data", "T"},
                 {"pads", "tensor(int64)"},
                 {"constant_value", "T", Occurrence::kOptional},
                 {"axes", "Tind", Occurrence::kOptional}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}, {"Tind", kIndices}},
      .make = make_operator<Pad>,
  };
  return def;
}

[[gnu::cold]] const OpDef& pad_2() {
  static const OpDef def{
      .name = "Pad",
      .since = 2,
      .until = 10,
      .inputs = {{"data", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<Pad>,
  };
  return def;
}

}  // namespace attune::ops
