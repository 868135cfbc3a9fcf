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

/// How far a tensor is from a reference, over the elements that are finite in both.
struct TensorDifference {
  std::string mismatch;   ///< Another type or shape, or NaN and Inf elsewhere: nothing below counts then.
  int64_t differing = 0;  ///< Elements.
  double most = 0;
  double rms = 0;
  double relative = 0;  ///< rms over the reference's standard deviation, or over its RMS where all elements are equal.

  /// Rounding explains it: `relative` up to 1e-4, 1e-2 for 16-bit floats, and no difference for other types.
  bool is_rounding(DataType type) const;
};
TensorDifference measure_difference(const Tensor& tensor, const Tensor& reference);

}  // namespace attune
