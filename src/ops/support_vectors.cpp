// ai.onnx.ml.SVMClassifier: https://onnx.ai/onnx/operators/onnx_aionnxml_SVMClassifier.html, SVMRegressor:
// https://onnx.ai/onnx/operators/onnx_aionnxml_SVMRegressor.html, version 1, with support vectors as libsvm trains them
// or, without, one row of coefficients a class. Kernels are computed in float, sums over vectors in double. The
// regressor's post_transform changes nothing, as in onnxruntime.
//
// Class probabilities out of those of pairs: T.-F. Wu, C.-J. Lin and R. C. Weng, Probability Estimates for Multi-class
// Classification by Pairwise Coupling, JMLR 5 (2004), section 4, with the stopping rule of libsvm.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/ml_scores.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

constexpr TypeSet kFeatures{DataType::kFloat, DataType::kDouble, DataType::kInt64, DataType::kInt32};

[[noreturn]] void throw_count(std::string_view name, size_t count, int64_t wanted) {
  throw Error(ErrorCode::kInvalidGraph, fmt::format("{} has {} values, not {}.", name, count, wanted));
}

/// The kernel function of a sample with each of a number of vectors.
class KernelFunction {
 public:
  KernelFunction(const Attributes& attributes, std::span<const float> vectors, int64_t count, bool linear)
      : kind_(linear ? Kind::kLinear : parse_kind(attributes.get_string("kernel_type", "LINEAR"))), count_(count) {
    if (count < 1 || vectors.empty() || static_cast<int64_t>(vectors.size()) % count != 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} vectors of {} values.", count, vectors.size()));
    }
    const auto params = attributes.get_floats("kernel_params");
    if (kind_ != Kind::kLinear && params.size() != 3) throw_count("kernel_params", params.size(), 3);
    if (params.size() == 3) {
      gamma_ = params[0];
      offset_ = params[1];
      degree_ = params[2];
    }
    features_ = static_cast<int64_t>(vectors.size()) / count;
    blocks_.resize(static_cast<size_t>((count + kBlock - 1) / kBlock * kBlock * features_), 0.0F);
    for (int64_t v = 0; v < count; ++v) {
      for (int64_t f = 0; f < features_; ++f) {
        blocks_[static_cast<size_t>((v / kBlock * features_ + f) * kBlock + v % kBlock)] =
            vectors[static_cast<size_t>(v * features_ + f)];
      }
    }
  }

  int64_t count() const { return count_; }
  double flops() const { return 3.0 * static_cast<double>(blocks_.size()); }

  void check(const Shape& x) const {
    sample_count(x);
    const int64_t features = sample_size(x);
    if (!is_known(features) || features == features_) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("X has {} features, the vectors {}.", features, features_));
  }

  /// out[v] = kernel(x, vector v) for all vectors.
  void compute(const float* x, float* out) const {
    const bool distances = kind_ == Kind::kRbf;
    for (int64_t first = 0; first < count_; first += kBlock) {
      const float* block = blocks_.data() + first * features_;
      std::array<float, kBlock> sums{};
      for (int64_t f = 0; f < features_; ++f, block += kBlock) {
        const float value = x[f];
        for (size_t v = 0; v < kBlock; ++v) {
          const float factor = distances ? value - block[v] : value;
          sums[v] += factor * (distances ? factor : block[v]);
        }
      }
      const int64_t n = std::min<int64_t>(kBlock, count_ - first);
      std::transform(sums.begin(), sums.begin() + n, out + first, [this](float sum) { return apply(sum); });
    }
  }

 private:
  enum class Kind : uint8_t { kLinear, kPoly, kRbf, kSigmoid };
  static constexpr int64_t kBlock = 32;

  static Kind parse_kind(const std::string& name) {
    if (name == "LINEAR") return Kind::kLinear;
    if (name == "POLY") return Kind::kPoly;
    if (name == "RBF") return Kind::kRbf;
    if (name == "SIGMOID") return Kind::kSigmoid;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown kernel_type '{}'.", name));
  }

  /// Of a product with a vector, or for kRbf of the square of the distance from it.
  float apply(float sum) const {
    switch (kind_) {
      case Kind::kPoly:
        return std::pow(gamma_ * sum + offset_, degree_);
      case Kind::kSigmoid:
        return std::tanh(gamma_ * sum + offset_);
      case Kind::kRbf:
        return std::exp(-gamma_ * sum);
      case Kind::kLinear:
        break;
    }
    return sum;
  }

  Kind kind_;
  float gamma_ = 0.0F;
  float offset_ = 0.0F;
  float degree_ = 0.0F;
  int64_t count_;
  int64_t features_ = 0;
  std::vector<float> blocks_;  ///< [blocks of vectors, features, kBlock]
};

