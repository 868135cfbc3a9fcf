// DepthToSpace: https://onnx.ai/onnx/operators/onnx__DepthToSpace.html, versions 1 to 28 (mode from 11).
// SpaceToDepth: https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html, versions 1 to 28 (mode from 28).
#include <fmt/format.h>

#include <string>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// Attributes that both share. A dimension that divides by nothing known stays a fresh symbol.
class BlockMove : public Operator {
 public:
  BlockMove(const Node& node, int mode_since) : size_(node.attributes.require_int("blocksize")) {
    if (size_ < 1 || size_ > 1 << 20) throw Error(ErrorCode::kInvalidGraph, "blocksize must be positive");
    const std::string mode = node.version >= mode_since ? node.attributes.get_string("mode", "DCR") : "DCR";
    if (mode != "DCR" && mode != "CRD") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("mode must be DCR or CRD, not '{}'.", mode));
    }
    depth_first_ = mode == "DCR";
  }

 protected:
  static void check_rank(const Shape& shape) {
    if (shape.rank() == 4) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Expected a tensor of rank 4, got {}.", shape.to_string()));
  }

  static int64_t divide(InferContext& context, int64_t dim, int64_t by) {
    if (by == 1 && dim != kUnknownDim) return dim;
    if (!is_known(dim)) return context.fresh_dim();
    if (dim % by == 0) return dim / by;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("A dimension of {} is not a multiple of {}.", dim, by));
  }

  /// Copies between the image [N, C, H * b, W * b] and the stack [N, C * b * b, H, W] of `stack`'s shape; `to_image`
  /// says which one is the source.
  void move(const RunContext& context, const Shape& stack, bool to_image) const {
    const int64_t b = size_;
    const int64_t channels = stack[1] / (b * b);
    const int64_t height = stack[2];
    const int64_t width = stack[3];
    const int64_t plane = height * width;
    // Axes: n, c, y, x in the stack's planes, row and column within a block.
    const Shape extents{stack[0], channels, height, b, width, b};
    const int64_t block_stride = depth_first_ ? channels * plane : plane;
    const int64_t channel_stride = depth_first_ ? plane : b * b * plane;
    const Shape in_stack{stack[1] * plane, channel_stride, width, b * block_stride, 1, block_stride};
    const Shape in_image{stack[1] * plane, b * b * plane, b * b * width, b * width, b, 1};
    const TensorView& x = context.input(0);
    copy_box(x.type, extents, x.data, 0, to_image ? in_stack : in_image, context.output(0).data, 0,
             to_image ? in_image : in_stack, context.parallel());
  }

  int64_t size_;
  bool depth_first_;
};

class DepthToSpace final : public BlockMove {
 public:
  explicit DepthToSpace(const Node& node) : BlockMove(node, 11) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    Shape shape = context.shape(0);
    check_rank(shape);
    shape[1] = divide(context, shape[1], size_ * size_);
    shape[2] = multiply_dims(context, shape[2], size_);
    shape[3] = multiply_dims(context, shape[3], size_);
    context.set_output(0, context.type(0), shape);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override { move(context, context.input(0).shape(), true); }
};

class SpaceToDepth final : public BlockMove {
 public:
  explicit SpaceToDepth(const Node& node) : BlockMove(node, 28) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    Shape shape = context.shape(0);
    check_rank(shape);
    shape[1] = multiply_dims(context, shape[1], size_ * size_);
    shape[2] = divide(context, shape[2], size_);
    shape[3] = divide(context, shape[3], size_);
    context.set_output(0, context.type(0), shape);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override { move(context, context.output(0).shape(), false); }
};

OpDef make_def(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return OpDef{
      .name = name,
      .inputs = {{"input", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& depth_to_space() {
  static const OpDef def = make_def("DepthToSpace", make_operator<DepthToSpace>);
  return def;
}

[[gnu::cold]] const OpDef& space_to_depth() {
  static const OpDef def = make_def("SpaceToDepth", make_operator<SpaceToDepth>);
  return def;
}

}  // namespace attune::ops
