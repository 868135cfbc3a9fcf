// Scaled dot-product attention of float tensors in one pass: softmax(scale * Q K^T + mask) V.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"

namespace attune::kernels {

/// Where the rows of Q, K, V or the output lie: row r of head h of batch b starts at data + b * batch + h * head + r *
/// row, in floats. A [batch, sequence, heads, size] tensor (what a projection gives) and a [batch, heads, sequence,
/// size] one are both described by it; neither needs a transposition.
struct AttentionStrides {
  ptrdiff_t batch = 0;
  ptrdiff_t head = 0;
  ptrdiff_t row = 0;
  /// From one element of a row to the next. Must be 1 for V and the output; for K (and Q) another value reads a tensor
  /// that holds the transpose, such as [batch, heads, size, sequence] with row = 1 and element = sequence.
  ptrdiff_t element = 1;
};

struct Attention {
  int64_t batch = 1;
  int64_t heads = 1;
  int64_t kv_heads = 0;  ///< heads of K and V if fewer (grouped queries); divides `heads`; 0 means `heads`
  int64_t query_length = 0;
  int64_t key_length = 0;
  int64_t head_size = 0;   ///< the width of Q and K
  int64_t value_size = 0;  ///< the width of V and of the output
  float scale = 1.0F;      ///< usually 1 / sqrt(head_size)
  bool causal = false;     ///< query i sees keys 0 .. key_length - query_length + i only (the last query sees all)

  const float* q = nullptr;
  AttentionStrides q_strides;
  const float* k = nullptr;
  AttentionStrides k_strides;
  const float* v = nullptr;
  AttentionStrides v_strides;

  /// Added to the scaled scores: element (b, h, i, j) at mask + b * batch + h * head + i * row + j * element. Any
  /// stride may be 0, so a mask of shape [batch, 1, 1, keys] is read as it is. Null for none.
  const float* mask = nullptr;
  AttentionStrides mask_strides;

  float* output = nullptr;  ///< must not overlap the inputs
  AttentionStrides output_strides;
};

/// The floats of workspace that attention() needs with this many threads; bounded, about 200 KiB a thread for heads
/// of 64. Looks at sizes and strides alone, never at pointers: without a mask its strides must be 0.
size_t attention_workspace_size(const Attention& attention, int threads);

/// Runs it, parallel over batch, heads and blocks of queries. The scores exist only as a tile of some queries by at
/// most 256 keys for each thread. The bits of an output row depend on its query, the keys, the values and the mask
/// alone, not on batch, heads, query_length or threads.
///
/// A row whose scores are all -infinity gives NaN; a mask of large finite negative numbers gives what the formula gives
/// (the mean of V where it swamps every score), as the separate operators do. Thread-safe.
void attention(const Attention& attention, float* workspace, Parallel& parallel);

}  // namespace attune::kernels
