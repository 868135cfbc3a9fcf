// Table tests of operators: one OpTest a case.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "attune/tensor.h"
#include "base/parallel.h"
#include "graph/graph.h"
#include "ops/evaluate.h"
#include "ops/infer.h"
#include "ops/op_def.h"

namespace attune {

/// Builds a one-node graph, infers it twice (with symbolic and with concrete shapes), runs it once with its inputs as
/// constants (packed weights) and once as plain feeds, and checks that
/// - inference and run agree on types and shapes, and symbolic inference contradicts neither,
/// - both runs give the expected outputs,
/// - where the operator says that samples are independent, sample after sample gives the bits of the whole batch.
class OpTest {
 public:
  explicit OpTest(std::string_view op_type, int version = 17, std::string_view domain = "")
      : op_type_(op_type), domain_(domain), version_(version) {}

  OpTest& attribute(std::string_view name, AttributeValue value) {
    attributes_.set(name, std::move(value));
    return *this;
  }
  OpTest& input(Tensor tensor) {
    inputs_.push_back(std::move(tensor));
    return *this;
  }
  template <class T>
  OpTest& input(const Shape& shape, std::vector<T> values) {
    return input(make<T>(shape, values));
  }
  /// An optional input that is left out.
  OpTest& no_input() { return input(Tensor()); }
  OpTest& output(Tensor tensor) {
    expected_.push_back(std::move(tensor));
    return *this;
  }
  template <class T>
  OpTest& output(const Shape& shape, std::vector<T> values) {
    return output(make<T>(shape, values));
  }
  /// Allowed |actual - expected| <= absolute + relative * |expected|, for floating-point outputs.
  OpTest& tolerance(double absolute, double relative) {
    absolute_ = absolute;
    relative_ = relative;
    return *this;
  }

  /// Runs every check.
  void run() {
    SCOPED_TRACE(op_type_ + "-" + std::to_string(version_));
    for (const bool constant_inputs : {true, false}) {
      Graph graph;
      const Node* node = build(graph, constant_inputs, false);
      const auto op = make_node_operator(*node);
      infer_node(graph, *node, *op);
      SerialParallel parallel;
      const std::vector<Tensor> actual = constant_inputs ? evaluate(*op, inputs_, outputs(), parallel)
                                                         : evaluate_prepared(*op, inputs_, outputs(), parallel);
      for (size_t i = 0; i < expected_.size(); ++i) {
        if (!expected_[i]) continue;
        SCOPED_TRACE("output " + std::to_string(i));
        compare(actual[i], expected_[i]);
        check_inferred(*node->output(static_cast<int>(i)), expected_[i]);
      }
      check_samples(*op, actual);
    }
    Graph symbolic;
    const Node* node = build(symbolic, false, true);
    infer_node(symbolic, *node, *make_node_operator(*node));
    for (size_t i = 0; i < expected_.size(); ++i) {
      if (expected_[i]) check_inferred(*node->output(static_cast<int>(i)), expected_[i]);
    }
  }

  /// Making, inferring or running the node throws attune::Error whose text contains `text`.
  void fails(std::string_view text, int output_count = 1) {
    SCOPED_TRACE(op_type_ + "-" + std::to_string(version_));
    while (static_cast<int>(expected_.size()) < output_count) expected_.emplace_back(Tensor::scalar(0.0F));
    try {
      Graph graph;
      const Node* node = build(graph, true, false);
      const auto op = make_node_operator(*node);
      infer_node(graph, *node, *op);
      SerialParallel parallel;
      evaluate(*op, inputs_, outputs(), parallel);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_NE(error.text().find(text), std::string::npos) << error.what();
    }
  }

  /// The outputs, for checks that a table cannot express.
  std::vector<Tensor> results(int output_count = 1) {
    while (static_cast<int>(expected_.size()) < output_count) expected_.emplace_back(Tensor::scalar(0.0F));
    Graph graph;
    const Node* node = build(graph, true, false);
    SerialParallel parallel;
    return evaluate(*make_node_operator(*node), inputs_, outputs(), parallel);
  }

 private:
  template <class T>
  static Tensor make(const Shape& shape, const std::vector<T>& values) {
    Tensor tensor = Tensor::allocate(Tensor::data_type_of<T>(), shape);
    EXPECT_EQ(static_cast<size_t>(tensor.elements()), values.size());
    std::copy(values.begin(), values.end(), tensor.values<T>().begin());
    return tensor;
  }

  int outputs() const { return static_cast<int>(expected_.size()); }

  Node* build(Graph& graph, bool constant_inputs, bool symbolic) const {
    graph.opsets[domain_] = version_;
    std::vector<Value*> inputs;
    for (const Tensor& tensor : inputs_) {
      if (!tensor) {
        inputs.push_back(nullptr);
      } else if (constant_inputs) {
        inputs.push_back(graph.add_constant(tensor));
      } else {
        Shape shape = tensor.shape();
        if (symbolic) {
          for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = graph.symbols->fresh();
        }
        inputs.push_back(graph.add_value({}, tensor.type(), shape));
        graph.add_input(inputs.back());
      }
    }
    std::vector<Value*> results;
    for (const Tensor& tensor : expected_) results.push_back(tensor ? graph.add_value() : nullptr);
    Node* node = graph.add_node(op_type_, inputs, results, "tested", domain_, version_);
    node->attributes = attributes_;
    return node;
  }

