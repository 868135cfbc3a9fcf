// Convolutions that run as one step: the bits of one after another.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "session/built_model_test.h"

namespace attune {
namespace {

/// An inverted bottleneck, or the part of it that `widening` 0 leaves.
struct Bottleneck {
  int64_t in = 16;
  int64_t widening = 6;  ///< Channels of the first layer for each input channel; 0 for no first layer.
  int64_t out = 24;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad = 1;
  bool has_residual = false;  ///< The input is added, which has the shape of the output.
  bool is_stem = false;       ///< The first layer is 3x3 with stride 2, from a plain image.
};

class Builder : public ModelBuilder {
 public:
  /// `apart`: what the layers give is the model's output as well, so that it is made whole.
  Builder(const Bottleneck& shape, const Shape& input_shape, bool apart) {
    Value* x = input(input_shape);
    if (!shape.is_stem) x = op("Relu", {conv(x, {shape.in, input_shape[1], 1, 1}, 1, 1, 1, 0)});
    Value* wide = x;
    const int64_t channels = shape.widening == 0 ? shape.in : shape.in * shape.widening;
    if (shape.is_stem) {
      wide = op("Relu", {conv(x, {channels, input_shape[1], 3, 3}, 1, 2, 1, 1)});
    } else if (shape.widening > 0) {
      wide = op("HardSwish", {conv(x, {channels, shape.in, 1, 1}, 1, 1, 1, 0)});
    }
    Value* deep =
        op("Relu",
           {conv(wide, {channels, 1, shape.kernel, shape.kernel}, channels, shape.stride, shape.dilation, shape.pad)});
    Value* y = conv(deep, {shape.out, channels, 1, 1}, 1, 1, 1, 0);
    if (shape.has_residual) y = op("Add", {y, x});
    between = {wide->name, deep->name};
    graph.add_output(y);
    if (!apart) return;
    graph.add_output(deep);
    if (wide->producer() != nullptr) graph.add_output(wide);
  }

  std::vector<std::string> between;

 private:
  Value* conv(Value* x, const Shape& weights, int64_t groups, int64_t stride, int64_t dilation, int64_t pad) {
    Attributes attributes;
    attributes.set("group", groups);
    attributes.set("strides", std::vector<int64_t>(2, stride));
    attributes.set("dilations", std::vector<int64_t>(2, dilation));
    attributes.set("pads", std::vector<int64_t>(4, pad));
    return op("Conv", {x, weight(weights), weight({weights[0]})}, attributes);
  }
};

bool has_block(const PlanReport& plan, std::string_view name) {
  return std::any_of(plan.blocks.begin(), plan.blocks.end(),
                     [&](const BlockReport& block) { return block.name == name; });
}

void expect_bits_of_layers(const Bottleneck& shape, const Shape& input) {
  const Tensor x = random_floats(input, 7);
  const NamedTensor feed{"x", x};
  SessionOptions serial;
  serial.intra_op_num_threads = 1;
  const Tensor expected = session_of(Builder(shape, input, true).graph, serial).run({&feed, 1})[0];
  const Builder builder(shape, input, false);
  for (const int threads : {1, 2, 3, 8}) {
    SessionOptions options;
    options.intra_op_num_threads = threads;
    options.log_severity_level = 4;  // there may be fewer processors
    InferenceSession session = session_of(builder.graph, options);
    const PlanReport plan = session.plan_report({{"x", input}});
    EXPECT_FALSE(has_block(plan, builder.between[1]));
    for (int again = 0; again < 2; ++again) {
      const Tensor result = session.run({&feed, 1})[0];
      ASSERT_EQ(result.shape(), expected.shape());
      ASSERT_EQ(0, std::memcmp(result.raw(), expected.raw(), expected.bytes()))
          << input.to_string() << ' ' << threads << " threads";
    }
  }
}

TEST(ConvChain, BitsAreThoseOfTheLayers) {
  // Images that stay in the cache, and those that do not.
  for (const int64_t size : {5, 14, 57, 112}) {
    for (const int64_t stride : {1, 2}) {
      SCOPED_TRACE(size * 10 + stride);
      expect_bits_of_layers({.stride = stride}, {1, 3, size, size});
      expect_bits_of_layers({.widening = 0, .stride = stride}, {1, 3, size, size});
      expect_bits_of_layers({.in = 32, .widening = 1, .stride = stride, .is_stem = true}, {1, 3, 2 * size, 2 * size});
    }
    expect_bits_of_layers({.out = 16, .has_residual = true}, {1, 3, size, size});
    expect_bits_of_layers({.in = 19, .widening = 5, .out = 19, .has_residual = true}, {2, 3, size, size + 3});
  }
}

TEST(ConvChain, AnyWindow) {
  for (const int64_t kernel : {1, 3, 5, 9}) {
    for (const int64_t dilation : {1, 3}) {
      for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t pad : {int64_t{0}, kernel / 2 * dilation, 2 * kernel * dilation}) {
          SCOPED_TRACE(std::to_string(kernel) + " by " + std::to_string(dilation) + " by " + std::to_string(stride));
          expect_bits_of_layers({.in = 8, .kernel = kernel, .stride = stride, .dilation = dilation, .pad = pad},
                                {1, 3, 61, 90});
        }
      }
    }
  }
}

TEST(ConvChain, Batches) {
  for (const int64_t batch : {2, 3, 5}) {
    expect_bits_of_layers({}, {batch, 3, 40, 40});
    expect_bits_of_layers({.widening = 0}, {batch, 3, 80, 40});
  }
}

