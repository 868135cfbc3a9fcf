// ArgMax, ArgMin: https://onnx.ai/onnx/operators/onnx__ArgMax.html, versions 1 to 13.
//
// NaN is no extreme unless it comes first; onnxruntime agrees for ArgMax, its ArgMin depends on the shape.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

struct Largest {
  static constexpr kernels::Reduction kKernel = kernels::Reduction::kMax;
  template <class T>
  static bool beats(T x, T best, bool also_equal) {
    return also_equal ? x >= best : x > best;
  }
};

struct Smallest {
  static constexpr kernels::Reduction kKernel = kernels::Reduction::kMin;
  template <class T>
  static bool beats(T x, T best, bool also_equal) {
    return also_equal ? x <= best : x < best;
  }
};

template <class Extreme>
class ArgExtreme final : public Operator {
 public:
  explicit ArgExtreme(const Node& node)
      : axis_(node.attributes.get_int("axis", 0)),
        keep_(node.attributes.get_int("keepdims", 1) != 0),
        last_(node.attributes.get_int("select_last_index", 0) != 0) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, DataType::kInt64);
    Shape shape = context.shape(0);
    const int axis = axis_of(shape.rank());
    if (shape[axis] == 0 && std::count(shape.begin(), shape.end(), 0) == 1) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Dimension {} of shape {} has no elements to choose from.", axis, shape.to_string()));
    }
    if (keep_) {
      shape[axis] = 1;
    } else {
      shape.erase(axis);
    }
    context.set_output(0, DataType::kInt64, shape);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return axis_of(inputs[0].rank()) == 0 ? 0 : batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    visit_number_type(x.type, [&](auto tag) { find<typename decltype(tag)::type>(context, axis_of(x.rank())); });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return static_cast<double>(inputs[0].elements());
  }

 private:
  int axis_of(int rank) const {
    if (axis_ < -rank || axis_ >= rank) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("'axis' must be in [-rank, rank-1]: it is {}, the rank {}.", axis_, rank));
    }
    return static_cast<int>(axis_ < 0 ? axis_ + rank : axis_);
  }

  template <class T>
  void find(RunContext& context, int axis) const {
    const TensorView& view = context.input(0);
    const T* x = view.as<T>();
    auto* y = context.output(0).as<int64_t>();
    const int64_t outer = view.shape().product(0, axis);
    const int64_t size = view.dim(axis);
    const int64_t inner = view.shape().product(axis + 1, view.rank());
    if (outer * inner == 0) return;
    if (inner == 1) {
      for_ranges(context.parallel(), outer, kCheapGrain / size, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; ++row) y[row] = find_in_row(x + row * size, size);
      });
      return;
    }
    const int64_t pieces = (inner + kColumns - 1) / kColumns;
    for_ranges(context.parallel(), outer * pieces, kCheapGrain / (size * kColumns),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t start = task % pieces * kColumns;
                   const int64_t image = task / pieces;
                   find_in_columns(x + image * size * inner + start, size, inner, std::min(kColumns, inner - start),
                                   y + image * inner + start);
                 }
               });
  }

  template <class T>
  int64_t find_in_row(const T* x, int64_t size) const {
    if constexpr (std::is_same_v<T, float>) {
      // The value in vectors, then its place: a decoder's vocabulary has 10^5 entries.
      float extreme = 0.0F;
      kernels::reduce_rows(Extreme::kKernel, x, 1, size, size, &extreme);
      if (!std::isnan(extreme)) {
        if (!last_) return std::find(x, x + size, extreme) - x;
        return std::find(std::reverse_iterator(x + size), std::reverse_iterator(x), extreme).base() - 1 - x;
      }
    }
    int64_t best = 0;
    for (int64_t i = 1; i < size; ++i) {
      if (Extreme::beats(x[i], x[best], last_)) best = i;
    }
    return best;
  }

  template <class T>
  void find_in_columns(const T* x, int64_t size, int64_t stride, int64_t columns, int64_t* y) const {
    std::array<T, kColumns> best;
    std::copy_n(x, columns, best.begin());
    std::fill_n(y, columns, 0);
    for (int64_t i = 1; i < size; ++i) {
      for (int64_t column = 0; column < columns; ++column) {
        const T value = x[i * stride + column];
        if (!Extreme::beats(value, best[static_cast<size_t>(column)], last_)) continue;
        best[static_cast<size_t>(column)] = value;
        y[column] = i;
      }
    }
  }

  static constexpr int64_t kColumns = 64;

  int64_t axis_;
  bool keep_;
  bool last_;
};

OpDef arg_extreme(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = 1,
      .inputs = {{"data", "T"}},
      .outputs = {{"reduced", "tensor(int64)"}},
      .types = {{"T", kNumbers}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& arg_max() {
  static const OpDef def = arg_extreme("ArgMax", make_operator<ArgExtreme<Largest>>);
  return def;
}

[[gnu::cold]] const OpDef& arg_min() {
  static const OpDef def = arg_extreme("ArgMin", make_operator<ArgExtreme<Smallest>>);
  return def;
}

}  // namespace attune::ops
