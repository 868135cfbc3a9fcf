#include <algorithm>

#include "ops/op_test.h"

namespace attune {
namespace {

/// [count] products of dense matrices, in double.
Tensor multiply(const Tensor& a, const Tensor& b, const Shape& shape, bool trans_b = false) {
  Tensor c = Tensor::allocate(DataType::kFloat, shape);
  const int64_t m = shape[shape.rank() - 2];
  const int64_t n = shape[shape.rank() - 1];
  const int64_t k = a.shape()[a.shape().rank() - 1];
  const int64_t count = shape.product(0, shape.rank() - 2);
  for (int64_t i = 0; i < count; ++i) {
    const float* left = a.values<float>().data() + (a.elements() == m * k ? 0 : i * m * k);
    const float* right = b.values<float>().data() + (b.elements() == n * k ? 0 : i * n * k);
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t column = 0; column < n; ++column) {
        double sum = 0.0;
        for (int64_t p = 0; p < k; ++p) {
          sum += double{left[row * k + p]} * double{right[trans_b ? column * k + p : p * n + column]};
        }
        c.values<float>()[static_cast<size_t>((i * m + row) * n + column)] = static_cast<float>(sum);
      }
    }
  }
  return c;
}

TEST(MatMul, MultipliesMatrices) {
  OpTest("MatMul")
      .input<float>({2, 3}, {1, 2, 3, 4, 5, 6})
      .input<float>({3, 2}, {1, 0, 0, 1, 2, -1})
      .output<float>({2, 2}, {7, -1, 16, -1})
      .run();
  const Tensor a = random_floats({37, 65}, 1);
  const Tensor b = random_floats({65, 50}, 2);
  OpTest("MatMul", 9).input(a).input(b).output(multiply(a, b, {37, 50})).tolerance(1e-5, 1e-5).run();
}

TEST(MatMul, TakesVectors) {
  const std::vector<float> matrix{1, 2, 3, 4, 5, 6};
  OpTest("MatMul").input<float>({2}, {1, -1}).input<float>({2, 3}, matrix).output<float>({3}, {-3, -3, -3}).run();
  OpTest("MatMul").input<float>({2, 3}, matrix).input<float>({3}, {1, 0, 2}).output<float>({2}, {7, 16}).run();
  OpTest("MatMul").input<float>({3}, {1, 2, 3}).input<float>({3}, {4, 5, 6}).output<float>({}, {32}).run();
  OpTest("MatMul").input<float>({2}, {1, 1}).input<float>({2, 2, 1}, {1, 2, 3, 4}).output<float>({2, 1}, {3, 7}).run();
  OpTest("MatMul").input<float>({2, 1, 2}, {1, 2, 3, 4}).input<float>({2}, {1, 1}).output<float>({2, 1}, {3, 7}).run();
}

TEST(MatMul, BroadcastsLeadingDimensions) {
  const Tensor a = random_floats({2, 3, 4, 5}, 3);
  const Tensor b = random_floats({2, 3, 5, 6}, 4);
  const Tensor matrix = random_floats({5, 6}, 5);
  OpTest("MatMul").input(a).input(b).output(multiply(a, b, {2, 3, 4, 6})).run();
  OpTest("MatMul").input(a).input(matrix).output(multiply(a, matrix, {2, 3, 4, 6})).run();
  const Tensor rows = random_floats({4, 5}, 6);
  OpTest("MatMul").input(rows).input(b).output(multiply(rows, b, {2, 3, 4, 6})).run();
  // [2, 1] against [1, 3] gives [2, 3].
  OpTest("MatMul")
      .input<float>({2, 1, 1, 2}, {1, 2, 3, 4})
      .input<float>({1, 3, 2, 1}, {1, 0, 0, 1, 1, 1})
      .output<float>({2, 3, 1, 1}, {1, 2, 3, 3, 4, 7})
      .run();
  OpTest("MatMul")
      .input<float>({2, 1, 2}, {1, 2, 3, 4})
      .input<float>({1, 2, 2, 1}, {1, 0, 0, 1})
      .output<float>({1, 2, 1, 1}, {1, 4})
      .run();
}

TEST(MatMul, OtherTypes) {
  OpTest("MatMul")
      .input<int32_t>({1, 2}, {3, -4})
      .input<int32_t>({2, 2}, {1, 2, 3, 4})
      .output<int32_t>({1, 2}, {-9, -10})
      .run();
  OpTest("MatMul")
      .input<int64_t>({1, 1}, {int64_t{1} << 62})
      .input<int64_t>({1, 1}, {4})
      .output<int64_t>({1, 1}, {0})  // wraps around
      .run();
  OpTest("MatMul").input<uint32_t>({1, 1}, {7}).input<uint32_t>({1, 1}, {6}).output<uint32_t>({1, 1}, {42}).run();
  OpTest("MatMul")
      .input<double>({2, 1}, {0.5, 2})
      .input<double>({2, 1, 2}, {1, 2, 3, 4})
      .output<double>({2, 2, 2}, {0.5, 1, 2, 4, 1.5, 2, 6, 8})
      .run();
}

TEST(MatMul, EmptyOperands) {
  OpTest("MatMul").input<float>({0, 3}, {}).input<float>({3, 2}, {1, 2, 3, 4, 5, 6}).output<float>({0, 2}, {}).run();
  OpTest("MatMul").input<float>({2, 0}, {}).input<float>({0, 2}, {}).output<float>({2, 2}, {0, 0, 0, 0}).run();
  OpTest("MatMul").input<int64_t>({2, 0}, {}).input<int64_t>({0, 1}, {}).output<int64_t>({2, 1}, {0, 0}).run();
  OpTest("MatMul")
      .input<float>({0, 2, 2}, {})
      .input<float>({1, 2, 3}, {1, 2, 3, 4, 5, 6})
      .output<float>({0, 2, 3}, {})
      .run();
}

