// What the classifiers and regressors of ai.onnx.ml do to scores, and the labels that classifiers give. onnxruntime's
// behaviour settles what ONNX leaves open. Thread safety: pure functions; LabelColumn is immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/attributes.h"
#include "ops/operator.h"
#include "tensor/tensor_view.h"

namespace attune::ops {

enum class PostTransform : uint8_t {
  kNone,
  kSoftmax,
  kLogistic,
  kSoftmaxZero,  ///< Softmax over those scores that are not zero; zeros stay zero
  kProbit,       ///< the inverse of the normal distribution, by Winitzki's approximation
};

/// The attribute `post_transform`, a name. Throws Error(kInvalidGraph) for one that is unknown.
PostTransform parse_post_transform(const Attributes& attributes);

/// Transforms the scores of one row in place.
void apply_post_transform(PostTransform transform, float* scores, int64_t n);

/// How a binary classifier that computed the score s of one class alone fills in the other.
enum class SecondScore : uint8_t {
  kComplement,  ///< 1 - s, s
  kNegated,     ///< -s, s; for kLogistic the logistic functions of both
};

/// Writes the two scores of a binary classifier. kProbit leaves the second 0; the other transforms but kLogistic do
/// nothing.
void write_binary_scores(PostTransform transform, SecondScore second, float score, float* out);

/// The labels of classes, numbers or strings.
class LabelColumn {
 public:
  /// Reads the attributes of these names, one of which must have labels. Throws Error(kInvalidGraph) when none or both
  /// have.
  LabelColumn(const Attributes& attributes, std::string_view numbers, std::string_view strings);

  int64_t count() const { return static_cast<int64_t>(numbers_.size() + strings_.size()); }
  DataType type() const { return strings_.empty() ? DataType::kInt64 : DataType::kString; }
  /// Element `row` of `out` becomes the label of class `index`, which must be one.
  void write(const TensorView& out, int64_t row, int64_t index) const;

 private:
  std::vector<int64_t> numbers_;
  std::vector<std::string> strings_;
};

/// The samples of a matrix X [rows, features], or of one row [features]. Throws Error(kInvalidGraph) for other ranks.
int64_t sample_count(const Shape& x);
int64_t sample_size(const Shape& x);

/// X [rows, features] of float, double, int64 or int32 as floats: the tensor itself, or converted into `scratch`.
const float* samples_as_floats(const TensorView& x, float* scratch, Parallel& parallel);

}  // namespace attune::ops
