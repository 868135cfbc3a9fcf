// attune.FusedAttention, which the optimizer makes: for each head softmax(scale * Q K^T + mask) V, read straight from
// the projections [batch, sequence, heads * size] (or [batch, sequence, heads, size], the same memory) and written as
// [batch, sequence, heads * size].
#include <fmt/format.h>

#include "attune/error.h"
#include "kernels/attention.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

constexpr int kMask = 3;

class FusedAttention final : public Operator {
 public:
  explicit FusedAttention(const Node& node)
      : heads_(node.attributes.require_int("num_heads")), scale_(node.attributes.get_float("scale", 1.0F)) {
    if (heads_ < 1) throw Error(ErrorCode::kInvalidGraph, fmt::format("num_heads is {}.", heads_));
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0) || !context.has_shape(1) || !context.has_shape(2)) {
      return context.set_output_type(0, context.type(0));
    }
    const Shape& q = context.shape(0);
    const Shape& k = context.shape(1);
    const Shape& v = context.shape(2);
    for (const Shape* shape : {&q, &k, &v}) check_projection(*shape);
    const int64_t batch = agree_dims(agree_dims(q[0], k[0], "Batch of Q and K"), v[0], "Batch of Q and V");
    const int64_t keys = agree_dims(k[1], v[1], "Sequence of K and V");
    agree_dims(width(q), width(k), "Size of Q and K");
    if (context.has_shape(kMask)) check_mask(context.shape(kMask), {batch, heads_, q[1], keys});
    const int64_t columns = width(v) == kUnknownDim ? context.fresh_dim() : width(v);
    context.set_output(0, context.type(0), Shape{batch, q[1], columns});
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    if (outputs[0].elements() == 0) return 0;
    return kernels::attention_workspace_size(describe(inputs, outputs[0]), threads) * sizeof(float);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const bool own_masks = inputs.size() > kMask && inputs[kMask].dims != nullptr && inputs[kMask].rank() == 4 &&
                           inputs[kMask].dim(0) != 1;
    return batch_among(own_masks ? 0b1111 : 0b0111, inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.output(0).elements() == 0) return;
    TensorView inputs[4];
    for (int i = 0; i < 4; ++i) {
      if (context.has_input(i)) inputs[i] = context.input(i);
    }
    kernels::Attention attention = describe(inputs, context.output(0));
    attention.q = inputs[0].as<float>();
    attention.k = inputs[1].as<float>();
    attention.v = inputs[2].as<float>();
    attention.mask = inputs[kMask].as<float>();
    attention.output = context.output(0).as<float>();
    kernels::attention(attention, reinterpret_cast<float*>(context.workspace().data()), context.parallel());
  }

  /// Two products, and about twelve operations for each score.
  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const kernels::Attention shape = describe(inputs, outputs[0]);
    const double scores = static_cast<double>(shape.batch * shape.heads) * static_cast<double>(shape.query_length) *
                          static_cast<double>(shape.key_length);
    return scores * (2.0 * static_cast<double>(shape.head_size + shape.value_size) + 12.0);
  }

 private:
  static int64_t width(const Shape& shape) {
    if (shape.rank() == 3) return shape[2];
    return is_known(shape[2]) && is_known(shape[3]) ? shape[2] * shape[3] : kUnknownDim;
  }

  void check_projection(const Shape& shape) const {
    bool fits = shape.rank() == 3 || shape.rank() == 4;
    if (fits && shape.rank() == 3) fits = !is_known(shape[2]) || shape[2] % heads_ == 0;
    if (fits && shape.rank() == 4) fits = !is_known(shape[2]) || shape[2] == heads_;
    if (fits) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("A projection of shape {} does not have {} heads.", shape.to_string(), heads_));
  }

  static void check_mask(const Shape& mask, const Shape& scores) {
    bool fits = mask.rank() <= 4;
    for (int axis = 0; fits && axis < mask.rank(); ++axis) {
      const int64_t dim = mask[axis];
      const int64_t wanted = scores[axis + 4 - mask.rank()];
      fits = dim == 1 || !is_known(dim) || !is_known(wanted) || dim == wanted;
    }
    if (fits) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("A mask of shape {} does not broadcast to scores of shape {}.",
                                                      mask.to_string(), scores.to_string()));
  }

  /// Sizes and strides; the pointers stay null. `mask` beyond the end of `inputs`, or without a shape, is absent.
  kernels::Attention describe(std::span<const TensorView> inputs, const TensorView& output) const {
    const Shape& q = inputs[0].shape();
    const Shape& k = inputs[1].shape();
    kernels::Attention attention;
    attention.batch = q[0];
    attention.heads = heads_;
    attention.query_length = q[1];
    attention.key_length = k[1];
    attention.head_size = width(q) / heads_;
    attention.value_size = output.dim(2) / heads_;
    attention.scale = scale_;
    attention.q_strides = strides(attention.query_length, attention.head_size);
    attention.k_strides = strides(attention.key_length, attention.head_size);
    attention.v_strides = strides(attention.key_length, attention.value_size);
    attention.output_strides = strides(attention.query_length, attention.value_size);
    if (inputs.size() > kMask && inputs[kMask].dims != nullptr) {
      attention.mask_strides = mask_strides(inputs[kMask].shape());
    }
    return attention;
  }

  kernels::AttentionStrides strides(int64_t length, int64_t size) const {
    return {static_cast<ptrdiff_t>(length * heads_ * size), static_cast<ptrdiff_t>(size),
            static_cast<ptrdiff_t>(heads_ * size), 1};
  }

  static kernels::AttentionStrides mask_strides(const Shape& mask) {
    ptrdiff_t stride[4] = {0, 0, 0, 0};
    ptrdiff_t next = 1;
    for (int axis = mask.rank() - 1; axis >= 0; --axis) {
      if (mask[axis] != 1) stride[axis + 4 - mask.rank()] = next;
      next *= static_cast<ptrdiff_t>(mask[axis]);
    }
    return {stride[0], stride[1], stride[2], stride[3]};
  }

  int64_t heads_;
  float scale_;
};

}  // namespace

[[gnu::cold]] const OpDef& fused_attention() {
  static const OpDef def{
      .domain = "attune",
      .name = "FusedAttention",
      .inputs = {{"Q", "T"}, {"K", "T"}, {"V", "T"}, {"mask", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloatOnly}},
      .make = make_operator<FusedAttention>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