TEST(MatMul, ContradictingShapes) {
  OpTest("MatMul").input<float>({2, 2}, {1, 2, 3, 4}).input<float>({1, 2}, {1, 2}).fails("dimension mismatch");
  OpTest("MatMul").input<float>({}, {1}).input<float>({1, 2}, {1, 2}).fails("does not take scalars");
  OpTest("MatMul")
      .input<float>({2, 1, 1}, {1, 2})
      .input<float>({3, 1, 1}, {1, 2, 3})
      .fails("cannot broadcast on dimension 0");
}

TEST(MatMul, InferenceKeepsSymbols) {
  Graph graph;
  graph.opsets[""] = 17;
  const int64_t batch = graph.symbols->fresh("batch");
  const int64_t length = graph.symbols->fresh("length");
  Value* a = graph.add_value("a", DataType::kFloat, Shape{batch, 12, length, 64});
  Value* b = graph.add_value("b", DataType::kFloat, Shape{batch, 12, 64, length});
  Value* y = graph.add_value("y");
  const Node* node = graph.add_node("MatMul", {a, b}, {y});
  infer_node(graph, *node, *make_node_operator(*node));
  EXPECT_EQ(*y->shape, (Shape{batch, 12, length, length}));
}

TEST(FusedMatMul, AppliesItsEpilogue) {
  const Tensor a = random_floats({2, 3, 8}, 7);
  const Tensor b = random_floats({8, 5}, 8);
  const Tensor bias = random_floats({5}, 9);
  const Tensor residual = random_floats({2, 3, 5}, 10);
  Tensor expected = multiply(a, b, {2, 3, 5});
  for (size_t i = 0; i < 30; ++i) {
    float& value = expected.values<float>()[i];
    value = std::max(value * 0.5F + bias.values<float>()[i % 5] + residual.values<float>()[i], 0.0F);
  }
  OpTest("FusedMatMul", 1, "attune")
      .attribute("scale", 0.5F)
      .attribute("activation", std::string("Relu"))
      .input(a)
      .input(b)
      .input(bias)
      .input(residual)
      .output(expected)
      .run();
}

TEST(FusedMatMul, ResidualOfABatchedProduct) {
  const Tensor a = random_floats({3, 4, 8}, 11);
  const Tensor b = random_floats({3, 8, 5}, 12);
  const Tensor residual = random_floats({3, 4, 5}, 13);
  Tensor expected = multiply(a, b, {3, 4, 5});
  for (size_t i = 0; i < 60; ++i) expected.values<float>()[i] += residual.values<float>()[i];
  OpTest("FusedMatMul", 1, "attune").input(a).input(b).no_input().input(residual).output(expected).run();
}

TEST(FusedMatMul, SwapsAxes) {
  const Tensor a = random_floats({2, 3, 8}, 14);
  const Tensor b = random_floats({2, 5, 8}, 15);
  const Tensor expected = multiply(a, b, {2, 3, 5}, true);
  OpTest("FusedMatMul", 1, "attune").attribute("trans_b", int64_t{1}).input(a).input(b).output(expected).run();
  Tensor turned = Tensor::allocate(DataType::kFloat, {2, 8, 3});
  for (size_t i = 0; i < 2; ++i) {
    for (size_t row = 0; row < 3; ++row) {
      for (size_t k = 0; k < 8; ++k) {
        turned.values<float>()[(i * 8 + k) * 3 + row] = a.values<float>()[(i * 3 + row) * 8 + k];
      }
    }
  }
  OpTest("FusedMatMul", 1, "attune")
      .attribute("trans_a", int64_t{1})
      .attribute("trans_b", int64_t{1})
      .input(turned)
      .input(b)
      .output(expected)
      .run();
}

// 8 MiB and more of transposed weights stay where they are, at any address.
TEST(FusedMatMul, LargeWeightsStayInPlace) {
  const Tensor a = random_floats({3, 1024}, 16);
  const Tensor b = random_floats({2048, 1024}, 17);
  const Tensor expected = multiply(a, b, {3, 2048}, true);
  std::vector<char> file(b.bytes() + 1);
  std::memcpy(file.data() + 1, b.raw(), b.bytes());
  const Tensor odd = Tensor::view(DataType::kFloat, b.shape(), file.data() + 1);
  for (const Tensor& weights : {b, odd}) {
    OpTest("FusedMatMul", 1, "attune")
        .attribute("trans_b", int64_t{1})
        .input(a)
        .input(weights)
        .output(expected)
        .tolerance(1e-4, 1e-4)
        .run();
  }
}

TEST(FusedMatMul, ContradictingShapes) {
  const Tensor matrix = random_floats({2, 2}, 18);
  OpTest("FusedMatMul", 1, "attune")
      .input(matrix)
      .input(matrix)
      .input<float>({3}, {1, 2, 3})
      .fails("The bias has shape");
  OpTest("FusedMatMul", 1, "attune")
      .input(matrix)
      .input(matrix)
      .no_input()
      .input<float>({2}, {1, 2})
      .fails("The residual has shape");
  OpTest("FusedMatMul", 1, "attune")
      .attribute("activation", std::string("Sine"))
      .input(matrix)
      .input(matrix)
      .fails("Unknown activation 'Sine'");
}

}  // namespace
}  // namespace attune
