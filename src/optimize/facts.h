// What can be proven about values and nodes; each answer is "yes" or "not known".
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace attune::optimize {

/// Both shapes are known to be the same, symbols included.
bool same_shape(const Shape& a, const Shape& b);
bool same_shape(const Value& a, const Value& b);
/// -1 while unknown.
int rank_of(const Value* value);
/// Dimension `axis` (from the end when negative), kUnknownDim while the shape is unknown or has no such axis.
int64_t dim_of(const Value* value, int axis);
bool is_float(const Value* value);

/// The only element of a numeric constant of any rank.
std::optional<double> constant_scalar(const Value* value);
/// The elements of a constant int32 or int64 tensor of at most one dimension.
std::optional<std::vector<int64_t>> constant_integers(const Value* value);
/// The elements of a constant float tensor, which need not be aligned: initializers lie where the file has them.
class FloatElements {
 public:
  FloatElements() = default;
  explicit FloatElements(const Tensor& tensor)
      : data_(static_cast<const std::byte*>(tensor.raw())), size_(static_cast<size_t>(tensor.elements())) {}
  explicit operator bool() const { return data_ != nullptr; }
  size_t size() const { return size_; }
  float operator[](size_t index) const {
    float value = 0.0F;
    std::memcpy(&value, data_ + index * sizeof value, sizeof value);
    return value;
  }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};
/// False for anything but a constant float tensor. Valid as long as the constant.
FloatElements constant_floats(const Value* value);
/// Every element of a numeric constant is `wanted`.
bool is_filled_with(const Value* value, double wanted);

/// Reduction, Squeeze or Unsqueeze axes: the attribute or, in newer opsets, input 1. Non-negative, ascending. Nullopt
/// when they are not constant, when there are none, or when `rank`, which negative ones count from, is -1 and needed.
std::optional<std::vector<int64_t>> axes_of(const Node& node, int rank);

/// The bounds of a Clip node, absent ones infinite; nullopt when they are not constant.
std::optional<std::pair<float, float>> clip_bounds(const Node& node);

/// Transpose's permutation of `rank` axes, which is the reverse order by default. Empty when it is invalid.
std::vector<int64_t> permutation_of(const Node& node, int rank);

/// The axis attribute, counted from the front; nullopt while the rank is unknown.
std::optional<int64_t> axis_of(const Node& node, int64_t fallback, int rank);

/// What a constant Reshape target says that turns `from` into `to`: known dimensions as they are, 0 where a dimension
/// stays in place, -1 for at most one that cannot be told. Nullopt when there are more, or a dimension may be 0.
std::optional<std::vector<int64_t>> reshape_target(const Shape& from, const Shape& to);

/// An element-wise function that convolutions and products apply to their results.
struct FusedActivation {
  std::string name;  ///< as in the attribute `activation` of the fused operators
  float alpha = 0.0F;
  float beta = 0.0F;
};
/// The activation that a node computes from its first input, if it is one.
std::optional<FusedActivation> activation_of(const Node& node);

}  // namespace attune::optimize
