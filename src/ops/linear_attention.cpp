// LinearAttention: https://onnx.ai/onnx/operators/onnx__LinearAttention.html, version 27: a matrix for each head that
// keys and values are written into, one position after the other, and queries read.
// CausalConvWithState: https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html, version 27: the short depthwise
// convolution in front of it. Both in float, and float16 and bfloat16 by it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

constexpr TypeSet kComputed = kFloatOnly | kHalves.widened();

class LinearAttention final : public Operator {
 public:
  explicit LinearAttention(const Node& node)
      : q_heads_(node.attributes.require_int("q_num_heads")),
        kv_heads_(node.attributes.require_int("kv_num_heads")),
        scale_(node.attributes.get_float("scale", 0.0F)) {
    const std::string rule = node.attributes.get_string("update_rule", "gated_delta");
    gated_ = rule == "gated" || rule == "gated_delta";
    delta_ = rule == "delta" || rule == "gated_delta";
    if (!gated_ && !delta_ && rule != "linear") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("LinearAttention: unknown update_rule '{}'.", rule));
    }
    if (q_heads_ < 1 || kv_heads_ < 1 || q_heads_ % kv_heads_ != 0) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("LinearAttention: {} heads of the query and {} of the key.", q_heads_, kv_heads_));
    }
  }

  void infer(InferContext& context) const override {
    if (gated_ != context.has_input(kDecay) || delta_ != context.has_input(kBeta)) {
      throw Error(ErrorCode::kInvalidGraph,
                  "LinearAttention: decay belongs to the gated rules, beta to the delta rules.");
    }
    const DataType state_type = context.has_input(kPast) ? context.type(kPast) : context.type(kQuery);
    context.set_output_type(0, context.type(kQuery));
    if (context.output_count() > 1) context.set_output_type(1, state_type);
    if (!context.has_shape(kQuery) || !context.has_shape(kKey) || !context.has_shape(kValue)) return;
    const Shape& q = context.shape(kQuery);
    const Shape& k = context.shape(kKey);
    const Shape& v = context.shape(kValue);
    const int64_t key_size = split(q, q_heads_, "query");
    agree_dims(key_size, split(k, kv_heads_, "key"), "Head sizes of query and key");
    const int64_t value_size = split(v, kv_heads_, "value");
    const int64_t batch =
        agree_dims(agree_dims(q[0], k[0], "Batch of query and key"), v[0], "Batch of query and value");
    const int64_t length =
        agree_dims(agree_dims(q[1], k[1], "Length of query and key"), v[1], "Length of key and value");
    const Shape state{batch, kv_heads_, key_size, value_size};
    if (context.has_shape(kPast)) check_shape(context.shape(kPast), state, "past_state");
    if (context.has_shape(kDecay)) {
      const Shape& decay = context.shape(kDecay);
      const bool each = decay.rank() == 3 && is_known(decay[2]) && decay[2] != kv_heads_;
      const int64_t size = is_known(key_size) ? kv_heads_ * key_size : kUnknownDim;
      check_shape(decay, {batch, length, each ? size : kv_heads_}, "decay");
    }
    if (context.has_shape(kBeta)) {
      const Shape& beta = context.shape(kBeta);
      check_shape(beta, {batch, length, beta.rank() == 3 && beta[2] == 1 ? 1 : kv_heads_}, "beta");
    }
    const int64_t width = is_known(value_size) ? value_size * q_heads_ : context.fresh_dim();
    context.set_output(0, context.type(kQuery), Shape{batch, length, width});
    if (context.output_count() > 1) {
      Shape present = state;
      for (int axis = 2; axis < 4; ++axis) {
        if (is_known(present[axis])) continue;
        present[axis] = context.has_shape(kPast) ? context.shape(kPast)[axis] : context.fresh_dim();
      }
      context.set_output(1, state_type, present);
    }
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int) const override {
    const int64_t key_size = inputs[kQuery].dim(2) / q_heads_;
    const int64_t value_size = inputs[kValue].dim(2) / kv_heads_;
    WorkspaceCursor cursor;
    cursor.take(inputs[kQuery].dim(0) * kv_heads_ * (key_size + 1) * value_size);
    return cursor.bytes();
  }

  void run(RunContext& context) const override {
    const TensorView& q = context.input(kQuery);
    const TensorView& k = context.input(kKey);
    const TensorView& v = context.input(kValue);
    const int64_t length = q.dim(1);
    const int64_t key_size = q.dim(2) / q_heads_;
    const int64_t value_size = v.dim(2) / kv_heads_;
    const int64_t group = q_heads_ / kv_heads_;
    const float scale = scale_ != 0.0F ? scale_ : 1.0F / std::sqrt(static_cast<float>(key_size));
    const int64_t state_size = key_size * value_size;
    auto* workspace = reinterpret_cast<float*>(context.workspace().data());
    // Positions depend on each other, heads do not.
    for_ranges(context.parallel(), q.dim(0) * kv_heads_, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t sample = i / kv_heads_;
        const int64_t head = i % kv_heads_;
        float* written = workspace + i * (state_size + value_size) + state_size;
        float* state = context.has_output(1) ? context.output(1).as<float>() + i * state_size
                                             : workspace + i * (state_size + value_size);
        if (context.has_input(kPast)) {
          std::copy_n(context.input(kPast).as<float>() + i * state_size, state_size, state);
        } else {
          std::fill_n(state, state_size, 0.0F);
        }
        for (int64_t t = 0; t < length; ++t) {
          const int64_t row = sample * length + t;
          const float* key = k.as<float>() + (row * kv_heads_ + head) * key_size;
          const float* value = v.as<float>() + (row * kv_heads_ + head) * value_size;
          if (gated_) fade(context.input(kDecay), row, head, state, key_size, value_size);
          std::copy_n(value, value_size, written);
          if (delta_) {
            for (int64_t d = 0; d < key_size; ++d) {
              for (int64_t m = 0; m < value_size; ++m) written[m] -= state[d * value_size + m] * key[d];
            }
            const TensorView& beta = context.input(kBeta);
            const int64_t columns = beta.dim(2);
            const float weight = beta.as<float>()[row * columns + (columns == 1 ? 0 : head)];
            for (int64_t m = 0; m < value_size; ++m) written[m] *= weight;
          }
          for (int64_t d = 0; d < key_size; ++d) {
            for (int64_t m = 0; m < value_size; ++m) state[d * value_size + m] += key[d] * written[m];
          }
          for (int64_t reader = head * group; reader < (head + 1) * group; ++reader) {
            const float* query = q.as<float>() + (row * q_heads_ + reader) * key_size;
            float* out = context.output(0).as<float>() + (row * q_heads_ + reader) * value_size;
            std::fill_n(out, value_size, 0.0F);
            for (int64_t d = 0; d < key_size; ++d) {
              for (int64_t m = 0; m < value_size; ++m) out[m] += query[d] * state[d * value_size + m];
            }
            for (int64_t m = 0; m < value_size; ++m) out[m] *= scale;
          }
        }
      }
    });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    const int64_t value_size = inputs[kValue].dim(2) / kv_heads_;
    return 6.0 * static_cast<double>(inputs[kQuery].elements()) * static_cast<double>(value_size);
  }

 private:
  enum Input { kQuery, kKey, kValue, kPast, kDecay, kBeta };

  static int64_t split(const Shape& shape, int64_t heads, std::string_view name) {
    if (shape.rank() != 3 || (is_known(shape[2]) && (shape[2] == 0 || shape[2] % heads != 0))) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("LinearAttention: {} of shape {} does not have {} heads.", name,
                                                        shape.to_string(), heads));
    }
    return is_known(shape[2]) ? shape[2] / heads : kUnknownDim;
  }

  static void check_shape(const Shape& shape, const Shape& wanted, std::string_view name) {
    if (may_be_same(shape, wanted)) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("LinearAttention: {} has shape {}, not {}.", name, shape.to_string(), wanted.to_string()));
  }

  /// One factor for the head, or one for each row of its state.
  void fade(const TensorView& decay, int64_t row, int64_t head, float* state, int64_t key_size,
            int64_t value_size) const {
    const bool each = decay.dim(2) != kv_heads_;
    const float* gate = decay.as<float>() + row * decay.dim(2) + (each ? head * key_size : head);
    for (int64_t d = 0; d < key_size; ++d) {
      const float factor = std::exp(gate[each ? d : 0]);
      for (int64_t m = 0; m < value_size; ++m) state[d * value_size + m] *= factor;
    }
  }

  int64_t q_heads_;
  int64_t kv_heads_;
  float scale_;
  bool gated_ = false;
  bool delta_ = false;
};

