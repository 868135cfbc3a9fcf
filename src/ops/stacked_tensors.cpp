#include "ops/stacked_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "attune/error.h"

namespace attune::ops {
namespace {

void copy(const Tensor& from, Tensor& to, int64_t place) {
  if (from.type() == DataType::kString) {
    std::copy_n(static_cast<const std::string*>(from.raw()), from.elements(),
                static_cast<std::string*>(to.raw()) + place);
  } else {
    std::memcpy(static_cast<std::byte*>(to.raw()) + static_cast<size_t>(place) * element_size(from.type()), from.raw(),
                from.bytes());
  }
}

}  // namespace

void StackedTensors::append(const Tensor& tensor) {
  if (count_ == 0) {
    shape_ = tensor.shape();
    type_ = tensor.type();
    each_ = tensor.elements();
  } else if (tensor.type() != type_ || tensor.shape() != shape_) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("A scan output has the shape {}, and later {}.",
                                                         shape_.to_string(), tensor.shape().to_string()));
  }
  if (count_ == capacity_) grow();
  copy(tensor, memory_, count_ * each_);
  ++count_;
}

void StackedTensors::grow() {
  // Pages that nobody writes to cost nothing, so there may be twice as many as are needed in the end.
  const int64_t capacity = std::max<int64_t>(2 * capacity_, 4);
  Tensor larger = Tensor::allocate(type_, Shape{capacity, each_});
  if (capacity_ > 0) copy(memory_, larger, 0);
  memory_ = std::move(larger);
  capacity_ = capacity;
}

Tensor StackedTensors::finish() {
  Shape shape = shape_;
  shape.insert(0, count_);
  return Tensor::view(type_, shape, memory_.raw(), memory_.owner());
}

}  // namespace attune::ops