/// What both operators do: a row of kernel values for each sample, and what `finish(row, values)` makes of it.
template <class Finish>
void for_each_sample(RunContext& context, const KernelFunction& kernel, Finish&& finish) {
  const TensorView& x = context.input(0);
  kernel.check(x.shape());
  WorkspaceCursor cursor(context.workspace());
  const float* samples = samples_as_floats(x, cursor.take(x.elements()), context.parallel());
  float* values = cursor.take(context.parallel().threads() * kernel.count());
  const int64_t features = sample_size(x.shape());
  const auto grain = static_cast<int64_t>(20000.0 / kernel.flops());
  for_ranges(context.parallel(), sample_count(x.shape()), grain, [&](int64_t begin, int64_t end, int thread) {
    float* own = values + thread * kernel.count();
    for (int64_t row = begin; row < end; ++row) {
      kernel.compute(samples + row * features, own);
      finish(row, own);
    }
  });
}

size_t sample_workspace_bytes(const TensorView& x, const KernelFunction& kernel, int threads) {
  WorkspaceCursor cursor;
  cursor.take(x.elements());
  cursor.take(threads * kernel.count());
  return cursor.bytes();
}

std::span<const float> vectors_or_coefficients(const Attributes& attributes, bool linear) {
  return attributes.get_floats(linear ? "coefficients" : "support_vectors");
}

double dot(const float* a, const float* b, int64_t n) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

class SvmRegressor final : public Operator {
 public:
  explicit SvmRegressor(const Node& node)
      : is_linear_(node.attributes.get_int("n_supports", 0) == 0),
        kernel_(node.attributes, vectors_or_coefficients(node.attributes, is_linear_),
                is_linear_ ? 1 : node.attributes.get_int("n_supports", 0), is_linear_),
        is_one_class_(node.attributes.get_int("one_class", 0) != 0) {
    const auto rho = node.attributes.get_floats("rho");
    if (rho.empty()) throw_count("rho", 0, 1);
    rho_ = static_cast<double>(rho[0]);
    const auto coefficients = node.attributes.get_floats("coefficients");
    if (is_linear_) {
      coefficients_.assign(1, 1.0F);
    } else {
      coefficients_.assign(coefficients.begin(), coefficients.end());
    }
    if (static_cast<int64_t>(coefficients_.size()) != kernel_.count()) {
      throw_count("coefficients", coefficients_.size(), kernel_.count());
    }
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, DataType::kFloat);
    kernel_.check(context.shape(0));
    context.set_output(0, DataType::kFloat, Shape{sample_count(context.shape(0)), 1});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    return sample_workspace_bytes(inputs[0], kernel_, threads);
  }

  void run(RunContext& context) const override {
    for_each_sample(context, kernel_, [&](int64_t row, const float* values) {
      const auto score = static_cast<float>(dot(coefficients_.data(), values, kernel_.count()) + rho_);
      context.output(0).as<float>()[row] = !is_one_class_ ? score : score > 0.0F ? 1.0F : -1.0F;
    });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return static_cast<double>(sample_count(inputs[0].shape())) * kernel_.flops();
  }

 private:
  bool is_linear_;
  KernelFunction kernel_;
  bool is_one_class_;
  double rho_ = 0.0;
  std::vector<float> coefficients_;
};

