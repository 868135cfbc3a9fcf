// What is said of a tensor in one line, and how two of them are compared. Thread safety: pure functions.
#pragma once

#include <string>

#include "attune/tensor.h"

namespace attune {

/// Of the finite elements; empty texts where there is none, as for strings.
struct TensorSummary {
  std::string least;
  std::string mean;
  std::string most;
  std::string note;  ///< "3 NaN, 1 Inf"; the first string of a text tensor.
};
TensorSummary summarize(const Tensor& tensor);

/// Element k as a double; of any number type. Integers beyond 2^53 are rounded.
double number_at(const Tensor& tensor, int64_t k);

/// Like numpy.allclose: |a - b| <= absolute + relative * |b|, NaN equal to NaN; types and shapes must be the same.
/// Returns nothing when close, otherwise what differs: "shape 1x3, not 1x4", "3 of 1000 elements, by up to 0.5".
std::string compare_tensors(const Tensor& tensor, const Tensor& reference, double relative, double absolute);

}  // namespace attune
