// From an element type known at run time to a C++ type.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "attune/error.h"
#include "attune/tensor.h"

namespace attune::ops {

template <class T>
struct TypeTag {
  using type = T;
};

/// Calls visit(TypeTag<T>()) where T is the C++ type of `type`, one of Ts. Throws Error(kNotImplemented) for others.
template <class... Ts, class Visit>
void visit_type(DataType type, Visit&& visit) {
  const bool found = ((Tensor::data_type_of<Ts>() == type ? (visit(TypeTag<Ts>()), true) : false) || ...);
  if (!found) {
    throw Error(ErrorCode::kNotImplemented,
                fmt::format("Elements of type {} are not supported here.", tensor_type_name(type)));
  }
}

template <class Visit>
void visit_integer_type(DataType type, Visit&& visit) {
  visit_type<int64_t, int32_t, int8_t, uint8_t, int16_t, uint16_t, uint32_t, uint64_t>(type,
                                                                                       std::forward<Visit>(visit));
}

template <class Visit>
void visit_number_type(DataType type, Visit&& visit) {
  visit_type<float, int64_t, int32_t, double, int8_t, uint8_t, int16_t, uint16_t, uint32_t, uint64_t>(
      type, std::forward<Visit>(visit));
}

namespace internal {
template <class T>
struct WrappingType {  // unsigned, and wide enough that arithmetic does not promote it to a signed int
  using type = std::conditional_t<sizeof(T) < 4, uint32_t, std::make_unsigned_t<T>>;
};
}  // namespace internal

/// Arithmetic that wraps around where signed overflow would be undefined; plain arithmetic on floating point.
template <class T>
constexpr T wrapping_add(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = typename internal::WrappingType<T>::type;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}
template <class T>
constexpr T wrapping_sub(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = typename internal::WrappingType<T>::type;
    return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
  } else {
    return a - b;
  }
}
template <class T>
constexpr T wrapping_mul(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = typename internal::WrappingType<T>::type;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  } else {
    return a * b;
  }
}

}  // namespace attune::ops
