// Products of float matrices, C = f(A B), with what usually follows a product applied as it is stored.
//
// The bits of C do not depend on m, on the batch, on how the work is cut, on the number of threads or on whether B was
// packed before: each element is one chain of fused multiply-adds over k = 0, 1, ..., K-1 (multiply and add on the
// baseline target, which has no fused form), whatever tile it falls in. gemm_nt_unpacked() is the exception and says
// so.
//
// All functions are thread-safe; they allocate nothing. Workspaces and packed weights are best aligned to 64 bytes
// (speed only). m, n and k may be 0: with k = 0 C is f(0). Overlap of C with A or B is not allowed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/function_ref.h"
#include "base/parallel.h"
#include "kernels/activation.h"

namespace attune::kernels {

/// What is done to an element (i, j) of the product before it is stored, in this order:
/// activation(scale * product + bias[j] + bias_rows[i] + residual[i * residual_stride + j]). In gemm_packed(), gemm()
/// and gemm_batched() the residual and the bias begin the sum over k if the scale is 1.
struct GemmEpilogue {
  float scale = 1.0F;
  const float* bias = nullptr;       ///< one for each column of C, or null
  const float* bias_rows = nullptr;  ///< one for each row of C, or null
  const float* residual = nullptr;   ///< a matrix like C, or null; in gemm_packed() and gemm_nt_unpacked() may be C
  ptrdiff_t residual_stride = 0;     ///< floats from one row of `residual` to the next
  Activation activation;
};

/// C is m x n, A is m x k, B is k x n.
struct GemmShape {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
};

/// A matrix that is read: element (row, column) is data[row * row_stride + column * column_stride]. Strides are in
/// floats; a transposed matrix has them swapped. One of them should be 1 for speed.
struct MatrixView {
  const float* data = nullptr;
  ptrdiff_t row_stride = 0;
  ptrdiff_t column_stride = 1;
};

/// The floats that pack_b() writes for B of k x n on the active target: k times n rounded up to the width of a panel.
size_t packed_b_size(int64_t k, int64_t n);

/// Packs B (k x n) into `out` for gemm_packed(). The layout belongs to the active target: panels of as many columns as
/// the inner loop is wide, one after the other, each k rows; missing columns are zero.
void pack_b(int64_t k, int64_t n, const MatrixView& b, float* out, Parallel& parallel);

/// From which end a product reads the columns of B. Of several products with the same B, each finds more of it in the
/// caches when it begins where the one before ended.
enum class ColumnOrder : uint8_t { kForwards, kBackwards };

/// C = epilogue(A B) with B packed by pack_b() on the same target. C has `c_stride` floats from row to row. Needs no
/// workspace. For m = 1..3 it runs at the speed that `packed_b` can be read.
void gemm_packed(const GemmShape& shape, const MatrixView& a, const float* packed_b, float* c, ptrdiff_t c_stride,
                 const GemmEpilogue& epilogue, Parallel& parallel, ColumnOrder order = ColumnOrder::kForwards);

/// The floats of workspace that gemm() and gemm_batched() need for one such product with this many threads. Bounded:
/// about 512 KiB a thread at most.
size_t gemm_workspace_size(const GemmShape& shape, int threads);

/// C = epilogue(A B) with B as it is, for products of two activations. B is packed piece by piece into `workspace`
/// (gemm_workspace_size(shape, parallel.threads()) floats) where that pays.
void gemm(const GemmShape& shape, const MatrixView& a, const MatrixView& b, float* c, ptrdiff_t c_stride,
          const GemmEpilogue& epilogue, float* workspace, Parallel& parallel);

/// The matrices of one product of a batch.
struct GemmOperands {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  const float* residual = nullptr;  ///< used instead of the epilogue's if that is not null
};

/// The strides that all products of a batch share, as in MatrixView.
struct GemmStrides {
  ptrdiff_t a_row = 0;
  ptrdiff_t a_column = 1;
  ptrdiff_t b_row = 0;
  ptrdiff_t b_column = 1;
  ptrdiff_t c_row = 0;
};

/// `count` products of the same shape, such as a MatMul of rank above 2; operands(i) gives the pointers of the i-th, so
/// that any broadcasting fits, and is called from several threads. Workspace as for gemm(). Parallel over products and
/// over tiles of a product.
void gemm_batched(int64_t count, const GemmShape& shape, const GemmStrides& strides,
                  FunctionRef<GemmOperands(int64_t)> operands, const GemmEpilogue& epilogue, float* workspace,
                  Parallel& parallel);

/// C = epilogue(A B^T) with both A (m x k) and `b_transposed` (n x k) contiguous along k, read where they are: for
/// fully connected layers too large to hold a second time in packed form. B is read once, however large m is. The row
/// strides are in floats.
///
/// Here an element is a sum over k in the lanes of one vector, added up in a fixed order: its bits differ from gemm()'s
/// but equally do not depend on m or on the threads. Choose between the two by the layer, never by m.
void gemm_nt_unpacked(const GemmShape& shape, const float* a, ptrdiff_t a_stride, const float* b_transposed,
                      ptrdiff_t b_stride, float* c, ptrdiff_t c_stride, const GemmEpilogue& epilogue,
                      Parallel& parallel);

}  // namespace attune::kernels
