// ai.onnx.ml.LinearClassifier: https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html, LinearRegressor:
// https://onnx.ai/onnx/operators/onnx_aionnxml_LinearRegressor.html, version 1. Computed in float whatever the input
// has. multi_class changes nothing, as in onnxruntime.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "attune/error.h"
#include "kernels/gemm.h"
#include "ops/ml_scores.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

constexpr TypeSet kFeatures{DataType::kFloat, DataType::kDouble, DataType::kInt64, DataType::kInt32};

/// X coefficients^T + intercepts: `targets` scores a row.
class LinearScores {
 public:
  LinearScores(const Attributes& attributes, int64_t targets) : targets_(targets) {
    const auto coefficients = attributes.get_floats("coefficients");
    const auto intercepts = attributes.get_floats("intercepts");
    coefficients_.assign(coefficients.begin(), coefficients.end());
    intercepts_.assign(intercepts.begin(), intercepts.end());
    const auto count = static_cast<int64_t>(coefficients_.size());
    if (targets < 1 || count == 0 || count % targets != 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} coefficients for {} targets.", count, targets));
    }
    if (!intercepts_.empty() && static_cast<int64_t>(intercepts_.size()) != targets) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} intercepts for {} targets.", intercepts_.size(), targets));
    }
  }

  int64_t targets() const { return targets_; }

  void check(const Shape& x) const {
    sample_count(x);
    const int64_t features = sample_size(x);
    // The rest of too many is not looked at, as in onnxruntime, whose own example logreg_iris.onnx has such.
    const int64_t wanted = static_cast<int64_t>(coefficients_.size()) / targets_;
    if (!is_known(features) || features <= wanted) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("X has {} features, the coefficients {}.", features, wanted));
  }

  size_t workspace_bytes(const TensorView& x, int threads) const {
    WorkspaceCursor cursor;
    take_workspace(cursor, x, threads);
    return cursor.bytes();
  }

  void compute(RunContext& context, float* scores) const {
    const TensorView& x = context.input(0);
    check(x.shape());
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, x, context.parallel().threads());
    const float* samples = samples_as_floats(x, workspace.samples, context.parallel());
    const kernels::GemmShape shape = product(x.shape());
    kernels::GemmEpilogue epilogue;
    if (!intercepts_.empty()) epilogue.bias = intercepts_.data();
    kernels::gemm(shape, {samples, shape.k, 1}, {coefficients_.data(), 1, shape.k}, scores, targets_, epilogue,
                  workspace.product, context.parallel());
  }

  double flops(const TensorView& x) const {
    return 2.0 * static_cast<double>(x.elements()) * static_cast<double>(targets_);
  }

 private:
  struct Workspace {
    float* samples;
    float* product;
  };

  kernels::GemmShape product(const Shape& x) const { return {sample_count(x), targets_, sample_size(x)}; }

  Workspace take_workspace(WorkspaceCursor& cursor, const TensorView& x, int threads) const {
    Workspace workspace{};
    if (x.type != DataType::kFloat) workspace.samples = cursor.take(x.elements());
    workspace.product = cursor.take(static_cast<int64_t>(kernels::gemm_workspace_size(product(x.shape()), threads)));
    return workspace;
  }

  int64_t targets_;
  std::vector<float> coefficients_;  ///< [targets, features], and perhaps more
  std::vector<float> intercepts_;
};

class LinearRegressor final : public Operator {
 public:
  explicit LinearRegressor(const Node& node)
      : scores_(node.attributes, node.attributes.get_int("targets", 1)),
        transform_(parse_post_transform(node.attributes)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, DataType::kFloat);
    scores_.check(context.shape(0));
    context.set_output(0, DataType::kFloat, Shape{sample_count(context.shape(0)), scores_.targets()});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    return scores_.workspace_bytes(inputs[0], threads);
  }

  void run(RunContext& context) const override {
    float* y = context.output(0).as<float>();
    scores_.compute(context, y);
    const int64_t targets = scores_.targets();
    // One target alone is transformed by PROBIT only, as onnxruntime does.
    if (transform_ == PostTransform::kNone || (targets == 1 && transform_ != PostTransform::kProbit)) return;
    for (int64_t row = 0; row < context.output(0).dim(0); ++row) {
      apply_post_transform(transform_, y + row * targets, targets);
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return scores_.flops(inputs[0]);
  }

 private:
  LinearScores scores_;
  PostTransform transform_;
};

class LinearClassifier final : public Operator {
 public:
  explicit LinearClassifier(const Node& node)
      : labels_(node.attributes, "classlabels_ints", "classlabels_strings"),
        scores_(node.attributes, score_count(node.attributes, labels_.count())),
        transform_(parse_post_transform(node.attributes)) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, labels_.type());
    if (context.output_count() > 1) context.set_output_type(1, DataType::kFloat);
    if (!context.has_shape(0)) return;
    scores_.check(context.shape(0));
    const int64_t rows = sample_count(context.shape(0));
    context.set_output(0, labels_.type(), Shape{rows});
    if (context.output_count() > 1) context.set_output(1, DataType::kFloat, Shape{rows, labels_.count()});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    WorkspaceCursor cursor;
    cursor.take(sample_count(inputs[0].shape()) * scores_.targets());
    return cursor.bytes() + scores_.workspace_bytes(inputs[0], threads);
  }

  void run(RunContext& context) const override {
    const int64_t rows = sample_count(context.input(0).shape());
    const int64_t targets = scores_.targets();
    // Behind the workspace of the product, which comes first.
    const size_t offset = scores_.workspace_bytes(context.input(0), context.parallel().threads());
    auto* scores = reinterpret_cast<float*>(context.workspace().data() + offset);
    scores_.compute(context, scores);
    for (int64_t row = 0; row < rows; ++row) {
      float* own = scores + row * targets;
      const int64_t best = targets == 1 ? (own[0] > 0.0F ? 1 : 0) : std::max_element(own, own + targets) - own;
      if (context.has_output(0)) labels_.write(context.output(0), row, best);
      if (!context.has_output(1)) continue;
      float* out = context.output(1).as<float>() + row * labels_.count();
      if (targets == 1) {
        write_scores(own[0], out);
      } else {
        apply_post_transform(transform_, own, targets);
        std::copy_n(own, targets, out);
      }
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return scores_.flops(inputs[0]);
  }

 private:
  /// One score for each class, or one for two classes.
  static int64_t score_count(const Attributes& attributes, int64_t classes) {
    const auto count = static_cast<int64_t>(attributes.get_floats("intercepts").size());
    if (count == classes || (count == 1 && classes == 2)) return count;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("{} intercepts for {} classes.", count, classes));
  }

  void write_scores(float score, float* out) const {
    // The logistic function of both signs is the complement but for a rounding.
    if (transform_ == PostTransform::kLogistic) apply_post_transform(transform_, &score, 1);
    write_binary_scores(transform_ == PostTransform::kProbit ? transform_ : PostTransform::kNone,
                        SecondScore::kComplement, score, out);
  }

  LabelColumn labels_;
  LinearScores scores_;
  PostTransform transform_;
};

}  // namespace

[[gnu::cold]] const OpDef& linear_classifier() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "LinearClassifier",
      .inputs = {{"X", "T1"}},
      .outputs = {{"Y", "T2"}, {"Z", "tensor(float)"}},
      .types = {{"T1", kFeatures}, {"T2", {DataType::kInt64, DataType::kString}}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<LinearClassifier>,
      .flushes_denormals = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& linear_regressor() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "LinearRegressor",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "tensor(float)"}},
      .types = {{"T", kFeatures}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<LinearRegressor>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
