// Broadcasting as numpy and ONNX (opset 7 and later) define it: the shape that several operands agree on, and the loop
// over it that binary.cpp, variadic.cpp, compare.cpp, logic.cpp and where.cpp share.
//
// Thread safety: free functions without state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/function_ref.h"
#include "base/parallel.h"
#include "ops/operator.h"
#include "tensor/tensor_view.h"

namespace attune::ops {

/// The most operands that for_each_broadcast() takes at once.
constexpr int kMaxBroadcastInputs = 3;

/// Elements a thread should get at least: about 10 us of work.
constexpr int64_t kCheapGrain = 32768;  ///< one or two instructions a vector
constexpr int64_t kCostlyGrain = 4096;  ///< exp and its like, division of integers, calls of the C library

/// The shape that inputs [0, count) broadcast to; nullopt when a rank is not known. A symbol stays where every other
/// operand has 1 or the same symbol. Throws Error(kInvalidGraph) when known dimensions contradict each other.
std::optional<Shape> infer_broadcast(InferContext& context, int count);

/// A stretch of the output, of `n` elements, and the elements it is computed from: element i of input k lies at
/// index i * stride[k], and stride is 0 or 1.
struct BroadcastRun {
  std::array<const std::byte*, kMaxBroadcastInputs> in;
  std::array<int, kMaxBroadcastInputs> stride;
  std::byte* out;
  int64_t n;

  template <class T>
  const T* input(int k) const {
    return reinterpret_cast<const T*>(in[static_cast<size_t>(k)]);
  }
  template <class T>
  T* output() const {
    return reinterpret_cast<T*>(out);
  }
};

/// Calls `loop` for runs that together cover the output once, on several threads when there are more than `grain`
/// elements. Runs are as long as the shapes allow: adjacent dimensions that broadcast alike are one, and where what is
/// left is short (channels of the blocked layout, a last dimension of 3) the broadcast operand is repeated into a
/// buffer. The output may be the memory of an input with as many bytes.
///
/// Blocked operands are taken by their physical shapes; among them operands of one element may be plain.
void for_each_broadcast(std::span<const TensorView> inputs, const TensorView& output, int64_t grain, Parallel& parallel,
                        FunctionRef<void(const BroadcastRun&)> loop);

/// Asks for the blocked layout, in and out, when an input has it already and every input is a float tensor of rank 4
/// with the same known channel count or has one element.
void choose_blocked_broadcast(LayoutContext& context);

/// Asks for the layout of input 0 for it and for output 0 when it is a float tensor.
void choose_layout_of_input(LayoutContext& context);

}  // namespace attune::ops
