// Concat whose inputs are computed in its output: the bits of copying them there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "session/built_model_test.h"

namespace attune {
namespace {

/// Remembers what is joined.
class Builder : public ModelBuilder {
 public:
  Value* conv(Value* x, int64_t from, int64_t to, int64_t kernel = 3, int64_t stride = 1) {
    Attributes attributes;
    attributes.set("pads", std::vector<int64_t>(4, kernel / 2));
    attributes.set("strides", std::vector<int64_t>(2, stride));
    return op("Relu", {op("Conv", {x, weight({to, from, kernel, kernel})}, attributes)});
  }
  Value* concat(std::vector<Value*> inputs, int64_t axis = 1) {
    joined.insert(joined.end(), inputs.begin(), inputs.end());
    Attributes attributes;
    attributes.set("axis", axis);
    return op("Concat", std::move(inputs), attributes);
  }

  std::vector<Value*> joined;
};

/// Makes a graph out of an input; its output is what the tests compare.
using Recipe = Value* (*)(Builder&);

Graph build(Recipe recipe) {
  Builder b;
  b.graph.add_output(recipe(b));
  return std::move(b.graph);
}

/// The same with all that is joined as further outputs, which keeps it where it is.
Graph build_apart(Recipe recipe) {
  Builder b;
  std::vector<Value*> outputs = {recipe(b)};
  for (Value* value : b.joined) {
    if (value->producer() != nullptr && std::find(outputs.begin(), outputs.end(), value) == outputs.end()) {
      outputs.push_back(value);
    }
  }
  for (Value* output : outputs) b.graph.add_output(output);
  return std::move(b.graph);
}

std::vector<NamedTensor> feed(Tensor x) { return {{"x", std::move(x)}}; }

bool has_block(const PlanReport& plan, std::string_view name) {
  return std::any_of(plan.blocks.begin(), plan.blocks.end(),
                     [&](const BlockReport& block) { return block.name == name; });
}

void expect_bits(Recipe recipe, const Tensor& x, const Tensor& expected) {
  for (const ExecutionMode mode : {ExecutionMode::kSequential, ExecutionMode::kParallel}) {
    for (const int threads : {1, 2, 3}) {
      SessionOptions options;
      options.execution_mode = mode;
      options.intra_op_num_threads = threads;
      options.inter_op_num_threads = 2;
      InferenceSession session = session_of(build(recipe), options);
      for (int again = 0; again < 2; ++again) {
        const Tensor result = session.run(feed(x))[0];
        ASSERT_EQ(result.bytes(), expected.bytes());
        EXPECT_EQ(0, std::memcmp(result.raw(), expected.raw(), expected.bytes())) << threads << " threads";
      }
    }
  }
}

/// Channels of two images lie apart, so a batch of 2 is copied: its first image has the bits of the image alone.
void expect_bits_of_a_batch(Recipe recipe, const Shape& shape) {
  const Tensor x = random_floats(shape, 99);
  Shape twice = shape;
  twice[0] = 2;
  const Tensor batch = random_floats(twice, 100);
  std::memcpy(const_cast<void*>(batch.raw()), x.raw(), x.bytes());
  const Tensor both = session_of(build(recipe)).run(feed(batch))[0];
  Shape first = both.shape();
  first[0] = 1;
  expect_bits(recipe, x, Tensor::view(both.type(), first, const_cast<void*>(both.raw())));
}

/// SqueezeNet's: two convolutions of one image.
Value* fire(Builder& b) {
  Value* x = b.conv(b.input({kUnknownDim, 3, 48, 48}), 3, 32);
  x = b.concat({b.conv(x, 32, 64, 1), b.conv(x, 32, 64)});
  return b.conv(x, 128, 16);
}

/// DenseNet's, each Concat adding to the one before.
Value* dense_chain(Builder& b) {
  Value* x = b.conv(b.input({kUnknownDim, 3, 32, 32}), 3, 64);
  for (int i = 0; i < 4; ++i) x = b.concat({x, b.conv(b.conv(x, 64 + 32 * i, 48, 1), 48, 32)});
  return b.op("GlobalAveragePool", {x});
}

/// The same with all parts joined anew each time.
Value* dense_parts(Builder& b) {
  std::vector<Value*> parts = {b.conv(b.input({kUnknownDim, 3, 32, 32}), 3, 64)};
  for (int i = 0; i < 4; ++i) {
    Value* x = i == 0 ? parts[0] : b.concat(parts);
    parts.push_back(b.conv(b.conv(x, 64 + 32 * i, 48, 1), 48, 32));
  }
  return b.op("GlobalAveragePool", {b.concat(parts)});
}

/// Channels that are no whole blocks: some parts begin within one.
Value* odd_channels(Builder& b) {
  Value* x = b.input({kUnknownDim, 3, 24, 24});
  Value* first = b.conv(x, 3, 32);
  Value* second = b.conv(first, 32, 7);
  x = b.concat({first, second, b.conv(second, 7, 25), b.conv(first, 32, 32), b.conv(second, 7, 5)});
  return b.conv(x, 32 + 7 + 25 + 32 + 5, 8);
}

/// A skip connection that waits while the image in between is small.
Value* u_net(Builder& b) {
  Value* wide = b.conv(b.input({kUnknownDim, 3, 64, 64}), 3, 32);
  Value* narrow = b.conv(b.conv(wide, 32, 64, 3, 2), 64, 32);
  Value* scales = b.graph.add_constant(Tensor::from_values<float>({4}, {1, 1, 2, 2}), "scales");
  narrow = b.op("Resize", {narrow, nullptr, scales});
  return b.conv(b.concat({wide, narrow}), 64, 8);
}

/// A part is overwritten by nobody while the whole, or another part, is still read.
Value* parts_read_later(Builder& b) {
  Value* x = b.conv(b.input({kUnknownDim, 3, 16, 16}), 3, 32);
  Value* left = b.conv(x, 32, 32);
  Value* right = b.conv(x, 32, 32);
  Value* both = b.concat({left, right});
  Value* negated = b.op("Neg", {left});
  Value* sigmoid = b.op("Sigmoid", {both});
  Value* twice = b.concat({right, left, right});
  return b.concat({b.op("Neg", {both}), sigmoid, negated, b.op("Exp", {right}), twice});
}

/// Rows of matrices, at offsets that are no multiples of a vector.
Value* rows(Builder& b) {
  Value* x = b.input({kUnknownDim, 5, 7});
  Value* part = b.op("Sigmoid", {x});
  Value* sum = b.concat({b.op("Exp", {part}), b.op("Neg", {x}), x, part}, 0);
  return b.op("Softmax", {b.concat({sum, b.op("Erf", {part})}, 0)});
}

struct Case {
  Recipe recipe;
  Shape shape;
};

TEST(JoinedValues, BitsAreThoseOfCopies) {
  for (const Case& c :
       {Case{fire, {1, 3, 48, 48}}, Case{dense_chain, {1, 3, 32, 32}}, Case{dense_parts, {1, 3, 32, 32}},
        Case{odd_channels, {1, 3, 24, 24}}, Case{u_net, {1, 3, 64, 64}}, Case{parts_read_later, {1, 3, 16, 16}}}) {
    SCOPED_TRACE(c.shape.to_string());
    expect_bits_of_a_batch(c.recipe, c.shape);
  }
  const Tensor x = random_floats({3, 5, 7}, 99);
  expect_bits(rows, x, session_of(build_apart(rows)).run(feed(x))[0]);
}

TEST(JoinedValues, PartsHaveNoMemoryOfTheirOwn) {
  for (const Case& c : {Case{fire, {1, 3, 48, 48}}, Case{dense_chain, {1, 3, 32, 32}},
                        Case{dense_parts, {1, 3, 32, 32}}, Case{rows, {3, 5, 7}}}) {
    Builder b;
    b.graph.add_output(c.recipe(b));
    const PlanReport plan = session_of(b.graph).plan_report({{"x", c.shape}});
    for (const Value* value : b.joined) EXPECT_FALSE(has_block(plan, value->name)) << value->name;
  }
}

TEST(JoinedValues, AWaitingPartMakesNoPeak) {
  Builder b;
  b.graph.add_output(u_net(b));
  const PlanReport plan = session_of(b.graph).plan_report({{"x", Shape{1, 3, 64, 64}}});
  EXPECT_TRUE(has_block(plan, b.joined[0]->name));
  EXPECT_FALSE(has_block(plan, b.joined[1]->name));
}

}  // namespace
}  // namespace attune