class CausalConvWithState final : public Operator {
 public:
  explicit CausalConvWithState(const Node& node) {
    const std::string activation = node.attributes.get_string("activation", "none");
    silu_ = activation == "silu" || activation == "swish";
    if (!silu_ && activation != "none") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown activation '{}'.", activation));
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (context.output_count() > 1) context.set_output_type(1, context.type(0));
    if (!context.has_shape(0) || !context.has_shape(1)) return;
    const Shape& x = context.shape(0);
    const Shape& w = context.shape(1);
    if (x.rank() != 3 || w.rank() != 3 || (is_known(w[1]) && w[1] != 1) || w[2] == 0) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("CausalConvWithState: input of shape {} and weight of shape {}.", x.to_string(), w.to_string()));
    }
    agree_dims(x[1], w[0], "Channels of input and weight");
    if (context.has_shape(2)) {
      if (context.shape(2).rank() != 1) throw Error(ErrorCode::kInvalidGraph, "The bias must have one axis.");
      agree_dims(x[1], context.shape(2)[0], "Channels of input and bias");
    }
    const int64_t before = is_known(w[2]) ? w[2] - 1 : kUnknownDim;
    if (context.has_shape(3)) {
      const Shape& past = context.shape(3);
      if (past.rank() != 3) throw Error(ErrorCode::kInvalidGraph, "past_state must have 3 axes.");
      agree_dims(past[0], x[0], "Batch of input and past_state");
      agree_dims(past[1], x[1], "Channels of input and past_state");
      agree_dims(past[2], before, "Kernel and past_state");
    }
    context.set_output(0, context.type(0), x);
    if (context.output_count() > 1) {
      const int64_t kept = context.has_shape(3) ? context.shape(3)[2] : context.fresh_dim();
      context.set_output(1, context.type(0), Shape{x[0], x[1], is_known(before) ? before : kept});
    }
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    WorkspaceCursor cursor;
    cursor.take(threads * (inputs[0].dim(2) + inputs[1].dim(2) - 1));
    return cursor.bytes();
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t length = x.dim(2);
    const int64_t kernel = context.input(1).dim(2);
    const int64_t channels = x.dim(1);
    const int64_t before = kernel - 1;
    auto* workspace = reinterpret_cast<float*>(context.workspace().data());
    for_ranges(context.parallel(), x.dim(0) * channels,
               std::max<int64_t>(1, 16384 / std::max<int64_t>(length * kernel, 1)),
               [&](int64_t begin, int64_t end, int thread) {
                 float* padded = workspace + thread * (length + before);
                 for (int64_t row = begin; row < end; ++row) {
                   if (context.has_input(3)) {
                     std::copy_n(context.input(3).as<float>() + row * before, before, padded);
                   } else {
                     std::fill_n(padded, before, 0.0F);
                   }
                   std::copy_n(x.as<float>() + row * length, length, padded + before);
                   if (context.has_output(1)) {
                     std::copy_n(padded + length, before, context.output(1).as<float>() + row * before);
                   }
                   const int64_t channel = row % channels;
                   const float* weight = context.input(1).as<float>() + channel * kernel;
                   const float bias = context.has_input(2) ? context.input(2).as<float>()[channel] : 0.0F;
                   float* out = context.output(0).as<float>() + row * length;
                   std::fill_n(out, length, bias);
                   for (int64_t tap = 0; tap < kernel; ++tap) {
                     for (int64_t i = 0; i < length; ++i) out[i] += weight[tap] * padded[i + tap];
                   }
                   if (!silu_) continue;
                   for (int64_t i = 0; i < length; ++i) out[i] /= 1.0F + std::exp(-out[i]);
                 }
               });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return 2.0 * static_cast<double>(inputs[0].elements()) * static_cast<double>(inputs[1].dim(2));
  }

 private:
  bool silu_ = false;
};

}  // namespace

[[gnu::cold]] const OpDef& causal_conv_with_state() {
  static const OpDef def{
      .name = "CausalConvWithState",
      .since = 27,
      .inputs = {{"input", "T"},
                 {"weight", "T"},
                 {"bias", "T", Occurrence::kOptional},
                 {"past_state", "T", Occurrence::kOptional}},
      .outputs = {{"output", "T"}, {"present_state", "T", Occurrence::kOptional}},
      .types = {{"T", kComputed}},
      .make = make_operator<CausalConvWithState>,
  };
  return def;
}

[[gnu::cold]] const OpDef& linear_attention() {
  static const OpDef def{
      .name = "LinearAttention",
      .since = 27,
      .inputs = {{"query", "T"},
                 {"key", "T"},
                 {"value", "T"},
                 {"past_state", "S", Occurrence::kOptional},
                 {"decay", "T", Occurrence::kOptional},
                 {"beta", "T", Occurrence::kOptional}},
      .outputs = {{"output", "T"}, {"present_state", "S", Occurrence::kOptional}},
      .types = {{"T", kComputed}, {"S", kComputed}},
      .make = make_operator<LinearAttention>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
