// Gemm: https://onnx.ai/onnx/operators/onnx__Gemm.html, versions 1 to 13. Before version 7 C is
// required, and broadcast alike whatever the attribute says.
#include "kernels/gemm.h"

#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/batch.h"
#include "ops/constant_matrix.h"
#include "ops/element_types.h"
#include "ops/matrix_loop.h"
#include "ops/op_def.h"
#include "ops/packs_constants.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

class Gemm final : public Operator, public PacksConstants {
 public:
  explicit Gemm(const Node& node)
      : alpha_(node.attributes.get_float("alpha", 1.0F)),
        beta_(node.attributes.get_float("beta", 1.0F)),
        trans_a_(node.attributes.get_int("transA", 0) != 0),
        trans_b_(node.attributes.get_int("transB", 0) != 0) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    Shape shape{kUnknownDim, kUnknownDim};
    int64_t a_k = kUnknownDim;
    int64_t b_k = kUnknownDim;
    if (context.has_shape(0)) {
      const Shape& a = check_matrix(context.shape(0));
      shape[0] = a[trans_a_ ? 1 : 0];
      a_k = a[trans_a_ ? 0 : 1];
    }
    if (context.has_shape(1)) {
      const Shape& b = check_matrix(context.shape(1));
      shape[1] = b[trans_b_ ? 0 : 1];
      b_k = b[trans_b_ ? 1 : 0];
    }
    if (is_known(a_k) && is_known(b_k) && a_k != b_k) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("GEMM: Dimension mismatch, W: {} K: {} N:{}",
                                                        context.shape(1).to_string(), a_k, shape[1]));
    }
    if (context.has_shape(2)) check_addend(context.shape(2), shape);
    for (int axis = 0; axis < 2; ++axis) {
      if (shape[axis] == kUnknownDim) shape[axis] = context.fresh_dim();
    }
    context.set_output(0, type, shape);
  }

  bool reads_unaligned(int i) const override { return i == 1; }
  bool reads_only_to_pack(int i) const override { return i == 1; }

  void prepare(PrepareContext& context) override { weights_.prepare(context, 1, trans_b_, !trans_a_); }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    if (inputs[0].type != DataType::kFloat) return 0;
    WorkspaceCursor cursor;
    take_workspace(cursor, product_shape(inputs[0].shape(), outputs[0].shape()), threads);
    return cursor.bytes();
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    if (trans_a_) return 0;
    const bool has_rows =
        inputs.size() > 2 && inputs[2].dims != nullptr && inputs[2].rank() == 2 && inputs[2].dim(0) > 1;
    return batch_among(has_rows ? 0b101 : 0b001, inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.output(0).elements() == 0) return;
    if (context.input(0).type == DataType::kFloat) return run_float(context);
    visit_type<double, int32_t, int64_t, uint32_t, uint64_t>(
        context.input(0).type, [&](auto tag) { run_loop<typename decltype(tag)::type>(context); });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const kernels::GemmShape shape = product_shape(inputs[0].shape(), outputs[0].shape());
    return 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  }

 private:
  struct Workspace {
    float* addend;  ///< C as a row or a column, multiplied by beta
    float* product;
  };

  static const Shape& check_matrix(const Shape& shape) {
    if (shape.rank() == 2) return shape;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Gemm takes matrices, not a tensor of shape {}.", shape.to_string()));
  }

  /// C broadcasts to the output in one direction only.
  static void check_addend(const Shape& c, const Shape& output) {
    bool fits = c.rank() <= 2;
    for (int axis = 0; fits && axis < c.rank(); ++axis) {
      const int64_t dim = c[axis];
      const int64_t wanted = output[axis + 2 - c.rank()];
      fits = dim == 1 || !is_known(dim) || !is_known(wanted) || dim == wanted;
    }
    if (fits) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Gemm: Invalid bias shape for broadcast: {} to {}.", c.to_string(), output.to_string()));
  }

  kernels::GemmShape product_shape(const Shape& a, const Shape& y) const { return {y[0], y[1], a[trans_a_ ? 0 : 1]}; }

  Workspace take_workspace(WorkspaceCursor& cursor, const kernels::GemmShape& shape, int threads) const {
    Workspace workspace{};
    workspace.addend = cursor.take(std::max(shape.m, shape.n));
    if (weights_.shape() == nullptr && !weights_.in_place()) {
      workspace.product = cursor.take(static_cast<int64_t>(kernels::gemm_workspace_size(shape, threads)));
    }
    return workspace;
  }

  /// Puts beta * C into the epilogue, by way of the workspace or of the output where it has to be computed first.
  void add_addend(const RunContext& context, const kernels::GemmShape& shape, float* addend,
                  kernels::GemmEpilogue& epilogue) const {
    const TensorView& c = context.input(2);
    const auto* data = c.as<float>();
    const int64_t rows = c.rank() == 2 ? c.dim(0) : 1;
    const int64_t columns = c.rank() == 0 ? 1 : c.dim(c.rank() - 1);
    if (rows > 1 && columns == shape.n) {
      epilogue.residual = data;
      epilogue.residual_stride = shape.n;
      if (beta_ == 1.0F) return;
      auto* y = context.output(0).as<float>();
      for_ranges(context.parallel(), shape.m * shape.n, 16384, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) y[i] = beta_ * data[i];
      });
      epilogue.residual = y;
      return;
    }
    if (rows > 1) {
      for (int64_t i = 0; i < shape.m; ++i) addend[i] = beta_ * data[i];
      epilogue.bias_rows = addend;
      return;
    }
    if (beta_ == 1.0F && columns == shape.n) {
      epilogue.bias = data;
      return;
    }
    for (int64_t j = 0; j < shape.n; ++j) addend[j] = beta_ * data[columns == 1 ? 0 : j];
    epilogue.bias = addend;
  }

  void run_float(RunContext& context) const {
    const kernels::GemmShape shape = product_shape(context.input(0).shape(), context.output(0).shape());
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, shape, context.parallel().threads());
    kernels::GemmEpilogue epilogue;
    epilogue.scale = alpha_;
    if (context.has_input(2) && beta_ != 0.0F) add_addend(context, shape, workspace.addend, epilogue);
    const kernels::MatrixView a{context.input(0).as<float>(), trans_a_ ? 1 : shape.k, trans_a_ ? shape.m : 1};
    auto* y = context.output(0).as<float>();
    if (weights_.shape() != nullptr) {
      return kernels::gemm_packed(shape, a, weights_.packed(0), y, shape.n, epilogue, context.parallel());
    }
    const auto* b = context.input(1).as<float>();
    if (weights_.in_place()) {
      return kernels::gemm_nt_unpacked(shape, a.data, shape.k, b, shape.k, y, shape.n, epilogue, context.parallel());
    }
    kernels::gemm(shape, a, {b, trans_b_ ? 1 : shape.n, trans_b_ ? shape.k : 1}, y, shape.n, epilogue,
                  workspace.product, context.parallel());
  }

  template <class T>
  void run_loop(RunContext& context) const {
    const kernels::GemmShape shape = product_shape(context.input(0).shape(), context.output(0).shape());
    T* y = context.output(0).as<T>();
    multiply_matrices<T>(shape, {context.input(0).as<T>(), trans_a_ ? 1 : shape.k, trans_a_ ? shape.m : 1},
                         {context.input(1).as<T>(), trans_b_ ? 1 : shape.n, trans_b_ ? shape.k : 1}, y,
                         context.parallel());
    const bool has_addend = context.has_input(2);
    if (alpha_ == 1.0F && !has_addend) return;
    const TensorView c = has_addend ? context.input(2) : TensorView{};
    const int64_t rows = has_addend && c.rank() == 2 ? c.dim(0) : 1;
    const int64_t columns = has_addend && c.rank() > 0 ? c.dim(c.rank() - 1) : 1;
    for (int64_t i = 0; i < shape.m; ++i) {
      for (int64_t j = 0; j < shape.n; ++j) {
        T& value = y[i * shape.n + j];
        value = wrapping_mul(value, static_cast<T>(alpha_));
        if (!has_addend) continue;
        const T addend = c.as<T>()[(rows == 1 ? 0 : i * columns) + (columns == 1 ? 0 : j)];
        value = wrapping_add(value, wrapping_mul(addend, static_cast<T>(beta_)));
      }
    }
  }

  float alpha_;
  float beta_;
  bool trans_a_;
  bool trans_b_;
  ConstantMatrix weights_;
};

}  // namespace

[[gnu::cold]] const OpDef& gemm() {
  static const OpDef def{
      .name = "Gemm",
      .inputs = {{"A", "T"}, {"B", "T"}, {"C", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats | kIndices | TypeSet{DataType::kUint32, DataType::kUint64}}},
      .make = make_operator<Gemm>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
