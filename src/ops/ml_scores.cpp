#include "ops/ml_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/error.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"

namespace attune::ops {
namespace {

float logistic(float x) { return 1.0F / (1.0F + std::exp(-x)); }

/// sqrt(2) * erfinv(2 p - 1), S. Winitzki's formula with a = 0.147 as onnxruntime has it.
float probit(float p) {
  const float x = 2.0F * p - 1.0F;
  const float log = std::log((1.0F - x) * (1.0F + x));
  const float half = 2.0F / (3.14159F * 0.147F) + 0.5F * log;
  const float root = std::sqrt(-half + std::sqrt(half * half - log / 0.147F));
  return 1.41421356F * (x < 0.0F ? -root : root);
}

void softmax(float* scores, int64_t n) {
  const float largest = *std::max_element(scores, scores + n);
  float sum = 0.0F;
  for (int64_t i = 0; i < n; ++i) {
    scores[i] = std::exp(scores[i] - largest);
    sum += scores[i];
  }
  for (int64_t i = 0; i < n; ++i) scores[i] /= sum;
}

void softmax_zero(float* scores, int64_t n) {
  constexpr float kZero = 1e-7F;
  const float largest = *std::max_element(scores, scores + n);
  float sum = 0.0F;
  for (int64_t i = 0; i < n; ++i) {
    if (std::fabs(scores[i]) > kZero) {
      scores[i] = std::exp(scores[i] - largest);
      sum += scores[i];
    } else {
      scores[i] *= std::exp(-largest);
    }
  }
  // With nothing but zeros there is nothing to share out.
  for (int64_t i = 0; i < n && sum != 0.0F; ++i) scores[i] /= sum;
}

}  // namespace

PostTransform parse_post_transform(const Attributes& attributes) {
  const std::string name = attributes.get_string("post_transform", "NONE");
  if (name == "NONE") return PostTransform::kNone;
  if (name == "SOFTMAX") return PostTransform::kSoftmax;
  if (name == "LOGISTIC") return PostTransform::kLogistic;
  if (name == "SOFTMAX_ZERO") return PostTransform::kSoftmaxZero;
  if (name == "PROBIT") return PostTransform::kProbit;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown post_transform '{}'.", name));
}

void apply_post_transform(PostTransform transform, float* scores, int64_t n) {
  if (n == 0) return;
  switch (transform) {
    case PostTransform::kNone:
      return;
    case PostTransform::kSoftmax:
      return softmax(scores, n);
    case PostTransform::kSoftmaxZero:
      return softmax_zero(scores, n);
    case PostTransform::kLogistic:
      std::transform(scores, scores + n, scores, logistic);
      return;
    case PostTransform::kProbit:
      std::transform(scores, scores + n, scores, probit);
      return;
  }
}

void write_binary_scores(PostTransform transform, SecondScore second, float score, float* out) {
  if (transform == PostTransform::kProbit) {
    out[0] = probit(score);
    out[1] = 0.0F;
  } else if (second == SecondScore::kComplement) {
    out[0] = 1.0F - score;
    out[1] = score;
  } else if (transform == PostTransform::kLogistic) {
    out[0] = logistic(-score);
    out[1] = logistic(score);
  } else {
    out[0] = -score;
    out[1] = score;
  }
}

LabelColumn::LabelColumn(const Attributes& attributes, std::string_view numbers, std::string_view strings) {
  const auto number_labels = attributes.get_ints(numbers);
  const auto string_labels = attributes.get_strings(strings);
  numbers_.assign(number_labels.begin(), number_labels.end());
  strings_.assign(string_labels.begin(), string_labels.end());
  if (numbers_.empty() == strings_.empty()) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Either {} or {} must have labels.", numbers, strings));
  }
}

void LabelColumn::write(const TensorView& out, int64_t row, int64_t index) const {
  const auto place = static_cast<size_t>(index);
  if (strings_.empty()) {
    out.as<int64_t>()[row] = numbers_[place];
  } else {
    out.as<std::string>()[row] = strings_[place];
  }
}

int64_t sample_count(const Shape& x) {
  if (x.rank() == 2) return x[0];
  if (x.rank() == 1) return 1;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Samples are a matrix, not of shape {}.", x.to_string()));
}

int64_t sample_size(const Shape& x) { return x[x.rank() - 1]; }

const float* samples_as_floats(const TensorView& x, float* scratch, Parallel& parallel) {
  if (x.type == DataType::kFloat) return x.as<float>();
  visit_type<double, int64_t, int32_t>(x.type, [&](auto tag) {
    const auto* in = x.as<typename decltype(tag)::type>();
    for_ranges(parallel, x.elements(), kCheapGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) scratch[i] = static_cast<float>(in[i]);
    });
  });
  return scratch;
}

}  // namespace attune::ops
