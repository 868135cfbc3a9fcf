#include "ops/element_arithmetic.h"

#include <limits>

namespace attune::ops {

std::optional<KnownElements> known_elements(const InferContext& context, int i) {
  KnownElements known;
  // Not through elements(): there a negative constant would look like a symbol.
  if (const Tensor* constant = context.constant(i)) {
    if (constant->type() != DataType::kInt64 && constant->type() != DataType::kInt32) return std::nullopt;
    if (constant->shape().rank() > 1 || constant->elements() > Shape::kMaxRank) return std::nullopt;
    const TensorView view = TensorView::of(*constant);
    for (int64_t k = 0; k < constant->elements(); ++k) {
      known.element[static_cast<size_t>(known.count++)] = KnownElement::number(view.integer(k));
    }
    return known;
  }
  const auto dims = context.elements(i);
  if (!dims) return std::nullopt;
  for (const int64_t dim : *dims) known.element[static_cast<size_t>(known.count++)] = {is_known(dim), dim};
  return known;
}

void set_known_elements(InferContext& context, const KnownElements& elements) {
  const bool narrow = context.output(0).type == DataType::kInt32;
  Shape dims;
  for (int i = 0; i < elements.count; ++i) {
    const KnownElement& element = elements.element[static_cast<size_t>(i)];
    const bool fits = element.value >= 0 && (!narrow || element.value <= std::numeric_limits<int32_t>::max());
    dims.push_back(element.is_number && !fits ? kUnknownDim : element.value);
  }
  context.set_elements(0, dims);
}

}  // namespace attune::ops
