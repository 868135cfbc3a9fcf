// Trilu: https://onnx.ai/onnx/operators/onnx__Trilu.html, version 14.
// EyeLike: https://onnx.ai/onnx/operators/onnx__EyeLike.html, versions 9 and 22.
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "tensor/float16.h"

namespace attune::ops {
namespace {

/// row + k held within [0, columns], whatever k is.
int64_t diagonal_column(int64_t row, int64_t k, int64_t columns) {
  if (k >= columns) return columns;
  return std::clamp<int64_t>(k < -row ? 0 : row + k, 0, columns);
}

class Trilu final : public Operator {
 public:
  explicit Trilu(const Node& node) : upper_(node.attributes.get_int("upper", 1) != 0) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    if (context.shape(0).rank() < 2) {
      throw Error(ErrorCode::kInvalidGraph, "Input tensor should have a rank of at least 2");
    }
    context.set_output(0, context.type(0), context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView y = output_of_shape(context, 0, x.shape());
    int64_t k = 0;
    if (context.has_input(1)) {
      if (context.input(1).elements() != 1) {
        throw Error(ErrorCode::kInvalidArgument, "Trilu: k should be a 1-D or 0-D tensor with one element.");
      }
      k = context.input(1).integer(0);
    }
    const int64_t rows = x.dim(x.rank() - 2);
    const int64_t columns = x.dim(x.rank() - 1);
    if (columns == 0) return;
    kernels::with_element_type(element_of(x.type), [&](auto type) {
      using T = decltype(type);
      const T* source = static_cast<const T*>(x.data);
      T* target = static_cast<T*>(y.data);
      for_ranges(context.parallel(), x.elements() / columns, std::max<int64_t>(32768 / columns, 1),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t line = begin; line < end; ++line) {
                     const int64_t row = line % rows;
                     const T* in = source + line * columns;
                     T* out = target + line * columns;
                     // The upper triangle begins on the diagonal, the lower one ends just behind it.
                     const int64_t first = upper_ ? diagonal_column(row, k, columns) : 0;
                     const int64_t last = upper_ ? columns : diagonal_column(row + 1, k, columns);
                     std::fill(out, out + first, T{});
                     if (in != out) std::copy(in + first, in + last, out + first);
                     std::fill(out + last, out + columns, T{});
                   }
                 });
    });
  }

 private:
  bool upper_;
};

constexpr TypeSet kEyeTypes = kNumbers | kHalves | TypeSet{DataType::kBool};

class EyeLike final : public Operator {
 public:
  explicit EyeLike(const Node& node) : k_(node.attributes.get_int("k", 0)) {
    if (node.attributes.has("dtype")) type_ = node.attributes.get_data_type("dtype", DataType::kUndefined);
    if (!(kEyeTypes | TypeSet{DataType::kUndefined}).contains(type_)) refuse_type(type_);
  }

  void infer(InferContext& context) const override {
    const DataType type = type_ == DataType::kUndefined ? context.type(0) : type_;
    if (!context.has_shape(0)) return context.set_output_type(0, type);
    if (context.shape(0).rank() != 2) {
      throw Error(ErrorCode::kInvalidGraph, "EyeLike : Input tensor dimension is not 2");
    }
    context.set_output(0, type, context.shape(0));
  }

  void run(RunContext& context) const override {
    const Shape& shape = context.input(0).shape();
    const TensorView y = output_of_shape(context, 0, shape);
    if (y.type == DataType::kBool) return fill(y, true);
    if (y.type == DataType::kFloat16) return fill(y, to_float16(1.0F));
    if (y.type == DataType::kBfloat16) return fill(y, to_bfloat16(1.0F));
    with_number_type(y.type, [&](auto value) { fill(y, decltype(value){1}); });
  }

 private:
  template <class T>
  void fill(const TensorView& y, T one) const {
    T* out = static_cast<T*>(y.data);
    const int64_t rows = y.dim(0);
    const int64_t columns = y.dim(1);
    std::fill_n(out, rows * columns, T{});
    const int64_t start = diagonal_column(0, k_, columns);
    for (int64_t row = k_ < 0 ? diagonal_column(0, -std::max(k_, -rows), rows) : 0, column = start;
         row < rows && column < columns; ++row, ++column) {
      out[row * columns + column] = one;
    }
  }

  int64_t k_;
  DataType type_ = DataType::kUndefined;
};

}  // namespace

[[gnu::cold]] const OpDef& eye_like() {
  static const OpDef def{
      .name = "EyeLike",
      .since = 9,
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kEyeTypes}, {"T2", kEyeTypes}},
      .make = make_operator<EyeLike>,
      .reads_shapes_only = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& trilu() {
  static const OpDef def{
      .name = "Trilu",
      .since = 14,
      .inputs = {{"input", "T"}, {"k", "tensor(int64)", Occurrence::kOptional}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Trilu>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
