#include "optimize/facts.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/tensor_view.h"

namespace attune::optimize {
namespace {

/// Initializers lie where the file has them, aligned or not.
template <class T>
double load(const Tensor& tensor, size_t index) {
  T value{};
  std::memcpy(&value, static_cast<const std::byte*>(tensor.raw()) + index * sizeof value, sizeof value);
  return static_cast<double>(value);
}

/// Element `index` of a numeric tensor; nullopt for types that passes do not compute with.
std::optional<double> element(const Tensor& tensor, size_t index) {
  switch (tensor.type()) {
    case DataType::kFloat:
      return load<float>(tensor, index);
    case DataType::kDouble:
      return load<double>(tensor, index);
    case DataType::kInt32:
      return load<int32_t>(tensor, index);
    case DataType::kInt64:
      return load<int64_t>(tensor, index);
    default:
      return std::nullopt;
  }
}

FusedActivation with_alpha(const Node& node, float fallback) {
  return {node.op_type, node.attributes.get_float("alpha", fallback), 0.0F};
}

}  // namespace

bool same_shape(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_dim); }

bool same_shape(const Value& a, const Value& b) {
  return &a == &b || (a.shape && b.shape && same_shape(*a.shape, *b.shape));
}

int rank_of(const Value* value) { return value != nullptr && value->shape ? value->shape->rank() : -1; }

int64_t dim_of(const Value* value, int axis) {
  const int rank = rank_of(value);
  if (axis < 0) axis += rank;
  return axis < 0 || axis >= rank ? kUnknownDim : (*value->shape)[axis];
}

bool is_float(const Value* value) { return value != nullptr && value->type == DataType::kFloat; }

std::optional<double> constant_scalar(const Value* value) {
  if (value == nullptr || !value->is_constant() || value->constant.elements() != 1) return std::nullopt;
  return element(value->constant, 0);
}

std::optional<std::vector<int64_t>> constant_integers(const Value* value) {
  if (value == nullptr || !value->is_constant()) return std::nullopt;
  const DataType type = value->constant.type();
  if (type != DataType::kInt64 && type != DataType::kInt32) return std::nullopt;
  if (value->constant.shape().rank() > 1 || value->constant.elements() > 4 * Shape::kMaxRank) return std::nullopt;
  const Tensor tensor = value->constant.aligned();
  const TensorView view = TensorView::of(tensor);
  std::vector<int64_t> result;
  for (int64_t i = 0; i < tensor.elements(); ++i) result.push_back(view.integer(i));
  return result;
}

FloatElements constant_floats(const Value* value) {
  if (value == nullptr || !value->is_constant() || value->constant.type() != DataType::kFloat) return {};
  return FloatElements(value->constant);
}

bool is_filled_with(const Value* value, double wanted) {
  if (value == nullptr || !value->is_constant()) return false;
  const auto count = static_cast<size_t>(value->constant.elements());
  for (size_t i = 0; i < count; ++i) {
    const auto found = element(value->constant, i);
    if (!found || *found != wanted) return false;
  }
  return count > 0;
}

std::optional<std::vector<int64_t>> axes_of(const Node& node, int rank) {
  std::vector<int64_t> axes;
  if (node.attributes.has("axes")) {
    const auto listed = node.attributes.get_ints("axes");
    axes.assign(listed.begin(), listed.end());
  } else if (auto constant = constant_integers(node.input(1))) {
    axes = std::move(*constant);
  }
  if (axes.empty()) return std::nullopt;
  for (int64_t& axis : axes) {
    if (axis < 0 && rank < 0) return std::nullopt;
    if (axis < 0) axis += rank;
    if (axis < 0 || (rank >= 0 && axis >= rank)) return std::nullopt;
  }
  std::sort(axes.begin(), axes.end());
  return axes;
}

std::optional<std::pair<float, float>> clip_bounds(const Node& node) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::pair<float, float> bounds{node.attributes.get_float("min", -kInfinity),
                                 node.attributes.get_float("max", kInfinity)};
  for (const int index : {1, 2}) {
    if (node.input(index) == nullptr) continue;
    const auto bound = constant_scalar(node.input(index));
    if (!bound) return std::nullopt;
    (index == 1 ? bounds.first : bounds.second) = static_cast<float>(*bound);
  }
  return bounds;
}

std::vector<int64_t> permutation_of(const Node& node, int rank) {
  const auto listed = node.attributes.get_ints("perm");
  std::vector<int64_t> perm(listed.begin(), listed.end());
  if (perm.empty()) {
    for (int axis = rank - 1; axis >= 0; --axis) perm.push_back(axis);
  }
  if (rank >= 0 && static_cast<int>(perm.size()) != rank) return {};
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (sorted[i] != static_cast<int64_t>(i)) return {};
  }
  return perm;
}

std::optional<int64_t> axis_of(const Node& node, int64_t fallback, int rank) {
  if (rank < 0) return std::nullopt;
  const int64_t axis = node.attributes.get_int("axis", fallback);
  return axis < 0 ? axis + rank : axis;
}

std::optional<std::vector<int64_t>> reshape_target(const Shape& from, const Shape& to) {
  std::vector<int64_t> target;
  bool has_inferred = false;
  for (int axis = 0; axis < to.rank(); ++axis) {
    const bool stays = axis < from.rank() && same_dim(from[axis], to[axis]);
    if (is_known(to[axis])) {
      if (to[axis] == 0 && !stays) return std::nullopt;
      target.push_back(to[axis]);
    } else if (stays) {
      target.push_back(0);
    } else {
      if (has_inferred) return std::nullopt;
      has_inferred = true;
      target.push_back(-1);
    }
  }
  return target;
}

std::optional<FusedActivation> activation_of(const Node& node) {
  if (!node.domain.empty() || node.output_count() != 1) return std::nullopt;
  if (node.op_type == "Relu" || node.op_type == "Sigmoid" || node.op_type == "Tanh" || node.op_type == "Mish") {
    return FusedActivation{node.op_type};
  }
  if (node.op_type == "Clip") {
    const auto bounds = clip_bounds(node);
    if (!bounds || std::isnan(bounds->first) || std::isnan(bounds->second)) return std::nullopt;
    if (bounds->first == 0.0F && bounds->second == std::numeric_limits<float>::infinity()) {
      return FusedActivation{"Relu"};
    }
    return FusedActivation{"Clip", bounds->first, bounds->second};
  }
  if (node.op_type == "LeakyRelu") return with_alpha(node, 0.01F);
  if (node.op_type == "Elu") return with_alpha(node, 1.0F);
  if (node.op_type == "Swish") return with_alpha(node, 1.0F);
  if (node.op_type == "HardSigmoid") {
    return FusedActivation{"HardSigmoid", node.attributes.get_float("alpha", 0.2F),
                           node.attributes.get_float("beta", 0.5F)};
  }
  if (node.op_type == "HardSwish") return FusedActivation{"HardSwish", 1.0F / 6.0F, 0.5F};
  if (node.op_type == "Gelu") {
    return FusedActivation{node.attributes.get_string("approximate", "none") == "tanh" ? "GeluTanh" : "Gelu"};
  }
  return std::nullopt;
}

}  // namespace attune::optimize