class SvmClassifier final : public Operator {
 public:
  explicit SvmClassifier(const Node& node)
      : labels_(node.attributes, "classlabels_ints", "classlabels_strings"),
        per_class_(copy_of(node.attributes.get_ints("vectors_per_class"))),
        is_linear_(std::all_of(per_class_.begin(), per_class_.end(), [](int64_t n) { return n == 0; })),
        kernel_(node.attributes, vectors_or_coefficients(node.attributes, is_linear_), vector_count(), is_linear_),
        coefficients_(copy_of(node.attributes.get_floats("coefficients"))),
        rho_(copy_of(node.attributes.get_floats("rho"))),
        prob_a_(copy_of(node.attributes.get_floats("prob_a"))),
        prob_b_(copy_of(node.attributes.get_floats("prob_b"))),
        transform_(parse_post_transform(node.attributes)) {
    const int64_t classes = labels_.count();
    if (classes < 2 || classes > kMostClasses) {
      throw Error(ErrorCode::kNotImplemented, fmt::format("A support vector machine with {} classes.", classes));
    }
    if (is_linear_) {
      if (rho_.empty()) throw_count("rho", 0, 1);
      return;
    }
    if (static_cast<int64_t>(per_class_.size()) != classes) {
      throw_count("vectors_per_class", per_class_.size(), classes);
    }
    const int64_t wanted = (classes - 1) * kernel_.count();
    if (static_cast<int64_t>(coefficients_.size()) != wanted) {
      throw_count("coefficients", coefficients_.size(), wanted);
    }
    if (static_cast<int64_t>(rho_.size()) != pairs()) throw_count("rho", rho_.size(), pairs());
    if (prob_a_.empty() && prob_b_.empty()) return;
    if (static_cast<int64_t>(prob_a_.size()) != pairs()) throw_count("prob_a", prob_a_.size(), pairs());
    if (static_cast<int64_t>(prob_b_.size()) != pairs()) throw_count("prob_b", prob_b_.size(), pairs());
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, labels_.type());
    if (context.output_count() > 1) context.set_output_type(1, DataType::kFloat);
    if (!context.has_shape(0)) return;
    kernel_.check(context.shape(0));
    const int64_t rows = sample_count(context.shape(0));
    context.set_output(0, labels_.type(), Shape{rows});
    if (context.output_count() > 1) context.set_output(1, DataType::kFloat, Shape{rows, score_count()});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    return sample_workspace_bytes(inputs[0], kernel_, threads);
  }

  void run(RunContext& context) const override {
    for_each_sample(context, kernel_, [&](int64_t row, const float* values) {
      std::vector<float> scores(static_cast<size_t>(score_count()));
      const int64_t label = is_linear_ ? score_linear(values, scores.data()) : score_pairs(values, scores.data());
      if (context.has_output(0)) labels_.write(context.output(0), row, label);
      if (context.has_output(1)) {
        std::copy(scores.begin(), scores.end(), context.output(1).as<float>() + row * score_count());
      }
    });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return static_cast<double>(sample_count(inputs[0].shape())) * kernel_.flops();
  }

 private:
  static constexpr int64_t kMostClasses = 4096;

  template <class T>
  static std::vector<T> copy_of(std::span<const T> values) {
    return {values.begin(), values.end()};
  }

  int64_t vector_count() const {
    if (is_linear_) return labels_.count();
    int64_t count = 0;
    for (const int64_t n : per_class_) {
      if (n < 0 || n > int64_t{1} << 31) throw Error(ErrorCode::kInvalidGraph, fmt::format("{} support vectors.", n));
      count += n;
    }
    return count;
  }

  int64_t pairs() const { return labels_.count() * (labels_.count() - 1) / 2; }
  bool has_probabilities() const { return !prob_a_.empty(); }
  int64_t score_count() const {
    return is_linear_ || has_probabilities() || labels_.count() == 2 ? labels_.count() : pairs();
  }

  int64_t score_linear(const float* values, float* scores) const {
    const int64_t classes = labels_.count();
    for (int64_t k = 0; k < classes; ++k) scores[k] = values[k] + rho_[0];
    const int64_t label = std::max_element(scores, scores + classes) - scores;
    apply_post_transform(transform_, scores, classes);
    return label;
  }

  /// Each pair of classes has a vote. Coefficients are [classes - 1, vectors]: those of a vector of class i against
  /// class j are in row j - 1 if j > i, else j.
  int64_t score_pairs(const float* values, float* scores) const {
    const int64_t classes = labels_.count();
    std::vector<int64_t> votes(static_cast<size_t>(classes), 0);
    std::vector<float> decisions;
    int64_t first_i = 0;
    for (int64_t i = 0; i < classes; ++i) {
      const int64_t count_i = per_class_[static_cast<size_t>(i)];
      int64_t first_j = first_i + count_i;
      for (int64_t j = i + 1; j < classes; ++j) {
        const int64_t count_j = per_class_[static_cast<size_t>(j)];
        const float* row_j = coefficients_.data() + (j - 1) * kernel_.count();
        const float* row_i = coefficients_.data() + i * kernel_.count();
        const double sum = dot(row_j + first_i, values + first_i, count_i) +
                           dot(row_i + first_j, values + first_j, count_j) +
                           static_cast<double>(rho_[decisions.size()]);
        decisions.push_back(static_cast<float>(sum));
        ++votes[static_cast<size_t>(sum > 0.0 ? i : j)];
        first_j += count_j;
      }
      first_i += count_i;
    }
    if (has_probabilities()) {
      couple(decisions, scores);
      apply_post_transform(transform_, scores, classes);
    } else if (classes == 2) {
      write_pair(decisions[0], scores);
    } else {
      std::copy(decisions.begin(), decisions.end(), scores);
      apply_post_transform(transform_, scores, pairs());
    }
    return std::max_element(votes.begin(), votes.end()) - votes.begin();
  }

  void write_pair(float decision, float* scores) const {
    if (transform_ == PostTransform::kNone || transform_ == PostTransform::kLogistic) {
      return write_binary_scores(transform_, SecondScore::kNegated, decision, scores);
    }
    write_binary_scores(transform_, SecondScore::kComplement, decision, scores);
  }

  /// Probabilities of the classes from the decisions of pairs.
  void couple(const std::vector<float>& decisions, float* scores) const {
    constexpr double kLeast = 1e-7;
    const auto classes = static_cast<size_t>(labels_.count());
    std::vector<double> pair(classes * classes, 0.0);  // P(i | i or j)
    size_t index = 0;
    for (size_t i = 0; i < classes; ++i) {
      for (size_t j = i + 1; j < classes; ++j, ++index) {
        const double x = static_cast<double>(decisions[index]) * static_cast<double>(prob_a_[index]) +
                         static_cast<double>(prob_b_[index]);
        pair[i * classes + j] = std::clamp(1.0 / (1.0 + std::exp(x)), kLeast, 1.0 - kLeast);
        pair[j * classes + i] = 1.0 - pair[i * classes + j];
      }
    }
    // Q of the paper: minimise p^T Q p over probabilities p.
    std::vector<double> q(classes * classes, 0.0);
    for (size_t i = 0; i < classes; ++i) {
      for (size_t j = 0; j < classes; ++j) {
        if (i == j) continue;
        q[i * classes + i] += pair[j * classes + i] * pair[j * classes + i];
        q[i * classes + j] = -pair[j * classes + i] * pair[i * classes + j];
      }
    }
    constexpr int kMostRounds = 100;
    const double tolerance = 0.005 / static_cast<double>(classes);
    std::vector<double> p(classes, 1.0 / static_cast<double>(classes));
    std::vector<double> qp(classes);
    for (int round = 0; round < kMostRounds; ++round) {
      double pqp = 0.0;
      for (size_t i = 0; i < classes; ++i) {
        qp[i] = std::inner_product(p.begin(), p.end(), q.begin() + static_cast<ptrdiff_t>(i * classes), 0.0);
        pqp += p[i] * qp[i];
      }
      const bool settled =
          std::all_of(qp.begin(), qp.end(), [&](double value) { return std::fabs(value - pqp) < tolerance; });
      if (settled) break;
      for (size_t i = 0; i < classes; ++i) {
        const double step = (pqp - qp[i]) / q[i * classes + i];
        p[i] += step;
        pqp = (pqp + step * (step * q[i * classes + i] + 2.0 * qp[i])) / ((1.0 + step) * (1.0 + step));
        for (size_t j = 0; j < classes; ++j) {
          qp[j] = (qp[j] + step * q[i * classes + j]) / (1.0 + step);
          p[j] /= 1.0 + step;
        }
      }
    }
    std::transform(p.begin(), p.end(), scores, [](double value) { return static_cast<float>(value); });
  }

  LabelColumn labels_;
  std::vector<int64_t> per_class_;
  bool is_linear_;  ///< no support vectors
  KernelFunction kernel_;
  std::vector<float> coefficients_;
  std::vector<float> rho_;
  std::vector<float> prob_a_;
  std::vector<float> prob_b_;
  PostTransform transform_;
};

}  // namespace

[[gnu::cold]] const OpDef& svm_classifier() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "SVMClassifier",
      .inputs = {{"X", "T1"}},
      .outputs = {{"Y", "T2"}, {"Z", "tensor(float)"}},
      .types = {{"T1", kFeatures}, {"T2", {DataType::kInt64, DataType::kString}}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<SvmClassifier>,
      .flushes_denormals = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& svm_regressor() {
  static const OpDef def{
      .domain = "ai.onnx.ml",
      .name = "SVMRegressor",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "tensor(float)"}},
      .types = {{"T", kFeatures}, {"tensor(float)", kFloatOnly}},
      .make = make_operator<SvmRegressor>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
