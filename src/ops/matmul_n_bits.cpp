// com.microsoft.MatMulNBits, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md, version 1: a
// product with weights of 4 or 8 bits, computed in float whatever accuracy_level allows. Gaps: other numbers of bits,
// g_idx, weights that onnxruntime has packed for itself.
#include <fmt/format.h>

#include <vector>

#include "attune/error.h"
#include "base/content_hash.h"
#include "kernels/block_quantized.h"
#include "ops/axes.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

enum Input { kA, kB, kScales, kZeros, kGroups, kBias };

class MatMulNBits final : public Operator {
 public:
  explicit MatMulNBits(const Node& node)
      : k_(node.attributes.require_int("K")),
        n_(node.attributes.require_int("N")),
        block_(node.attributes.require_int("block_size")),
        bits_(node.attributes.get_int("bits", 4)) {
    if (bits_ != 4 && bits_ != 8) throw Error(ErrorCode::kNotImplemented, fmt::format("Weights of {} bits.", bits_));
    if (node.attributes.get_int("weight_prepacked", 0) != 0) {
      throw Error(ErrorCode::kNotImplemented, "Weights that another engine packed.");
    }
    if (node.input(kGroups) != nullptr) throw Error(ErrorCode::kNotImplemented, "Groups of weights (g_idx).");
    if (block_ < 16 || block_ > kMost || (block_ & (block_ - 1)) != 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("block_size is {}, no power of two from 16 on.", block_));
    }
    if (k_ < 1 || n_ < 1 || k_ > kMost || n_ > kMost) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Weights of {} x {}.", k_, n_));
    }
  }

  void infer(InferContext& context) const override {
    if (context.has_shape(kB)) check_count("B", context.shape(kB), n_ * matrix().column_bytes());
    if (context.has_shape(kScales)) check_count("scales", context.shape(kScales), n_ * matrix().blocks());
    if (context.has_shape(kZeros)) check_count("zero_points", context.shape(kZeros), zero_count(context.type(kZeros)));
    if (context.has_shape(kBias)) check_count("bias", context.shape(kBias), n_);
    if (!context.has_shape(kA)) return context.set_output_type(0, context.type(kA));
    Shape y = context.shape(kA);
    if (y.rank() == 0) throw Error(ErrorCode::kInvalidGraph, "MatMulNBits does not take scalars.");
    agree_dims(y[y.rank() - 1], k_, "Columns of A and K");
    y[y.rank() - 1] = n_;
    context.set_output(0, context.type(kA), y);
  }

  void prepare(PrepareContext& context) override {
    const Tensor* scales = context.input(kScales).constant;
    const Tensor* zeros = context.has_input(kZeros) ? context.input(kZeros).constant : nullptr;
    if (scales == nullptr || (context.has_input(kZeros) && zeros == nullptr)) return;
    const Tensor aligned_scales = scales->aligned();
    const Tensor aligned_zeros = zeros == nullptr ? Tensor() : zeros->aligned();
    const TensorView zero_view = zeros == nullptr ? TensorView{} : TensorView::of(aligned_zeros);
    // The zero points are another initializer, which the name must not leave open.
    std::string packing = fmt::format("n_bits/k={}/n={}/block={}/bits={}", k_, n_, block_, bits_);
    if (zeros != nullptr) {
      packing += fmt::format("/zeros={}/{}", data_type_name(zeros->type()),
                             content_hash({static_cast<const std::byte*>(zeros->raw()), zeros->bytes()}));
    }
    table_ = context.pack(kScales, packing, table_floats(), [&](float* out) {
      fill_table(aligned_scales.values<float>().data(), zero_view, reinterpret_cast<kernels::BlockScale*>(out));
    });
    context.release_input(kScales);
    if (zeros != nullptr) context.release_input(kZeros);
  }

  bool reads_unaligned(int i) const override { return i == kB; }

  size_t workspace_bytes(std::span<const TensorView>, std::span<const TensorView>, int threads) const override {
    WorkspaceCursor cursor;
    take_workspace(cursor, threads);
    return cursor.bytes();
  }

  void run(RunContext& context) const override {
    const TensorView& a = context.input(kA);
    if (context.output(0).elements() == 0) return;
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, context.parallel().threads());
    kernels::BlockQuantizedMatrix b = matrix();
    b.data = context.input(kB).as<uint8_t>();
    if (table_ != nullptr) {
      b.scales = reinterpret_cast<const kernels::BlockScale*>(table_.get());
    } else {
      const TensorView zeros = context.has_input(kZeros) ? context.input(kZeros) : TensorView{};
      fill_table(context.input(kScales).as<float>(), zeros, workspace.table);
      b.scales = workspace.table;
    }
    const float* bias = context.has_input(kBias) ? context.input(kBias).as<float>() : nullptr;
    kernels::multiply_block_quantized(a.elements() / k_, a.as<float>(), b, bias, context.output(0).as<float>(),
                                      workspace.kernel, context.parallel());
  }

  double flops(std::span<const TensorView>, std::span<const TensorView> outputs) const override {
    return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(k_);
  }

 private:
  static constexpr int64_t kMost = int64_t{1} << 24;

  struct Workspace {
    kernels::BlockScale* table;
    float* kernel;
  };

  kernels::BlockQuantizedMatrix matrix() const { return {k_, n_, block_, static_cast<int>(bits_), nullptr, nullptr}; }

  size_t table_floats() const { return static_cast<size_t>(2 * n_ * matrix().blocks()); }
  /// Zero points of 4 bits come in pairs, each column beginning with a byte of its own.
  int64_t zero_bytes() const { return (matrix().blocks() * bits_ + 7) / 8; }
  int64_t zero_count(DataType type) const { return n_ * (type == DataType::kUint8 ? zero_bytes() : matrix().blocks()); }

  static void check_count(std::string_view name, const Shape& shape, int64_t wanted) {
    if (!shape.is_concrete() || shape.elements() == wanted) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("{} of shape {} does not have {} elements.", name, shape.to_string(), wanted));
  }

  Workspace take_workspace(WorkspaceCursor& cursor, int threads) const {
    Workspace workspace{};
    if (table_ == nullptr) workspace.table = cursor.take<kernels::BlockScale>(n_ * matrix().blocks());
    workspace.kernel = cursor.take(static_cast<int64_t>(kernels::block_quantized_workspace_size(matrix(), threads)));
    return workspace;
  }

  void fill_table(const float* scales, const TensorView& zeros, kernels::BlockScale* out) const {
    const int64_t blocks = matrix().blocks();
    for (int64_t column = 0; column < n_; ++column) {
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t i = column * blocks + block;
        auto zero = static_cast<float>(1 << (bits_ - 1));
        if (zeros && zeros.type == DataType::kFloat) {
          zero = zeros.as<float>()[i];
        } else if (zeros) {
          const uint8_t byte = zeros.as<uint8_t>()[column * zero_bytes() + block * bits_ / 8];
          zero = static_cast<float>(bits_ == 8 ? byte : block % 2 == 0 ? byte & 15 : byte >> 4);
        }
        out[i] = {scales[i], -zero * scales[i]};
      }
    }
  }

  int64_t k_;
  int64_t n_;
  int64_t block_;
  int64_t bits_;
  PackedWeights table_;  ///< a BlockScale for each block, where scales and zero points are constants
};

}  // namespace

[[gnu::cold]] const OpDef& microsoft_matmul_n_bits() {
  constexpr TypeSet kComputed = kFloatOnly | kHalves.widened();
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "MatMulNBits",
      .inputs = {{"A", "T1"},
                 {"B", "T2"},
                 {"scales", "T1"},
                 {"zero_points", "T3", Occurrence::kOptional},
                 {"g_idx", "T4", Occurrence::kOptional},
                 {"bias", "T1", Occurrence::kOptional}},
      .outputs = {{"Y", "T1"}},
      .types = {{"T1", kComputed},
                {"T2", {DataType::kUint8}},
                {"T3", kComputed | TypeSet{DataType::kUint8}},
                {"T4", {DataType::kInt32}}},
      .make = make_operator<MatMulNBits>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
