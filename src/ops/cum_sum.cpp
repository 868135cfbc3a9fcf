// CumSum: https://onnx.ai/onnx/operators/onnx__CumSum.html, versions 11 and 14. CumProd:
// https://onnx.ai/onnx/operators/onnx__CumProd.html, version 26.
// Made one after the other in the element type, float16 and bfloat16 in float; integers wrap around.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <type_traits>

#include "attune/error.h"
#include "kernels/vector_math.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

template <bool kProduct>
class Cumulative final : public Operator {
 public:
  explicit Cumulative(const Node& node)
      : exclusive_(node.attributes.get_int("exclusive", 0) != 0),
        reverse_(node.attributes.get_int("reverse", 0) != 0) {}

  void infer(InferContext& context) const override {
    infer_same_shape(context, context.type(0));
    if (context.has_shape(0) && context.shape(0).rank() == 0) {
      throw Error(ErrorCode::kInvalidGraph, "Cannot apply CumSum or CumProd operator on a scalar.");
    }
    if (!context.has_shape(1)) return;
    const Shape& axis = context.shape(1);
    if (axis.rank() > 1 || (axis.rank() == 1 && is_known(axis[0]) && axis[0] != 1)) {
      throw Error(ErrorCode::kInvalidGraph, "Axis tensor should have exactly one element.");
    }
  }

  void run(RunContext& context) const override {
    visit_number_type(context.input(0).type, [&](auto tag) { add_up<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void add_up(RunContext& context) const {
    const TensorView& view = context.input(0);
    const int64_t rank = view.rank();
    int64_t axis = context.input(1).integer(0);
    if (axis < -rank || axis >= rank) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("axis {} is not in valid range [-{},{}]", axis, rank, rank - 1));
    }
    if (axis < 0) axis += rank;
    const T* x = view.as<T>();
    T* y = context.output(0).as<T>();
    const int64_t outer = view.shape().product(0, static_cast<int>(axis));
    const int64_t size = view.dim(static_cast<int>(axis));
    const int64_t inner = view.shape().product(static_cast<int>(axis) + 1, view.rank());
    if (outer * size * inner == 0) return;
    if (inner == 1) {
      for_ranges(
          context.parallel(), outer, divide_up(kCheapGrain, 4 * size * kRows) * kRows,
          [&](int64_t begin, int64_t end, int) { add_up_rows(x + begin * size, y + begin * size, end - begin, size); });
      return;
    }
    // Columns do not depend on each other, so threads may share them out; as wide as can be, since each piece of a row
    // is a page of its own to the hardware's prefetching.
    const int64_t threads = context.parallel().threads();
    const int64_t wanted = divide_up(threads, outer);
    const int64_t width = std::min(inner, std::max(kLeastColumns, divide_up(inner, wanted * 16) * 16));
    const int64_t pieces = divide_up(inner, width);
    for_ranges(context.parallel(), outer * pieces, kCheapGrain / (size * width), [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t start = task % pieces * width;
        const int64_t place = task / pieces * size * inner + start;
        add_up_columns(x + place, y + place, size, inner, std::min(width, inner - start));
      }
    });
  }

  template <class T>
  void add_up_columns(const T* x, T* y, int64_t size, int64_t stride, int64_t columns) const {
    const int64_t step = reverse_ ? -stride : stride;
    if (reverse_) {
      x += (size - 1) * stride;
      y += (size - 1) * stride;
    }
    for (int64_t column = 0; column < columns; ++column) y[column] = exclusive_ ? T{kProduct} : x[column];
    for (int64_t i = 1; i < size; ++i) {
      const T* addend = exclusive_ ? x : x + step;
      if (i + kRowsAhead < size) {
        ask_ahead(x + kRowsAhead * step, columns);
        ask_ahead(y + kRowsAhead * step, columns);
      }
      add_row(y, addend, y + step, columns);
      x += step;
      y += step;
    }
  }

  /// A row of another page comes as a surprise to the hardware, which follows addresses within a page.
  template <class T>
  static void ask_ahead(const T* row, int64_t columns) {
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t column = 0; column < columns; column += kLine) __builtin_prefetch(row + column);
  }

  /// Dense rows along the axis, kRows at once: each waits for its last sum, the others meanwhile go on.
  template <class T>
  void add_up_rows(const T* x, T* y, int64_t rows, int64_t size) const {
    int64_t row = 0;
    for (; row + kRows <= rows; row += kRows) add_up_some_rows<kRows>(x + row * size, y + row * size, size);
    for (; row < rows; ++row) add_up_some_rows<1>(x + row * size, y + row * size, size);
  }

  template <int kCount, class T>
  void add_up_some_rows(const T* x, T* y, int64_t size) const {
    std::array<T, kCount> total;
    total.fill(T{kProduct});
    for (int64_t i = 0; i < size; ++i) {
      const int64_t at = reverse_ ? size - 1 - i : i;
      for (int64_t row = 0; row < kCount; ++row) {
        T& sum = total[static_cast<size_t>(row)];
        const T before = sum;
        const T addend = x[row * size + at];
        // The first is copied: 0 + -0 would be 0.
        sum = i == 0 && !exclusive_ ? addend : combine(before, addend);
        y[row * size + at] = exclusive_ ? before : sum;
      }
    }
  }

  template <class T>
  static T combine(T a, T b) {
    return kProduct ? wrapping_mul(a, b) : wrapping_add(a, b);
  }

  /// out = a + b or a * b; long rows of floats by the kernel.
  template <class T>
  static void add_row(const T* a, const T* b, T* out, int64_t n) {
    constexpr int64_t kLeastVector = 8;
    if constexpr (std::is_same_v<T, float> && !kProduct) {
      if (n >= kLeastVector) return kernels::map_binary(kernels::BinaryFunction::kAdd, a, 1, b, 1, out, n);
    }
    for (int64_t i = 0; i < n; ++i) out[i] = combine(a[i], b[i]);
  }

  static constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

  static constexpr int64_t kLeastColumns = 256;
  static constexpr int kRows = 4;
  static constexpr int64_t kRowsAhead = 2;

  bool exclusive_;
  bool reverse_;
};

OpDef cumulative(std::string_view name, int since, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = since,
      .inputs = {{"x", "T"}, {"axis", "T2"}},
      .outputs = {{"y", "T"}},
      .types = {{"T", kNumbers}, {"T2", kIndices}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& cum_prod() {
  static const OpDef def = cumulative("CumProd", 26, make_operator<Cumulative<true>>);
  return def;
}

[[gnu::cold]] const OpDef& cum_sum() {
  static const OpDef def = cumulative("CumSum", 11, make_operator<Cumulative<false>>);
  return def;
}

}  // namespace attune::ops
