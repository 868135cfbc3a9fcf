// What the operators that move elements without computing share. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "attune/tensor.h"
#include "base/parallel.h"
#include "kernels/element.h"
#include "ops/operator.h"
#include "tensor/tensor_view.h"

namespace attune::ops {

/// The kernels' name for a type's elements. Throws Error(kNotImplemented) for types that lie packed in bytes.
kernels::Element element_of(DataType type);

/// Throws Error(kNotImplemented) naming the type.
[[noreturn]] void refuse_type(DataType type);

/// Calls function(T{}) with the C++ type of a number type. Throws Error(kNotImplemented) for bool, strings and types
/// that C++ cannot compute with.
template <class Function>
void with_number_type(DataType type, Function&& function) {
  switch (type) {
    case DataType::kFloat:
      return function(float{});
    case DataType::kDouble:
      return function(double{});
    case DataType::kInt8:
      return function(int8_t{});
    case DataType::kInt16:
      return function(int16_t{});
    case DataType::kInt32:
      return function(int32_t{});
    case DataType::kInt64:
      return function(int64_t{});
    case DataType::kUint8:
      return function(uint8_t{});
    case DataType::kUint16:
      return function(uint16_t{});
    case DataType::kUint32:
      return function(uint32_t{});
    case DataType::kUint64:
      return function(uint64_t{});
    default:
      refuse_type(type);
  }
}

/// Row-major strides of a dense tensor, in elements.
Shape strides_of(const Shape& shape);

/// All elements of an int32 or int64 tensor, whatever its rank.
std::vector<int64_t> read_integers(const TensorView& view);

/// The elements of input i when they are known before the run: of a constant or, while binding, of shape arithmetic.
std::optional<std::vector<int64_t>> known_integers(const InferContext& context, int i);
std::optional<std::vector<int64_t>> known_integers(const LayoutContext& context, int i);
std::optional<std::vector<int64_t>> known_integers(const PrepareContext& context, int i);

/// The memory for output i, whose shape run() worked out from the values of its inputs: what the plan gave where
/// infer() had found the same shape, otherwise a tensor of its own, which is handed over at once and written
/// afterwards. `shape` must outlive the view. Throws Error(kInvalidArgument) when the plan's shape is another one.
TensorView output_of_shape(RunContext& context, int i, const Shape& shape);

/// All elements, in memory order, of a tensor to one with as many bytes; nothing when both are the same memory.
void copy_all(const TensorView& from, const TensorView& to, Parallel& parallel);

/// True when input i is a blocked float tensor of rank 4 whose channels are known.
bool is_blocked(const LayoutContext& context, int i);

/// True when a blocked input has one pixel an image and whole blocks of channels: its memory is then that of the plain
/// tensor, and an operator that keeps the order of the elements may read it as it is.
bool is_blocked_vector(const LayoutContext& context, int i);

/// Where a logical axis lies in the physical shape, whose axis 1 counts blocks: its index there is the same, and one
/// step along it is this many of the logical axis's.
inline int64_t physical_unit(const TensorView& view, int axis) {
  return view.layout == Layout::kBlocked && axis == 1 ? view.block : 1;
}

/// Copies a box of `extents` (physical) from element `source_offset` on of a tensor with the physical strides
/// `source_strides` to `target_offset` on of another.
void copy_box(DataType type, const Shape& extents, const void* source, int64_t source_offset,
              const Shape& source_strides, void* target, int64_t target_offset, const Shape& target_strides,
              Parallel& parallel);

}  // namespace attune::ops
