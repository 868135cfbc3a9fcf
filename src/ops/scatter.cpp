// Scatter: https://onnx.ai/onnx/operators/onnx__Scatter.html, versions 9 and 10 (ScatterElements under its old name).
// ScatterElements: https://onnx.ai/onnx/operators/onnx__ScatterElements.html, versions 11 to 18.
// ScatterND: https://onnx.ai/onnx/operators/onnx__ScatterND.html, versions 11 to 18.
// Reductions (add and mul from 16, max and min from 18) take numbers only. Where indices repeat, updates count in their
// order: without a reduction the last one stays, and halves are rounded after each.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/element_types.h"
#include "ops/index.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "tensor/float16.h"

namespace attune::ops {
namespace {

enum class ScatterReduction : uint8_t { kNone, kAdd, kMul, kMax, kMin };

ScatterReduction parse_reduction(const Node& node) {
  const std::string name = node.version >= 16 ? node.attributes.get_string("reduction", "none") : "none";
  if (name == "none") return ScatterReduction::kNone;
  if (name == "add") return ScatterReduction::kAdd;
  if (name == "mul") return ScatterReduction::kMul;
  if (name == "max" && node.version >= 18) return ScatterReduction::kMax;
  if (name == "min" && node.version >= 18) return ScatterReduction::kMin;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Invalid reduction: '{}'.", name));
}

/// One element reduced into another. Integers wrap around, as everywhere in ONNX.
template <ScatterReduction kReduction, class T>
T reduce(T a, T b) {
  if constexpr (std::is_same_v<T, Float16>) {
    return to_float16(reduce<kReduction>(to_float(a), to_float(b)));
  } else if constexpr (std::is_same_v<T, Bfloat16>) {
    return to_bfloat16(reduce<kReduction>(to_float(a), to_float(b)));
  } else if constexpr (kReduction == ScatterReduction::kAdd) {
    return wrapping_add(a, b);
  } else if constexpr (kReduction == ScatterReduction::kMul) {
    return wrapping_mul(a, b);
  } else if constexpr (kReduction == ScatterReduction::kMax) {
    return a > b ? a : b;  // of a NaN and an update the update, as in onnxruntime
  } else {
    return a < b ? a : b;
  }
}

/// Calls body(T{}, combine) where combine(T& target, const T& update) is the reduction on elements of `type`.
template <class Body>
void with_reduction(ScatterReduction reduction, DataType type, Body&& body) {
  if (reduction == ScatterReduction::kNone) {
    return kernels::with_element_type(element_of(type), [&](auto value) {
      using T = decltype(value);
      body(value, [](T& target, const T& update) { target = update; });
    });
  }
  const auto with = [&](auto value) {
    using T = decltype(value);
    switch (reduction) {
      case ScatterReduction::kAdd:
        return body(value, [](T& y, T u) { y = reduce<ScatterReduction::kAdd>(y, u); });
      case ScatterReduction::kMul:
        return body(value, [](T& y, T u) { y = reduce<ScatterReduction::kMul>(y, u); });
      case ScatterReduction::kMax:
        return body(value, [](T& y, T u) { y = reduce<ScatterReduction::kMax>(y, u); });
      default:
        return body(value, [](T& y, T u) { y = reduce<ScatterReduction::kMin>(y, u); });
    }
  };
  if (type == DataType::kFloat16) return with(Float16{});
  if (type == DataType::kBfloat16) return with(Bfloat16{});
  with_number_type(type, with);
}

class ScatterElements final : public Operator {
 public:
  explicit ScatterElements(const Node& node)
      : axis_(node.attributes.get_int("axis", 0)), reduction_(parse_reduction(node)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    const Shape& data = context.shape(0);
    const int axis = resolve_axis(axis_, data.rank());
    if (context.has_shape(1)) {
      check_indexed_shapes(data, context.shape(1), axis);
      if (context.has_shape(2)) check_updates(context.shape(1), context.shape(2));
    }
    context.set_output(0, context.type(0), data);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    const TensorView& updates = context.input(2);
    const int axis = resolve_axis(axis_, x.rank());
    check_indexed_shapes(x.shape(), indices.shape(), axis);
    check_updates(indices.shape(), updates.shape());
    const TensorView y = output_of_shape(context, 0, x.shape());
    copy_all(x, y, context.parallel());
    if (indices.elements() == 0) return;
    const IndexedRows rows(x.shape(), indices.shape(), axis);
    // Rows that differ before the axis never meet; those that differ behind it stay together in one task.
    const int before = std::min(axis, indices.rank() - 1);
    const int64_t groups = indices.shape().product(0, before);
    const int64_t group_rows = rows.count() / groups;
    with_reduction(reduction_, x.type, [&](auto type, auto combine) {
      using T = decltype(type);
      T* target = static_cast<T*>(y.data);
      const T* source = static_cast<const T*>(updates.data);
      const int64_t grain = std::max<int64_t>(16384 / (group_rows * rows.length()), 1);
      for_ranges(context.parallel(), groups, grain, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin * group_rows; row < end * group_rows; ++row) {
          T* base = target + rows.offset(row);
          const int64_t first = row * rows.length();
          for (int64_t i = 0; i < rows.length(); ++i) {
            const int64_t index = resolve_index(indices.integer(first + i), rows.extent());
            combine(base[i * rows.step() + index * rows.axis_stride()], source[first + i]);
          }
        }
      });
    });
  }

