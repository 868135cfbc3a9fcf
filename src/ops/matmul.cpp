// MatMul: https://onnx.ai/onnx/operators/onnx__MatMul.html, versions 1 to 13.
// attune.FusedMatMul, which the optimizer makes: y = activation(scale * A B + bias + residual), float, A and B
// optionally with their last two axes swapped.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "attune/error.h"
#include "kernels/gemm.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/constant_matrix.h"
#include "ops/element_types.h"
#include "ops/fused_activation.h"
#include "ops/matrix_loop.h"
#include "ops/op_def.h"
#include "ops/packs_constants.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

/// A product worked out from the operands' shapes. Dimensions may be symbols, in infer().
struct Product {
  Shape batch;    ///< what the leading dimensions of both broadcast to
  Shape a_batch;  ///< A's leading dimensions, padded with ones to the rank of `batch`
  Shape b_batch;
  Shape output;
  kernels::GemmShape matrix;
};

class MatMul final : public Operator, public PacksConstants {
 public:
  explicit MatMul(const Node& node)
      : trans_a_(node.attributes.get_int("trans_a", 0) != 0),
        trans_b_(node.attributes.get_int("trans_b", 0) != 0),
        scale_(node.attributes.get_float("scale", 1.0F)),
        activation_(parse_activation(node)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0) || !context.has_shape(1)) return context.set_output_type(0, context.type(0));
    const Product product = resolve(context.shape(0), context.shape(1), [&context] { return context.fresh_dim(); });
    if (context.has_shape(kBias)) {
      const Shape& bias = context.shape(kBias);
      if (bias.rank() != 1 || (is_known(bias[0]) && is_known(product.matrix.n) && bias[0] != product.matrix.n)) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("The bias has shape {}, the product {}.", bias.to_string(),
                                                          product.output.to_string()));
      }
    }
    if (context.has_shape(kResidual)) check_residual(context.shape(kResidual), product.output);
    context.set_output(0, context.type(0), product.output);
  }

  bool reads_unaligned(int i) const override { return i == 1; }
  bool reads_only_to_pack(int i) const override { return i == 1; }

  void prepare(PrepareContext& context) override { weights_.prepare(context, 1, trans_b_, !trans_a_); }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    if (inputs[0].type != DataType::kFloat || weights_.shape() != nullptr || weights_.in_place()) return 0;
    Product product = resolve(inputs[0].shape(), inputs[1].shape());
    if (folds(product)) product.matrix.m *= product.a_batch.elements();
    return kernels::gemm_workspace_size(product.matrix, threads) * sizeof(float);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    // The rows of a matrix are samples, too, as long as they are not its columns.
    const TensorView& y = outputs[0];
    const bool is_matrix = y.rank() == 2 && inputs[0].rank() == 2 && !trans_a_ && inputs[1].rank() == 2;
    const bool is_stack = y.rank() > 2 && std::max(inputs[0].rank(), inputs[1].rank()) == y.rank();
    if (!is_matrix && !is_stack) return 0;
    uint64_t candidates = 1U << kResidual;
    for (const int i : {0, 1}) {
      const TensorView& operand = inputs[static_cast<size_t>(i)];
      if (is_matrix ? i == 0 : operand.rank() == y.rank() && operand.dim(0) != 1) candidates |= 1U << i;
    }
    const bool is_taken = weights_.shape() != nullptr || weights_.in_place();
    if (is_taken && (candidates & 2U) != 0) return 0;
    return batch_among(candidates, inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& a = context.input(0);
    const TensorView& y = context.output(0);
    const Shape& b_shape = weights_.shape() != nullptr ? *weights_.shape() : context.input(1).shape();
    const Product product = resolve(a.shape(), b_shape);
    if (y.elements() == 0) return;
    if (context.has_input(kResidual)) check_residual(context.input(kResidual).shape(), product.output);
    if (a.type == DataType::kFloat) return run_float(context, product);
    visit_type<double, int32_t, int64_t, uint32_t, uint64_t>(
        a.type, [&](auto tag) { run_loop<typename decltype(tag)::type>(context, product); });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const Shape& a = inputs[0].shape();
    const int64_t k = a[trans_a_ && a.rank() > 1 ? a.rank() - 2 : a.rank() - 1];
    return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(k);
  }

 private:
  static constexpr int kBias = 2;
  static constexpr int kResidual = 3;

  static void check_residual(const Shape& residual, const Shape& output) {
    if (may_be_same(residual, output)) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("The residual has shape {}, the product {}.", residual.to_string(), output.to_string()));
  }

  static int64_t no_dim() { return kUnknownDim; }

  template <class Fresh = int64_t (*)()>
  Product resolve(const Shape& a, const Shape& b, Fresh fresh_dim = no_dim) const {
    const int a_rank = a.rank();
    const int b_rank = b.rank();
    if (a_rank == 0 || b_rank == 0) throw Error(ErrorCode::kInvalidGraph, "MatMul does not take scalars.");
    Product product;
    // A vector is a row on the left and a column on the right; its axis of one leaves the output again.
    const bool swap_a = trans_a_ && a_rank > 1;
    const bool swap_b = trans_b_ && b_rank > 1;
    product.matrix.m = a_rank == 1 ? 1 : a[a_rank - (swap_a ? 1 : 2)];
    const int64_t a_k = a[a_rank - (swap_a ? 2 : 1)];
    const int64_t b_k = b_rank == 1 ? b[0] : b[b_rank - (swap_b ? 1 : 2)];
    product.matrix.n = b_rank == 1 ? 1 : b[b_rank - (swap_b ? 2 : 1)];
    product.matrix.k = is_known(a_k) ? a_k : b_k;
    if (is_known(a_k) && is_known(b_k) && a_k != b_k) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("MatMul dimension mismatch: left operand {}, right operand {}.",
                                                        a.to_string(), b.to_string()));
    }
    const int a_lead = std::max(a_rank - 2, 0);
    const int b_lead = std::max(b_rank - 2, 0);
    const int lead = std::max(a_lead, b_lead);
    for (int axis = 0; axis < lead; ++axis) {
      const int64_t left = axis < lead - a_lead ? 1 : a[axis - (lead - a_lead)];
      const int64_t right = axis < lead - b_lead ? 1 : b[axis - (lead - b_lead)];
      if (is_known(left) && is_known(right) && left != right && left != 1 && right != 1) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("Left operand {} and right operand {} cannot broadcast on dimension {}.", a.to_string(),
                                b.to_string(), axis));
      }
      product.a_batch.push_back(left);
      product.b_batch.push_back(right);
      int64_t dim = kUnknownDim;
      if (left == 1 || same_dim(left, right)) {
        dim = right;
      } else if (right == 1 || is_known(left)) {
        dim = left;  // known and not 1: the other is 1 or the same
      } else if (is_known(right)) {
        dim = right;
      } else {
        dim = fresh_dim();
      }
      product.batch.push_back(dim);
    }
    product.output = product.batch;
    if (a_rank > 1) product.output.push_back(product.matrix.m);
    if (b_rank > 1) product.output.push_back(product.matrix.n);
    return product;
  }

  /// All rows of A meet the same matrix: one product of all of them.
  bool folds(const Product& product) const {
    return product.b_batch.elements() == 1 && (!trans_a_ || product.a_batch.elements() == 1);
  }

  /// Where the matrix of batch entry `index` starts in an operand whose leading dimensions are `own`, in matrices.
  static int64_t matrix_index(const Shape& batch, const Shape& own, int64_t index) {
    int64_t result = 0;
    int64_t stride = 1;
    for (int axis = batch.rank() - 1; axis >= 0; --axis) {
      if (own[axis] != 1) {
        result += index % batch[axis] * stride;
        stride *= own[axis];
      }
      index /= batch[axis];
    }
    return result;
  }

  void run_float(RunContext& context, const Product& product) const {
    kernels::GemmShape shape = product.matrix;
    const bool vector_a = context.input(0).rank() == 1;
    const bool vector_b = weights_.shape() == nullptr && context.input(1).rank() == 1;
    const float* a = context.input(0).as<float>();
    const float* b = weights_.shape() == nullptr ? context.input(1).as<float>() : nullptr;
    float* y = context.output(0).as<float>();
    const float* residual = context.has_input(kResidual) ? context.input(kResidual).as<float>() : nullptr;
    kernels::GemmEpilogue epilogue;
    epilogue.scale = scale_;
    epilogue.activation = activation_;
    if (context.has_input(kBias)) epilogue.bias = context.input(kBias).as<float>();
    epilogue.residual = residual;
    epilogue.residual_stride = shape.n;

    kernels::GemmStrides strides;
    const bool swap_a = trans_a_ && !vector_a;
    const bool swap_b = trans_b_ && !vector_b;
    strides.a_row = swap_a ? 1 : shape.k;
    strides.a_column = swap_a ? shape.m : 1;
    strides.b_row = swap_b ? 1 : shape.n;
    strides.b_column = swap_b ? shape.k : 1;
    strides.c_row = shape.n;

    auto* workspace = reinterpret_cast<float*>(context.workspace().data());
    int64_t count = product.batch.elements();
    if (folds(product)) {
      shape.m *= product.a_batch.elements();
      count = 1;
    }
    if (weights_.shape() == nullptr && !weights_.in_place()) {
      const int64_t a_size = shape.m * shape.k;
      const int64_t b_size = shape.n * shape.k;
      const int64_t c_size = shape.m * shape.n;
      const auto operands = [&](int64_t i) {
        kernels::GemmOperands pointers{a, b, y + i * c_size, residual == nullptr ? nullptr : residual + i * c_size};
        if (count > 1) {
          pointers.a += matrix_index(product.batch, product.a_batch, i) * a_size;
          pointers.b += matrix_index(product.batch, product.b_batch, i) * b_size;
        }
        return pointers;
      };
      if (count > 1) {
        return kernels::gemm_batched(count, shape, strides, operands, epilogue, workspace, context.parallel());
      }
      return kernels::gemm(shape, {a, strides.a_row, strides.a_column}, {b, strides.b_row, strides.b_column}, y,
                           shape.n, epilogue, workspace, context.parallel());
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t a_index = count == 1 ? 0 : matrix_index(product.batch, product.a_batch, i);
      const int64_t b_index = count == 1 ? 0 : matrix_index(product.batch, product.b_batch, i);
      const float* a_matrix = a + a_index * shape.m * shape.k;
      float* c = y + i * shape.m * shape.n;
      if (residual != nullptr) epilogue.residual = residual + i * shape.m * shape.n;
      if (weights_.in_place()) {
        kernels::gemm_nt_unpacked(shape, a_matrix, strides.a_row, b, shape.k, c, shape.n, epilogue, context.parallel());
      } else {
        kernels::gemm_packed(shape, {a_matrix, strides.a_row, strides.a_column}, weights_.packed(b_index), c, shape.n,
                             epilogue, context.parallel());
      }
    }
  }

  template <class T>
  void run_loop(RunContext& context, const Product& product) const {
    const kernels::GemmShape& shape = product.matrix;
    const T* a = context.input(0).as<T>();
    const T* b = context.input(1).as<T>();
    T* y = context.output(0).as<T>();
    const int64_t count = product.batch.elements();
    for (int64_t i = 0; i < count; ++i) {
      const int64_t a_index = matrix_index(product.batch, product.a_batch, i);
      const int64_t b_index = matrix_index(product.batch, product.b_batch, i);
      multiply_matrices<T>(shape, {a + a_index * shape.m * shape.k, shape.k, 1},
                           {b + b_index * shape.k * shape.n, shape.n, 1}, y + i * shape.m * shape.n,
                           context.parallel());
    }
  }

  bool trans_a_;
  bool trans_b_;
  float scale_;
  kernels::Activation activation_;
  ConstantMatrix weights_;
};

}  // namespace

[[gnu::cold]] const OpDef& matmul() {
  static const OpDef def{
      .name = "MatMul",
      .inputs = {{"A", "T"}, {"B", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats | kIndices | TypeSet{DataType::kUint32, DataType::kUint64}}},
      .make = make_operator<MatMul>,
      .flushes_denormals = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& fused_matmul() {
  static const OpDef def{
      .domain = "attune",
      .name = "FusedMatMul",
      .inputs = {{"A", "T"},
                 {"B", "T"},
                 {"bias", "T", Occurrence::kOptional},
                 {"residual", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloatOnly}},
      .make = make_operator<MatMul>,
      .in_place = {3},
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
