// The right-hand matrices of a product, when they are weights.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "ops/operator.h"

namespace attune::ops {

/// Constant float matrices [..., k, n], or [..., n, k] with `transposed`, kept in the form in which products read them
/// fastest. A single transposed matrix of 8 MiB or more stays where it is: such a fully connected layer is as fast
/// unpacked, and a second copy of it would cost the memory of the whole model. The choice depends on the layer alone.
/// The constant may lie at any address (Operator::reads_unaligned).
class ConstantMatrix {
 public:
  /// Packs input `index` if it is a constant float tensor of rank 2 or more that has elements, and releases it unless
  /// it is to be read in place. `may_stay` says that the left-hand matrix will be contiguous along k, as reading in
  /// place needs.
  void prepare(PrepareContext& context, int index, bool transposed, bool may_stay);

  /// The shape of what prepare() took, which run() cannot see any more; null when it took nothing.
  const Shape* shape() const { return taken_ ? &shape_ : nullptr; }
  /// Matrix i in packed form, or null.
  const float* packed(int64_t i) const {
    return packed_ == nullptr ? nullptr : packed_.get() + i * static_cast<int64_t>(matrix_floats_);
  }
  /// The matrix is transposed and to be read in place with kernels::gemm_nt_unpacked().
  bool in_place() const { return in_place_; }

 private:
  PackedWeights packed_;
  size_t matrix_floats_ = 0;
  Shape shape_;
  bool taken_ = false;
  bool in_place_ = false;
};

}  // namespace attune::ops