  /// Runs the operator for the first sample, then for the others, as the planner may.
  void check_samples(const Operator& op, const std::vector<Tensor>& whole) const {
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (const Tensor& input : inputs_) inputs.push_back(input ? TensorView::of(input) : TensorView{});
    for (size_t i = 0; i < expected_.size(); ++i) {
      outputs.push_back(expected_[i] ? TensorView::of(whole[i]) : TensorView{});
      if (expected_[i] && expected_[i].type() == DataType::kString) return;
    }
    const uint64_t batch = op.batch_inputs(inputs, outputs);
    if (batch == 0) return;
    int64_t samples = 0;
    for (const TensorView& output : outputs) samples = output.dims != nullptr ? output.dim(0) : samples;
    ASSERT_GE(samples, 2);
    std::vector<Tensor> results;
    for (const TensorView& output : outputs) {
      if (output.dims != nullptr) {
        ASSERT_EQ(output.dim(0), samples);
      }
      results.push_back(output.dims != nullptr ? Tensor::allocate(output.type, output.shape()) : Tensor());
    }
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 1}, {1, samples}}) {
      std::deque<Shape> shapes;
      const auto cut = [&, begin = begin, end = end](TensorView view, void* data) {
        EXPECT_EQ(view.dim(0), samples);
        const size_t stride = view.physical_bytes() / static_cast<size_t>(samples);
        shapes.push_back(view.shape());
        shapes.back()[0] = end - begin;
        view.dims = &shapes.back();
        view.data = static_cast<std::byte*>(data) + static_cast<size_t>(begin) * stride;
        return view;
      };
      std::vector<TensorView> piece_inputs = inputs;
      std::vector<TensorView> piece_outputs = outputs;
      for (size_t i = 0; i < inputs.size(); ++i) {
        if ((batch >> i & 1U) != 0) piece_inputs[i] = cut(inputs[i], inputs[i].data);
      }
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].dims != nullptr) piece_outputs[i] = cut(outputs[i], results[i].raw());
      }
      struct Piece final : RunContext {
        using RunContext::RunContext;
        void give_output(int, Tensor) override { ADD_FAILURE() << "an output of its own for a piece of the batch"; }
      };
      SerialParallel parallel;
      Tensor workspace = Tensor::allocate(DataType::kUint8,
                                          {static_cast<int64_t>(op.workspace_bytes(piece_inputs, piece_outputs, 1))});
      Piece context(piece_inputs, piece_outputs, std::as_writable_bytes(workspace.values<uint8_t>()), parallel);
      op.run(context);
    }
    for (size_t i = 0; i < results.size(); ++i) {
      if (!results[i]) continue;
      EXPECT_EQ(0, std::memcmp(results[i].raw(), whole[i].raw(), whole[i].bytes())) << "samples of output " << i;
    }
  }

  static void check_inferred(const Value& value, const Tensor& expected) {
    EXPECT_EQ(value.type, expected.type());
    if (!value.shape) return;
    ASSERT_EQ(value.shape->rank(), expected.shape().rank());
    for (int axis = 0; axis < expected.shape().rank(); ++axis) {
      const int64_t inferred = (*value.shape)[axis];
      EXPECT_TRUE(!is_known(inferred) || inferred == expected.shape()[axis]) << "axis " << axis << ": " << inferred;
    }
  }

  void compare(const Tensor& actual, const Tensor& expected) const {
    ASSERT_EQ(actual.type(), expected.type());
    ASSERT_EQ(actual.shape(), expected.shape()) << actual.shape().to_string() << " " << expected.shape().to_string();
    switch (expected.type()) {
      case DataType::kFloat:
        return compare_floats<float>(actual, expected);
      case DataType::kDouble:
        return compare_floats<double>(actual, expected);
      case DataType::kString:
        return compare_exact<std::string>(actual, expected);
      default:
        EXPECT_EQ(0, std::memcmp(actual.raw(), expected.raw(), expected.bytes()));
        if (expected.type() == DataType::kInt64) compare_exact<int64_t>(actual, expected);
        if (expected.type() == DataType::kInt32) compare_exact<int32_t>(actual, expected);
        if (expected.type() == DataType::kBool) compare_exact<bool>(actual, expected);
    }
  }

  template <class T>
  static void compare_exact(const Tensor& actual, const Tensor& expected) {
    for (size_t i = 0; i < expected.values<T>().size(); ++i) {
      ASSERT_EQ(actual.values<T>()[i], expected.values<T>()[i]) << "element " << i;
    }
  }

  template <class T>
  void compare_floats(const Tensor& actual, const Tensor& expected) const {
    for (size_t i = 0; i < expected.values<T>().size(); ++i) {
      const double a = actual.values<T>()[i];
      const double e = expected.values<T>()[i];
      if (std::isnan(e)) {
        ASSERT_TRUE(std::isnan(a)) << "element " << i << " is " << a;
      } else if (std::isinf(e)) {
        ASSERT_EQ(a, e) << "element " << i;
      } else {
        ASSERT_NEAR(a, e, absolute_ + relative_ * std::abs(e)) << "element " << i;
      }
    }
  }

  std::string op_type_;
  std::string domain_;
  int version_;
  Attributes attributes_;
  std::vector<Tensor> inputs_;
  std::vector<Tensor> expected_;
  double absolute_ = 1e-6;
  double relative_ = 1e-5;
};

/// Uniform floats in [low, high), the same for the same seed.
inline Tensor random_floats(const Shape& shape, uint32_t seed, float low = -1.0F, float high = 1.0F) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> distribution(low, high);
  for (float& value : tensor.values<float>()) value = distribution(generator);
  return tensor;
}

}  // namespace attune
