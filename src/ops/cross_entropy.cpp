// NegativeLogLikelihoodLoss: https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html, versions 12 to 22.
// SoftmaxCrossEntropyLoss: https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html, versions 12 to 13: the
// same of the logarithm of the softmax over axis 1.
//
// Sums are made in double, sample after sample. A mean over no weight at all is NaN.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

enum class LossReduction : uint8_t { kNone, kSum, kMean };

template <bool kWithSoftmax>
class CrossEntropy final : public Operator {
 public:
  explicit CrossEntropy(const Node& node) {
    const std::string reduction = node.attributes.get_string("reduction", "mean");
    if (reduction == "none") {
      reduction_ = LossReduction::kNone;
    } else if (reduction == "sum") {
      reduction_ = LossReduction::kSum;
    } else if (reduction != "mean") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("'reduction' must be none, sum or mean, not '{}'.", reduction));
    }
    if (node.attributes.has("ignore_index")) ignored_ = node.attributes.get_int("ignore_index", 0);
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (context.output_count() > 1) context.set_output_type(1, context.type(0));
    if (context.has_shape(0)) {
      const Shape& x = context.shape(0);
      if (x.rank() < 2) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("Scores of shape {} have no classes.", x.to_string()));
      }
      if (context.has_shape(1)) {
        const Shape& labels = context.shape(1);
        if (labels.rank() != x.rank() - 1) {
          throw Error(ErrorCode::kInvalidGraph,
                      fmt::format("Labels of shape {} for scores of shape {}.", labels.to_string(), x.to_string()));
        }
        for (int axis = 0; axis < labels.rank(); ++axis) {
          agree_dims(labels[axis], x[axis == 0 ? 0 : axis + 1], "Dimensions of labels and scores");
        }
      }
      if (context.has_shape(2)) {
        if (context.shape(2).rank() != 1) throw Error(ErrorCode::kInvalidGraph, "Weights must have one axis.");
        agree_dims(context.shape(2)[0], x[1], "Weights and classes");
      }
      if (context.output_count() > 1) context.set_output(1, context.type(0), x);
    }
    if (reduction_ != LossReduction::kNone) return context.set_output(0, context.type(0), Shape{});
    if (context.has_shape(1)) context.set_output(0, context.type(0), context.shape(1));
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) { compute<typename decltype(tag)::type>(context); });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return (kWithSoftmax ? 12.0 : 1.0) * static_cast<double>(inputs[0].elements());
  }

 private:
  template <class T>
  void compute(RunContext& context) const {
    const TensorView& x = context.input(0);
    const TensorView& labels = context.input(1);
    const int64_t classes = x.dim(1);
    const int64_t inner = x.shape().product(2, x.rank());
    const int64_t places = labels.elements();
    const T* weights = context.has_input(2) ? context.input(2).as<T>() : nullptr;
    T* log_prob = context.has_output(1) ? context.output(1).as<T>() : nullptr;
    std::vector<T> losses(reduction_ == LossReduction::kNone ? 0 : static_cast<size_t>(places));
    T* loss = reduction_ == LossReduction::kNone ? context.output(0).as<T>() : losses.data();
    for_ranges(context.parallel(), places, std::max<int64_t>(1, kCostlyGrain / std::max<int64_t>(classes, 1)),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t offset = i / inner * classes * inner + i % inner;
                   const T* scores = x.as<T>() + offset;
                   double norm = 0.0;
                   if constexpr (kWithSoftmax) norm = log_sum_exp(scores, classes, inner);
                   if (log_prob != nullptr) {
                     for (int64_t c = 0; c < classes; ++c) {
                       log_prob[offset + c * inner] = static_cast<T>(static_cast<double>(scores[c * inner]) - norm);
                     }
                   }
                   const int64_t label = labels.integer(i);
                   if (ignored_ && label == *ignored_) {
                     loss[i] = 0;
                     continue;
                   }
                   check_label(label, classes);
                   const double value = norm - static_cast<double>(scores[label * inner]);
                   loss[i] = static_cast<T>(value * (weights == nullptr ? 1.0 : static_cast<double>(weights[label])));
                 }
               });
    if (reduction_ == LossReduction::kNone) return;
    double sum = 0.0;
    double total = 0.0;
    for (int64_t i = 0; i < places; ++i) {
      sum += static_cast<double>(loss[i]);
      const int64_t label = labels.integer(i);
      if (ignored_ && label == *ignored_) continue;
      total += weights == nullptr ? 1.0 : static_cast<double>(weights[label]);
    }
    *context.output(0).as<T>() = static_cast<T>(reduction_ == LossReduction::kMean ? sum / total : sum);
  }

  template <class T>
  static double log_sum_exp(const T* scores, int64_t classes, int64_t stride) {
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t c = 0; c < classes; ++c) largest = std::max(largest, static_cast<double>(scores[c * stride]));
    double sum = 0.0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(scores[c * stride]) - largest);
    return largest + std::log(sum);
  }

  static void check_label(int64_t label, int64_t classes) {
    if (label >= 0 && label < classes) return;
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Label {} is not one of {} classes.", label, classes));
  }

  LossReduction reduction_ = LossReduction::kMean;
  std::optional<int64_t> ignored_;
};

OpDef cross_entropy(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = 12,
      .inputs = {{"scores", "T"}, {"labels", "Tind"}, {"weights", "T", Occurrence::kOptional}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}, {"Tind", kIndices}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& negative_log_likelihood_loss() {
  static const OpDef def = cross_entropy("NegativeLogLikelihoodLoss", make_operator<CrossEntropy<false>>);
  return def;
}

[[gnu::cold]] const OpDef& softmax_cross_entropy_loss() {
  static const OpDef def = [] {
    OpDef loss = cross_entropy("SoftmaxCrossEntropyLoss", make_operator<CrossEntropy<true>>);
    loss.outputs.push_back({"log_prob", "T", Occurrence::kOptional});
    return loss;
  }();
  return def;
}

}  // namespace attune::ops
