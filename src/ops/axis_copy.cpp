#include "ops/axis_copy.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace attune::ops {

AxisView::AxisView(const Shape& shape, int axis)
    : outer(shape.product(0, axis)), count(shape[axis]), inner(shape.product(axis + 1, shape.rank())) {}

AxisView AxisView::with_count(int64_t other) const {
  AxisView view = *this;
  view.count = other;
  return view;
}

void copy_along_axis(DataType type, const AxisView& from_view, const void* from, int64_t from_first,
                     const AxisView& to_view, void* to, int64_t to_first, int64_t count) {
  const int64_t elements = count * from_view.inner;
  for (int64_t o = 0; o < from_view.outer; ++o) {
    const int64_t source = (o * from_view.count + from_first) * from_view.inner;
    const int64_t target = (o * to_view.count + to_first) * to_view.inner;
    if (type == DataType::kString) {
      std::copy_n(static_cast<const std::string*>(from) + source, elements, static_cast<std::string*>(to) + target);
    } else {
      const auto size = static_cast<int64_t>(element_size(type));
      std::memcpy(static_cast<std::byte*>(to) + target * size, static_cast<const std::byte*>(from) + source * size,
                  static_cast<size_t>(elements * size));
    }
  }
}

}  // namespace attune::ops
