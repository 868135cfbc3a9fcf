#include "ops/constant_matrix.h"

#include <string_view>

namespace attune::ops {
namespace {

constexpr size_t kInPlaceBytes = size_t{8} << 20;

}  // namespace

void ConstantMatrix::prepare(PrepareContext& context, int index, bool transposed, bool may_stay) {
  if (!context.has_input(index)) return;
  const Tensor* constant = context.input(index).constant;
  if (constant == nullptr || constant->type() != DataType::kFloat) return;
  const Shape& shape = constant->shape();
  const int rank = shape.rank();
  if (rank < 2 || constant->elements() == 0) return;
  const int64_t count = shape.product(0, rank - 2);
  if (transposed && may_stay && count == 1 && constant->bytes() >= kInPlaceBytes) {
    in_place_ = true;
    return;
  }
  const int64_t k = shape[transposed ? rank - 1 : rank - 2];
  const int64_t n = shape[transposed ? rank - 2 : rank - 1];
  const kernels::MatrixView matrix =
      transposed ? kernels::MatrixView{nullptr, 1, k} : kernels::MatrixView{nullptr, n, 1};
  matrix_floats_ = kernels::packed_b_size(k, n);
  const auto fill = [&](float* packed) {
    const Tensor aligned = constant->aligned();
    const float* data = aligned.values<float>().data();
    for (int64_t i = 0; i < count; ++i) {
      kernels::pack_b(k, n, {data + i * k * n, matrix.row_stride, matrix.column_stride},
                      packed + i * static_cast<int64_t>(matrix_floats_), context.parallel());
    }
  };
  packed_ = context.pack(index, transposed ? "product/transposed" : "product",
                         static_cast<size_t>(count) * matrix_floats_, fill);
  shape_ = shape;
  taken_ = true;
  context.release_input(index);
}

}  // namespace attune::ops
