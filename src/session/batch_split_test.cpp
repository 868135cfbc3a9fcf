// Runs that go through the batch in pieces: the bits of single runs, in less memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "session/built_model_test.h"

namespace attune {
namespace {

class Builder : public ModelBuilder {
 public:
  Value* conv(Value* x, int64_t from, int64_t to, int64_t stride = 1) {
    Attributes attributes;
    attributes.set("pads", std::vector<int64_t>{1, 1, 1, 1});
    attributes.set("strides", std::vector<int64_t>{stride, stride});
    return op("Conv", {x, weight({to, from, 3, 3}), weight({to})}, attributes);
  }
};

/// Convolutions with a residual, pooling, and a classifier.
Graph image_graph() {
  Builder b;
  Value* x = b.op("Relu", {b.conv(b.input({kUnknownDim, 3, 64, 64}), 3, 16)});
  x = b.op("Add", {x, b.op("Sigmoid", {b.conv(x, 16, 16)})});
  x = b.op("Relu", {b.conv(x, 16, 24, 2)});
  x = b.op("Flatten", {b.op("GlobalAveragePool", {x})});
  x = b.op("Softmax", {b.op("Gemm", {x, b.weight({24, 10}), b.weight({10})})});
  b.graph.add_output(x);
  return std::move(b.graph);
}

/// Products and normalizations of rows, whose first output is read again after the second.
Graph sequence_graph() {
  Builder b;
  Value* x = b.input({kUnknownDim, 96, 64});
  Value* hidden = b.op("Erf", {b.op("Add", {b.op("MatMul", {x, b.weight({64, 256})}), b.weight({256})})});
  Value* narrow = b.op("MatMul", {hidden, b.weight({256, 64})});
  Value* sum = b.op("Add", {x, narrow});
  Attributes swap;
  swap.set("perm", std::vector<int64_t>{0, 2, 1});
  Value* scores = b.op("Softmax", {b.op("MatMul", {sum, b.op("Transpose", {sum}, swap)})});
  b.graph.add_output(b.op("MatMul", {scores, sum}));
  b.graph.add_output(sum);
  return std::move(b.graph);
}

std::vector<NamedTensor> feed(Tensor x) { return {{"x", std::move(x)}}; }

/// Sample `index` of a batch, sharing its memory.
Tensor sample_of(const Tensor& batch, int64_t index) {
  Shape shape = batch.shape();
  const size_t bytes = batch.bytes() / static_cast<size_t>(shape[0]);
  shape[0] = 1;
  auto* data = static_cast<std::byte*>(const_cast<void*>(batch.raw())) + static_cast<size_t>(index) * bytes;
  return Tensor::view(batch.type(), shape, data);
}

void expect_single_runs(const Graph& graph, const Shape& one, int64_t samples) {
  Shape shape = one;
  shape[0] = samples;
  const Tensor x = random_floats(shape, 99);
  InferenceSession reference = session_of(graph);
  for (const ExecutionMode mode : {ExecutionMode::kSequential, ExecutionMode::kParallel}) {
    for (const int threads : {1, 2, 3}) {
      SessionOptions options;
      options.execution_mode = mode;
      options.intra_op_num_threads = threads;
      options.inter_op_num_threads = 2;
      options.enable_cpu_mem_arena = threads != 2;
      InferenceSession session = session_of(graph, options);
      const std::vector<Tensor> results = session.run(feed(x));
      for (int64_t i = 0; i < samples; ++i) {
        const std::vector<Tensor> single = reference.run(feed(sample_of(x, i)));
        ASSERT_EQ(single.size(), results.size());
        for (size_t k = 0; k < single.size(); ++k) {
          const Tensor part = sample_of(results[k], i);
          ASSERT_EQ(part.bytes(), single[k].bytes());
          EXPECT_EQ(0, std::memcmp(part.raw(), single[k].raw(), part.bytes()))
              << "output " << k << " of sample " << i << " with " << threads << " threads";
        }
      }
    }
  }
}

PlanReport plan_of(const Graph& graph, const Shape& one, int64_t samples) {
  Shape shape = one;
  shape[0] = samples;
  return session_of(graph).plan_report({{"x", shape}});
}

int64_t largest_piece(const PlanReport& plan) {
  int64_t most = 0;
  for (const NodeReport& node : plan.nodes) most = std::max(most, node.batch_piece);
  return most;
}

TEST(BatchSplit, ImagesGiveTheBitsOfSingleRunsInLessMemory) {
  const Shape one{1, 3, 64, 64};
  const PlanReport plan = plan_of(image_graph(), one, 61);
  EXPECT_GT(largest_piece(plan), 0);
  EXPECT_LT(plan.region_bytes, plan_of(image_graph(), one, 1).region_bytes * 61 / 2);
  expect_single_runs(image_graph(), one, 61);  // no piece divides it
}

TEST(BatchSplit, SequencesGiveTheBitsOfSingleRunsInLessMemory) {
  const Shape one{1, 96, 64};
  const PlanReport plan = plan_of(sequence_graph(), one, 67);
  EXPECT_GT(largest_piece(plan), 0);
  EXPECT_LT(plan.region_bytes, plan_of(sequence_graph(), one, 1).region_bytes * 67 / 2);
  expect_single_runs(sequence_graph(), one, 67);
}

TEST(BatchSplit, ALimitIsKeptOrRefused) {
  const Shape one{1, 3, 64, 64};
  const Shape shape{61, 3, 64, 64};
  const Tensor x = random_floats(shape, 99);
  InferenceSession free = session_of(image_graph());
  const std::vector<Tensor> expected = free.run(feed(x));
  const size_t usual = plan_of(image_graph(), one, 61).region_bytes;
  for (const int64_t mebibytes : {8, 4, 2}) {
    SessionOptions options;
    options.config_entries["session.max_activation_mib"] = std::to_string(mebibytes);
    InferenceSession session = session_of(image_graph(), options);
    const size_t region = session.plan_report({{"x", shape}}).region_bytes;
    EXPECT_LE(region, static_cast<size_t>(mebibytes) << 20);
    EXPECT_LE(region, usual);
    EXPECT_EQ(0, std::memcmp(session.run(feed(x))[0].raw(), expected[0].raw(), expected[0].bytes()));
  }
  const Shape larger{1, 3, 512, 512};
  SessionOptions options;
  options.config_entries["session.max_activation_mib"] = "8";
  Builder b;
  Value* y = b.conv(b.input({kUnknownDim, 3, kUnknownDim, kUnknownDim}), 3, 16);
  b.graph.add_output(b.op("GlobalAveragePool", {b.conv(y, 16, 16)}));
  InferenceSession session = session_of(b.graph, options);
  try {
    session.run(feed(random_floats(larger, 1)));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_NE(error.text().find("session.max_activation_mib allows 8.0. The largest tensor is '"), std::string::npos)
        << error.text();
    EXPECT_NE(error.text().find("of shape {1,16,512,512}, 16.0 MiB."), std::string::npos) << error.text();
  }
  EXPECT_EQ(session.run(feed(random_floats(one, 1))).size(), 1U);  // a smaller input still runs
  options.config_entries["session.max_activation_mib"] = "much";
  EXPECT_THROW(session_of(image_graph(), options), Error);
}

TEST(BatchSplit, AMatrixThatIsReadByRowsAndAsAWholeStaysWhole) {
  constexpr int64_t kSize = 1024;
  const auto graph = [](bool twice) {
    Builder b;
    Value* x = b.op("Sigmoid", {b.input({kUnknownDim, kSize})});
    Value* other = twice ? b.graph.add_value("y", DataType::kFloat, Shape{kUnknownDim, kSize}) : x;
    if (twice) b.graph.add_input(other);
    Value* product = b.op("Relu", {b.op("Neg", {b.op("MatMul", {x, other})})});
    b.graph.add_output(b.op("Add", {product, x}));
    return std::move(b.graph);
  };
  const Tensor x = random_floats({kSize, kSize}, 5);
  Tensor sigmoid;
  {
    Builder b;
    b.graph.add_output(b.op("Sigmoid", {b.input({kUnknownDim, kSize})}));
    InferenceSession session = session_of(b.graph);
    sigmoid = session.run(feed(x))[0];
  }
  InferenceSession once = session_of(graph(false));
  InferenceSession twice = session_of(graph(true));
  const Tensor same = once.run(feed(x))[0];
  const Tensor apart = twice.run(std::vector<NamedTensor>{{"x", x}, {"y", sigmoid}})[0];
  EXPECT_EQ(0, std::memcmp(same.raw(), apart.raw(), same.bytes()));
}

TEST(BatchSplit, AFailureNamesTheShapesOfTheWholeBatch) {
  Builder b;
  Value* x = b.input({kUnknownDim, 64, 64});
  Value* indices = b.graph.add_value("i", DataType::kInt64, Shape{kUnknownDim, 64});
  b.graph.add_input(indices);
  Value* product = b.op("MatMul", {b.op("MatMul", {x, b.weight({64, 256})}), b.weight({256, 64})});
  Value* rows = b.op("Gather", {b.weight({100, 64}), indices});
  b.graph.add_output(b.op("Add", {product, rows}));
  InferenceSession session = session_of(b.graph);
  Tensor wrong = Tensor::allocate(DataType::kInt64, {200, 64});
  std::fill(wrong.values<int64_t>().begin(), wrong.values<int64_t>().end(), 0);
  wrong.values<int64_t>().back() = 100;
  try {
    session.run(std::vector<NamedTensor>{{"x", random_floats({200, 64, 64}, 1)}, {"i", wrong}});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("{200,64}"), std::string::npos) << error.text();
  }
}

}  // namespace
}  // namespace attune
