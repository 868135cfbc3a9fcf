#include "ops/resize_loop.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "attune/error.h"
#include "attune/tensor.h"
#include "ops/element_types.h"

namespace attune::ops {
namespace {

using kernels::ResizeAxis;

/// A tensor seen around one axis.
struct Around {
  int64_t outer;
  int64_t inner;
};

constexpr int64_t kGrain = 8192;

/// y[o][j][:] = x[o][index[j]][:].
template <class T>
void gather_axis(const T* x, T* y, const Around& around, const ResizeAxis& axis, Parallel& parallel) {
  for_ranges(parallel, around.outer * axis.out_size, std::max<int64_t>(1, kGrain / around.inner),
             [&](int64_t begin, int64_t end, int) {
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t from = axis.index[static_cast<size_t>(i % axis.out_size)];
                 const T* source = x + (i / axis.out_size * axis.in_size + from) * around.inner;
                 std::copy_n(source, around.inner, y + i * around.inner);
               }
             });
}

/// y[o][j][:] = sum over taps of weight[tap][j] * x[o][index[tap][j]][:].
template <class T>
void weigh_axis(const T* x, T* y, const Around& around, const ResizeAxis& axis, Parallel& parallel) {
  for_ranges(parallel, around.outer * axis.out_size, std::max<int64_t>(1, kGrain / (around.inner * axis.taps)),
             [&](int64_t begin, int64_t end, int) {
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t out = i % axis.out_size;
                 const T* image = x + i / axis.out_size * axis.in_size * around.inner;
                 T* target = y + i * around.inner;
                 std::fill_n(target, around.inner, T{0});
                 for (int64_t tap = 0; tap < axis.taps; ++tap) {
                   const auto place = static_cast<size_t>(tap * axis.out_size + out);
                   const T* source = image + axis.index[place] * around.inner;
                   const T weight = axis.weight[place];
                   for (int64_t k = 0; k < around.inner; ++k) target[k] += weight * source[k];
                 }
               }
             });
}

/// Runs the axes that change, from `x` to `y`, through tensors that it allocates.
template <class T>
void run_axes(const T* x, T* y, const Shape& from, std::span<const ResizeAxis> axes, Parallel& parallel) {
  Shape shape = from;
  Tensor held;
  const T* source = x;
  int last = -1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (!is_identity(axes[static_cast<size_t>(axis)])) last = axis;
  }
  if (last < 0) {
    std::copy_n(x, from.elements(), y);
    return;
  }
  for (int axis = 0; axis <= last; ++axis) {
    const ResizeAxis& table = axes[static_cast<size_t>(axis)];
    if (is_identity(table)) continue;
    const Around around{shape.product(0, axis), shape.product(axis + 1, shape.rank())};
    shape[axis] = table.out_size;
    Tensor next;
    T* target = y;
    if (axis != last) {
      next = Tensor::allocate(DataType::kUint8, Shape{shape.elements(), static_cast<int64_t>(sizeof(T))});
      target = static_cast<T*>(next.raw());
    }
    if constexpr (std::is_floating_point_v<T>) {
      table.weight.empty() ? gather_axis(source, target, around, table, parallel)
                           : weigh_axis(source, target, around, table, parallel);
    } else {
      gather_axis(source, target, around, table, parallel);
    }
    held = next;  // keeps alive what the next axis reads
    source = target;
  }
}

/// Towards zero and into the type's range. What single-precision weights leave just short of a whole number is that
/// number: a constant image stays constant.
template <class T>
T cut_off(double value) {
  constexpr double kSlack = 1.0 / 4096.0;
  if (std::isnan(value)) return T{0};
  const double whole = std::trunc(value + std::copysign(kSlack, value));
  // The largest 64-bit numbers round up to a double that is out of range.
  if (whole >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  if (whole <= static_cast<double>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
  return static_cast<T>(whole);
}

template <class T>
void run_through_double(const TensorView& x, const TensorView& y, std::span<const ResizeAxis> axes,
                        Parallel& parallel) {
  const Tensor in = Tensor::allocate(DataType::kDouble, x.shape());
  auto* wide = static_cast<double*>(const_cast<void*>(in.raw()));
  std::copy_n(x.as<T>(), x.elements(), wide);
  Tensor out = Tensor::allocate(DataType::kDouble, y.shape());
  run_axes<double>(wide, out.values<double>().data(), x.shape(), axes, parallel);
  std::transform(out.values<double>().begin(), out.values<double>().end(), y.as<T>(), cut_off<T>);
}

/// Elements for which an axis lies outside of the input.
template <class T>
void extrapolate(const TensorView& y, std::span<const ResizeAxis> axes, float value) {
  if (std::all_of(axes.begin(), axes.end(), [](const ResizeAxis& axis) { return axis.outside.empty(); })) return;
  const Shape& shape = y.shape();
  T* data = y.as<T>();
  const auto fill = [value] {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(value);
    } else {
      return cut_off<T>(value);
    }
  }();
  for (int64_t i = 0; i < y.elements(); ++i) {
    int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto& outside = axes[static_cast<size_t>(axis)].outside;
      if (!outside.empty() && outside[static_cast<size_t>(rest % shape[axis])] != 0) data[i] = fill;
      rest /= shape[axis];
    }
  }
}

}  // namespace

bool is_identity(const ResizeAxis& axis) {
  if (axis.in_size != axis.out_size || !axis.outside.empty()) return false;
  for (int64_t tap = 0; tap < axis.taps; ++tap) {
    for (int64_t i = 0; i < axis.out_size; ++i) {
      const auto place = static_cast<size_t>(tap * axis.out_size + i);
      const float weight = axis.weight.empty() ? 1.0F : axis.weight[place];
      if (axis.index[place] == i ? weight != 1.0F && weight != 0.0F : weight != 0.0F) return false;
    }
  }
  return true;
}

void resize_axes(const TensorView& x, const TensorView& y, std::span<const ResizeAxis> axes, float extrapolation_value,
                 Parallel& parallel) {
  const bool nearest =
      std::all_of(axes.begin(), axes.end(), [](const ResizeAxis& axis) { return axis.weight.empty(); });
  if (x.type == DataType::kBool) {
    if (!nearest) throw Error(ErrorCode::kNotImplemented, "Booleans can be resized to the nearest only.");
    run_axes<uint8_t>(x.as<uint8_t>(), y.as<uint8_t>(), x.shape(), axes, parallel);
    return extrapolate<uint8_t>(y, axes, extrapolation_value);
  }
  visit_number_type(x.type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (nearest || std::is_floating_point_v<T>) {
      run_axes<T>(x.as<T>(), y.as<T>(), x.shape(), axes, parallel);
    } else {
      run_through_double<T>(x, y, axes, parallel);
    }
    extrapolate<T>(y, axes, extrapolation_value);
  });
}

}  // namespace attune::ops