 private:
  static void check_updates(const Shape& indices, const Shape& updates) {
    if (may_be_same(indices, updates)) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Indices vs updates dimensions differ: {} and {}",
                                                      indices.to_string(), updates.to_string()));
  }

  int64_t axis_;
  ScatterReduction reduction_;
};

class ScatterND final : public Operator {
 public:
  explicit ScatterND(const Node& node) : reduction_(parse_reduction(node)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    if (context.has_shape(1) && context.has_shape(2)) {
      check_shapes(context.shape(0), context.shape(1), context.shape(2));
    }
    context.set_output(0, context.type(0), context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    const TensorView& updates = context.input(2);
    check_shapes(x.shape(), indices.shape(), updates.shape());
    const TensorView y = output_of_shape(context, 0, x.shape());
    copy_all(x, y, context.parallel());
    if (updates.elements() == 0) return;
    const int64_t depth = indices.dim(indices.rank() - 1);
    const int64_t tuples = indices.shape().product(0, indices.rank() - 1);
    const int64_t run = x.shape().product(static_cast<int>(depth), x.rank());
    const Shape strides = strides_of(x.shape());
    // Tuples may repeat, so they are taken one after the other.
    with_reduction(reduction_, x.type, [&](auto type, auto combine) {
      using T = decltype(type);
      T* target = static_cast<T*>(y.data);
      const T* source = static_cast<const T*>(updates.data);
      for (int64_t tuple = 0; tuple < tuples; ++tuple) {
        int64_t offset = 0;
        for (int64_t k = 0; k < depth; ++k) {
          const int axis = static_cast<int>(k);
          offset += resolve_index(indices.integer(tuple * depth + k), x.dim(axis)) * strides[axis];
        }
        if (reduction_ == ScatterReduction::kNone) {
          std::copy_n(source + tuple * run, run, target + offset);
          continue;
        }
        for (int64_t i = 0; i < run; ++i) combine(target[offset + i], source[tuple * run + i]);
      }
    });
  }

 private:
  static void check_shapes(const Shape& data, const Shape& indices, const Shape& updates) {
    const int rank = indices.rank();
    const int64_t depth = rank == 0 ? kUnknownDim : indices[rank - 1];
    bool fits = rank > 0 && depth <= data.rank();
    if (fits && !is_known(depth)) return;
    fits = fits && updates.rank() == rank - 1 + data.rank() - depth;
    for (int i = 0; fits && i < updates.rank(); ++i) {
      const int64_t wanted = i < rank - 1 ? indices[i] : data[i - (rank - 1) + static_cast<int>(depth)];
      fits = !is_known(wanted) || !is_known(updates[i]) || wanted == updates[i];
    }
    if (fits) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("updates tensor should have shape equal to indices.shape[:-1] + "
                            "data.shape[indices.shape[-1]:]. updates shape: {}, indices shape: {}, data shape: {}",
                            updates.to_string(), indices.to_string(), data.to_string()));
  }

  ScatterReduction reduction_;
};

}  // namespace

[[gnu::cold]] const OpDef& scatter() {
  static const OpDef def{
      .name = "Scatter",
      .since = 9,
      .until = 10,
      .inputs = {{"data", "T"}, {"indices", "Tind"}, {"updates", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"Tind", kIndices}},
      .make = make_operator<ScatterElements>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& scatter_elements() {
  static const OpDef def{
      .name = "ScatterElements",
      .since = 11,
      .inputs = {{"data", "T"}, {"indices", "Tind"}, {"updates", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"Tind", kIndices}},
      .make = make_operator<ScatterElements>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& scatter_nd() {
  static const OpDef def{
      .name = "ScatterND",
      .since = 11,
      .inputs = {{"data", "T"}, {"indices", "tensor(int64)"}, {"updates", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<ScatterND>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