/// A convolution and a pooling.
struct Pooled {
  int64_t channels = 32;  ///< Of the convolution's output; its input has as many unless it is the model's.
  int64_t kernel = 3;
  int64_t dilation = 1;
  const char* pooling = "MaxPool";
  int64_t window = 2;
  int64_t stride = 2;
  int64_t pad = 0;
  int64_t ceil_mode = 0;
  int64_t window_dilation = 1;
  bool is_first = false;  ///< Of the model.
  bool has_residual = false;
};

class PooledBuilder : public ModelBuilder {
 public:
  PooledBuilder(const Pooled& shape, const Shape& input_shape, bool apart) {
    Value* x = input(input_shape);
    int64_t channels = input_shape[1];
    if (!shape.is_first) {
      x = op("Relu", {conv(x, {shape.channels, channels, 1, 1}, 1)});
      channels = shape.channels;
    }
    Value* y = conv(x, {shape.channels, channels, shape.kernel, shape.kernel}, shape.dilation);
    if (shape.has_residual) y = op("Add", {y, x});
    y = op("Relu", {y});
    between = y->name;
    Attributes attributes;
    attributes.set("kernel_shape", std::vector<int64_t>(2, shape.window));
    attributes.set("strides", std::vector<int64_t>(2, shape.stride));
    attributes.set("pads", std::vector<int64_t>(4, shape.pad));
    attributes.set("ceil_mode", shape.ceil_mode);
    if (shape.window_dilation > 1) attributes.set("dilations", std::vector<int64_t>(2, shape.window_dilation));
    graph.add_output(op(shape.pooling, {y}, attributes));
    if (apart) graph.add_output(y);
  }

  std::string between;

 private:
  Value* conv(Value* x, const Shape& weights, int64_t dilation) {
    Attributes attributes;
    attributes.set("dilations", std::vector<int64_t>(2, dilation));
    attributes.set("pads", std::vector<int64_t>(4, weights[2] / 2 * dilation));
    return op("Conv", {x, weight(weights), weight({weights[0]})}, attributes);
  }
};

void expect_bits_of_pooling(const Pooled& shape, const Shape& input) {
  SCOPED_TRACE(input.to_string());
  const Tensor x = random_floats(input, 8);
  const NamedTensor feed{"x", x};
  SessionOptions options;
  options.log_severity_level = 4;  // there may be fewer processors
  options.intra_op_num_threads = 1;
  const Tensor expected = session_of(PooledBuilder(shape, input, true).graph, options).run({&feed, 1})[0];
  const PooledBuilder builder(shape, input, false);
  for (const int threads : {1, 2, 3}) {
    options.intra_op_num_threads = threads;
    InferenceSession session = session_of(builder.graph, options);
    EXPECT_FALSE(has_block(session.plan_report({{"x", input}}), builder.between));
    const Tensor result = session.run({&feed, 1})[0];
    ASSERT_EQ(result.shape(), expected.shape());
    ASSERT_EQ(0, std::memcmp(result.raw(), expected.raw(), expected.bytes())) << threads << " threads";
  }
}

TEST(ConvPool, BitsAreThoseOfTheLayers) {
  // One band and several; the last with rows that fill no tile.
  for (const Shape& input : {Shape{1, 3, 13, 11}, Shape{1, 3, 203, 201}, Shape{3, 3, 97, 130}}) {
    expect_bits_of_pooling({}, input);
    expect_bits_of_pooling({.kernel = 5}, input);
    expect_bits_of_pooling({.is_first = true}, input);
    expect_bits_of_pooling({.has_residual = true}, input);
    expect_bits_of_pooling({.channels = 40, .dilation = 2}, input);
    expect_bits_of_pooling({.window = 3, .stride = 2, .pad = 1}, input);
    expect_bits_of_pooling({.window = 3, .stride = 1, .pad = 1}, input);
    expect_bits_of_pooling({.window = 3, .stride = 2, .ceil_mode = 1}, input);
    expect_bits_of_pooling({.window = 2, .stride = 3, .window_dilation = 2}, input);
    expect_bits_of_pooling({.kernel = 1, .pooling = "AveragePool", .window = 3, .stride = 2, .pad = 1}, input);
    expect_bits_of_pooling({.pooling = "AveragePool", .window = 5, .stride = 5}, input);
  }
}

TEST(ConvPool, TheImageBetweenIsNeverWhole) {
  const Shape input{1, 3, 224, 224};
  const size_t image = size_t{64} * 224 * 224 * sizeof(float);
  InferenceSession session = session_of(PooledBuilder({.channels = 64}, input, false).graph);
  EXPECT_LT(session.plan_report({{"x", input}}).region_bytes, 2 * image);  // its input, the output and a band
}

TEST(ConvChain, TakesLessMemoryThanTheLayers) {
  const Shape input{1, 3, 224, 224};
  const std::map<std::string, Shape> shapes{{"x", input}};
  const Bottleneck shape{.in = 16, .widening = 6, .out = 16, .has_residual = true};
  SessionOptions options;
  options.intra_op_num_threads = 2;
  const size_t chained = session_of(Builder(shape, input, false).graph, options).plan_report(shapes).region_bytes;
  options.graph_optimization_level = GraphOptimizationLevel::kEnableBasic;
  const size_t apart = session_of(Builder(shape, input, false).graph, options).plan_report(shapes).region_bytes;
  EXPECT_LT(chained * 3, apart);
}

}  // namespace
}  // namespace attune
