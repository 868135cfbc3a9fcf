// What inference knows of the elements of small integer tensors: shape arithmetic on known numbers and on symbols.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "ops/operator.h"

namespace attune::ops {

/// An element: a number, or a dimension that is a symbol or unknown (graph/symbols.h).
struct KnownElement {
  bool is_number = false;
  int64_t value = kUnknownDim;  ///< the number, which may be negative, or the symbol

  static KnownElement number(int64_t value) { return {true, value}; }
  static KnownElement unknown() { return {}; }
  bool is(int64_t wanted) const { return is_number && value == wanted; }
};

/// The elements of a tensor of rank 0 or 1.
struct KnownElements {
  std::array<KnownElement, Shape::kMaxRank> element;
  int count = 0;

  /// Element i, or the only one.
  const KnownElement& broadcast(int i) const { return element[static_cast<size_t>(count == 1 ? 0 : i)]; }
};

/// What is known of input i (int32, int64, or bool that InferContext::set_elements was called for); nullopt if nothing.
std::optional<KnownElements> known_elements(const InferContext& context, int i);

/// Declares the elements of output 0, whose type must have been set. Negative numbers, which Shape cannot tell from
/// symbols, and what does not fit int32 where that is the type, become unknown.
void set_known_elements(InferContext& context, const KnownElements& elements);

/// Computes output 0's elements from those of inputs 0 and 1, broadcasting. Call it after set_output().
template <class Function>
void combine_elements(InferContext& context, Function&& function) {
  const auto a = known_elements(context, 0);
  const auto b = known_elements(context, 1);
  if (!a || !b) return;
  if (a->count != b->count && a->count != 1 && b->count != 1) return;
  KnownElements result;
  result.count = a->count == 1 ? b->count : a->count;
  for (int i = 0; i < result.count; ++i) {
    result.element[static_cast<size_t>(i)] = function(a->broadcast(i), b->broadcast(i));
  }
  set_known_elements(context, result);
}

}  // namespace attune::ops
