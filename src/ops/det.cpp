// Det: https://onnx.ai/onnx/operators/onnx__Det.html, versions 11 to 22: by elimination in double with the largest
// pivot of each column.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/element_types.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

double determinant(std::vector<double>& a, size_t n) {
  double result = 1.0;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < n; ++row) {
      if (std::fabs(a[row * n + column]) > std::fabs(a[pivot * n + column])) pivot = row;
    }
    const double head = a[pivot * n + column];
    if (head == 0.0) return 0.0;
    if (pivot != column) {
      std::swap_ranges(a.begin() + static_cast<ptrdiff_t>(pivot * n),
                       a.begin() + static_cast<ptrdiff_t>((pivot + 1) * n),
                       a.begin() + static_cast<ptrdiff_t>(column * n));
      result = -result;
    }
    result *= head;
    for (size_t row = column + 1; row < n; ++row) {
      const double factor = a[row * n + column] / head;
      for (size_t i = column; i < n; ++i) a[row * n + i] -= factor * a[column * n + i];
    }
  }
  return result;
}

class Det final : public Operator {
 public:
  explicit Det(const Node&) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    Shape y = context.shape(0);
    if (y.rank() < 2) throw Error(ErrorCode::kInvalidGraph, fmt::format("Det of shape {}.", y.to_string()));
    agree_dims(y[y.rank() - 1], y[y.rank() - 2], "Rows and columns");
    y.erase(y.rank() - 1);
    y.erase(y.rank() - 1);
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t n = x.dim(x.rank() - 1);
    visit_type<float, double>(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_ranges(context.parallel(), context.output(0).elements(),
                 std::max<int64_t>(1, 8192 / std::max<int64_t>(n * n * n, 1)), [&](int64_t begin, int64_t end, int) {
                   for (int64_t i = begin; i < end; ++i) {
                     const T* matrix = x.as<T>() + i * n * n;
                     std::vector<double> copy(matrix, matrix + n * n);
                     context.output(0).as<T>()[i] = static_cast<T>(determinant(copy, static_cast<size_t>(n)));
                   }
                 });
    });
  }
};

}  // namespace

[[gnu::cold]] const OpDef& det() {
  static const OpDef def{
      .name = "Det",
      .since = 11,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<Det>,
  };
  return def;
}

}  // namespace attune::ops
