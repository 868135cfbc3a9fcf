// What a running operator sees of a tensor.
#pragma once

#include <cassert>
#include <span>

#include "attune/tensor.h"
#include "tensor/layout.h"

namespace attune {

/// Borrowed memory with a type, a logical shape and a layout; copying it copies no elements. `data` is null when the
/// tensor is absent (an optional input or output that the node leaves out); an empty tensor has a non-null pointer.
struct TensorView {
  void* data = nullptr;
  const Shape* dims = nullptr;
  DataType type = DataType::kUndefined;
  Layout layout = Layout::kPlain;
  uint8_t block = 1;  ///< Channels in a block; meaningful for Layout::kBlocked.

  static TensorView of(const Tensor& tensor) {
    return {const_cast<void*>(tensor.raw()), &tensor.shape(), tensor.type(), Layout::kPlain, 1};
  }

  explicit operator bool() const { return data != nullptr; }
  const Shape& shape() const { return *dims; }
  int64_t dim(int axis) const { return (*dims)[axis]; }
  int rank() const { return dims->rank(); }
  /// Elements by the logical shape.
  int64_t elements() const { return dims->product(0, dims->rank()); }
  Shape physical() const { return physical_shape(*dims, layout, block); }
  /// Elements that lie in memory, padding lanes included.
  int64_t physical_elements() const { return layout == Layout::kPlain ? elements() : physical().product(0, 5); }
  size_t physical_bytes() const { return static_cast<size_t>(physical_elements()) * element_size(type); }

  /// The elements as T; the operator's type constraints have been checked when the model was loaded.
  template <class T>
  T* as() const {
    assert(data == nullptr || element_size(type) == sizeof(T));
    return static_cast<T*>(data);
  }
  /// An element of an int32 or int64 tensor, as shape-like inputs allow both.
  int64_t integer(int64_t index) const {
    return type == DataType::kInt64 ? as<int64_t>()[index] : static_cast<int64_t>(as<int32_t>()[index]);
  }
};

}  // namespace attune
