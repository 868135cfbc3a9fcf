#include "ops/operator.h"

#include <algorithm>

#include "attune/error.h"

namespace attune {

std::optional<Shape> InferContext::elements(int i) const {
  if (!has_input(i)) return std::nullopt;
  const ValueInfo& info = input(i);
  if (info.constant != nullptr) {
    const Tensor& tensor = *info.constant;
    if (tensor.shape().rank() > 1 || tensor.elements() > Shape::kMaxRank) return std::nullopt;
    if (tensor.type() != DataType::kInt64 && tensor.type() != DataType::kInt32) return std::nullopt;
    const TensorView view = TensorView::of(tensor);
    Shape dims;
    // Negative numbers below -1 would be taken for symbols.
    for (int64_t k = 0; k < tensor.elements(); ++k) dims.push_back(std::max(view.integer(k), kUnknownDim));
    return dims;
  }
  if (info.has_elements) return info.elements;
  return std::nullopt;
}

void InferContext::set_output(int i, DataType type, const Shape& shape) {
  ValueInfo& info = outputs_[static_cast<size_t>(i)];
  info.type = type;
  info.has_shape = true;
  info.shape = shape;
}

void InferContext::set_output_type(int i, DataType type, ValueKind kind) {
  ValueInfo& info = outputs_[static_cast<size_t>(i)];
  info.type = type;
  info.kind = kind;
}

void InferContext::set_elements(int i, const Shape& elements) {
  ValueInfo& info = outputs_[static_cast<size_t>(i)];
  info.has_elements = true;
  info.elements = elements;
}

std::vector<Tensor> RunContext::run_subgraph(int, std::span<const Tensor>) {
  throw Error(ErrorCode::kNotImplemented, "Subgraphs run only as parts of a program.");
}

double Operator::flops(std::span<const TensorView>, std::span<const TensorView> outputs) const {
  return outputs.empty() || outputs[0].dims == nullptr ? 0.0 : static_cast<double>(outputs[0].elements());
}

}  // namespace attune
