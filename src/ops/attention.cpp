// Attention: https://onnx.ai/onnx/operators/onnx__Attention.html, versions 23 to 25, float, float16 and bfloat16
// (computed in float, whatever softmax_precision says). Gaps: double; masks of integers.
//
// What keeps a query from a key (mask, causality, windows, padding) is added to the scores as 0 or -infinity; a query
// that sees no key gives zeros. The softcap comes before the mask, as from version 24 on.
#include "kernels/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attune/error.h"
#include "kernels/softmax.h"
#include "ops/axes.h"
#include "ops/op_def.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

enum Input { kQuery, kKey, kValue, kMask, kPastKey, kPastValue, kKeyCounts };
enum Output { kResult, kPresentKey, kPresentValue, kScores };
enum ScoresMode { kRaw, kCapped, kMasked, kProbabilities };

/// Wider than any sequence is long.
constexpr int64_t kWidestWindow = int64_t{1} << 40;
constexpr float kNever = -std::numeric_limits<float>::infinity();

class Attention final : public Operator {
 public:
  explicit Attention(const Node& node)
      : is_causal_(node.attributes.get_int("is_causal", 0) != 0),
        q_heads_(node.attributes.get_int("q_num_heads", 0)),
        kv_heads_(node.attributes.get_int("kv_num_heads", 0)),
        has_scale_(node.attributes.has("scale")),
        scale_(node.attributes.get_float("scale", 0.0F)),
        softcap_(read_softcap(node)),
        mode_(node.attributes.get_int("qk_matmul_output_mode", 0)),
        left_(std::min(node.attributes.get_int("left_window_size", -1), kWidestWindow)),
        right_(std::min(node.attributes.get_int("right_window_size", -1), kWidestWindow)) {
    if (mode_ < kRaw || mode_ > kProbabilities) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("qk_matmul_output_mode is {}, not 0 to 3.", mode_));
    }
    if (left_ < -1 || right_ < -1 || softcap_ < 0.0F || q_heads_ < 0 || kv_heads_ < 0) {
      throw Error(ErrorCode::kInvalidGraph, "Attention: window sizes, softcap and head counts must not be negative.");
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(kResult, context.type(kQuery));
    if (context.output_count() > kPresentKey) context.set_output_type(kPresentKey, context.type(kKey));
    if (context.output_count() > kPresentValue) context.set_output_type(kPresentValue, context.type(kValue));
    if (context.output_count() > kScores) context.set_output_type(kScores, context.type(kQuery));
    if (!context.has_shape(kQuery) || !context.has_shape(kKey) || !context.has_shape(kValue)) return;
    if (context.has_input(kPastKey) != context.has_input(kPastValue)) {
      throw Error(ErrorCode::kInvalidGraph, "past_key and past_value belong together.");
    }
    if (context.has_input(kPastKey) && context.has_input(kKeyCounts)) {
      throw Error(ErrorCode::kInvalidGraph, "nonpad_kv_seqlen cannot be combined with past_key.");
    }
    const Heads q = heads_of(context.shape(kQuery), q_heads_, "Q");
    const Heads k = heads_of(context.shape(kKey), kv_heads_, "K");
    const Heads v = heads_of(context.shape(kValue), kv_heads_, "V");
    const int64_t batch = agree_dims(agree_dims(q.batch, k.batch, "Batch of Q and K"), v.batch, "Batch of Q and V");
    const int64_t length = agree_dims(k.length, v.length, "Sequence of K and V");
    const int64_t kv_heads = agree_dims(k.heads, v.heads, "Heads of K and V");
    agree_dims(q.size, k.size, "Head size of Q and K");
    if (is_known(q.heads) && is_known(kv_heads) && (kv_heads == 0 || q.heads % kv_heads != 0)) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} heads of Q and {} of K.", q.heads, kv_heads));
    }
    int64_t total = length;
    if (context.has_input(kPastKey)) {
      total = kUnknownDim;
      if (context.has_shape(kPastKey) && context.has_shape(kPastValue)) {
        const int64_t past = check_past(context.shape(kPastKey), batch, kv_heads, k.size, "past_key");
        agree_dims(past, check_past(context.shape(kPastValue), batch, kv_heads, v.size, "past_value"),
                   "Lengths of past_key and past_value");
        if (is_known(past) && is_known(length)) total = past + length;
      }
      if (total == kUnknownDim) total = context.fresh_dim();
    }
    if (context.has_shape(kMask)) check_mask(context.shape(kMask), {batch, q.heads, q.length, total});
    if (context.has_shape(kKeyCounts)) {
      const Shape& counts = context.shape(kKeyCounts);
      if (counts.rank() != 1) throw Error(ErrorCode::kInvalidGraph, "nonpad_kv_seqlen must have one axis.");
      agree_dims(counts[0], batch, "nonpad_kv_seqlen and the batch");
    }
    if (context.shape(kQuery).rank() == 3) {
      const bool known = is_known(v.size) && is_known(q.heads);
      context.set_output(kResult, context.type(kQuery),
                         Shape{batch, q.length, known ? v.size * q.heads : context.fresh_dim()});
    } else {
      context.set_output(kResult, context.type(kQuery), Shape{batch, q.heads, q.length, v.size});
    }
    if (context.output_count() > kPresentKey) {
      context.set_output(kPresentKey, context.type(kKey), Shape{batch, kv_heads, total, k.size});
    }
    if (context.output_count() > kPresentValue) {
      context.set_output(kPresentValue, context.type(kValue), Shape{batch, kv_heads, total, v.size});
    }
    if (context.output_count() > kScores) {
      context.set_output(kScores, context.type(kQuery), Shape{batch, q.heads, q.length, total});
    }
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    WorkspaceCursor cursor;
    const Problem problem = describe(inputs, outputs);
    take_workspace(cursor, problem, threads);
    return cursor.bytes();
  }

  void run(RunContext& context) const override {
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (int i = 0; i < context.input_count(); ++i) inputs.push_back(context.input(i));
    for (int i = 0; i < context.output_count(); ++i) outputs.push_back(context.output(i));
    Problem problem = describe(inputs, outputs);
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, problem, context.parallel().threads());
    kernels::Attention& attention = problem.attention;
    attention.q = inputs[kQuery].as<float>();
    attention.output = outputs[kResult].as<float>();
    attention.k = join(problem, inputs, outputs, {kKey, kPastKey, kPresentKey}, workspace.key, attention.head_size,
                       context.parallel());
    attention.v = join(problem, inputs, outputs, {kValue, kPastValue, kPresentValue}, workspace.value,
                       attention.value_size, context.parallel());
    if (problem.has_bias) {
      fill_bias(problem, inputs, workspace.bias, context.parallel());
      attention.mask = workspace.bias;
    }
    if (outputs[kResult].elements() == 0 && !problem.explicit_scores) return;
    if (problem.explicit_scores) {
      float* scores = has(outputs, kScores) ? outputs[kScores].as<float>() : nullptr;
      run_with_scores(problem, scores, workspace.scores, context.parallel());
    } else if (attention.key_length == 0) {
      std::fill_n(attention.output, outputs[kResult].elements(), 0.0F);
    } else {
      kernels::attention(attention, workspace.kernel, context.parallel());
      if (problem.has_bias) clear_blind_rows(problem);
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const kernels::Attention shape = describe(inputs, outputs).attention;
    const double scores = static_cast<double>(shape.batch * shape.heads) * static_cast<double>(shape.query_length) *
                          static_cast<double>(shape.key_length);
    return scores * (2.0 * static_cast<double>(shape.head_size + shape.value_size) + 12.0);
  }

 private:
  struct Heads {
    int64_t batch;
    int64_t heads;
    int64_t length;
    int64_t size;
  };

  /// Sizes and strides; no pointers.
  struct Problem {
    kernels::Attention attention;
    int64_t past = 0;
    int64_t kv_heads = 1;
    bool copies_keys = false;  ///< into the workspace: joined with the past, and no output for it
    bool copies_values = false;
    bool has_bias = false;
    int64_t bias_batch = 1;  ///< 1 where all samples, or heads, share it
    int64_t bias_heads = 1;
    bool explicit_scores = false;
  };

  struct Workspace {
    float* key = nullptr;
    float* value = nullptr;
    float* bias = nullptr;
    float* scores = nullptr;  ///< a row for each thread
    float* kernel = nullptr;
  };

  static bool has(std::span<const TensorView> views, int i) {
    return static_cast<int>(views.size()) > i && views[static_cast<size_t>(i)].dims != nullptr;
  }

  /// Never denormal: that would be 0 for some threads and not for others, by their float mode.
  static float read_softcap(const Node& node) {
    const float softcap = node.attributes.get_float("softcap", 0.0F);
    return softcap > 0.0F ? std::max(softcap, std::numeric_limits<float>::min()) : softcap;
  }

  static Heads heads_of(const Shape& shape, int64_t heads, std::string_view name) {
    if (shape.rank() == 4) {
      if (heads != 0 && is_known(shape[1]) && shape[1] != heads) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("{} of shape {} does not have {} heads.", name, shape.to_string(), heads));
      }
      return {shape[0], shape[1], shape[2], shape[3]};
    }
    if (shape.rank() != 3) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} must have 3 or 4 axes, not {}.", name, shape.to_string()));
    }
    if (heads == 0) throw Error(ErrorCode::kInvalidGraph, "q_num_heads and kv_num_heads are needed with 3 axes.");
    if (is_known(shape[2]) && shape[2] % heads != 0) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("{} of shape {} does not have {} heads.", name, shape.to_string(), heads));
    }
    return {shape[0], heads, shape[1], is_known(shape[2]) ? shape[2] / heads : kUnknownDim};
  }

  static int64_t check_past(const Shape& past, int64_t batch, int64_t heads, int64_t size, std::string_view name) {
    const bool fits = past.rank() == 4;
    if (!fits) throw Error(ErrorCode::kInvalidGraph, fmt::format("{} must have 4 axes.", name));
    agree_dims(past[0], batch, fmt::format("Batch of {} and K", name));
    agree_dims(past[1], heads, fmt::format("Heads of {} and K", name));
    agree_dims(past[3], size, fmt::format("Head size of {} and K or V", name));
    return past[2];
  }

  /// The last axis may be shorter than the keys: what is missing is masked.
  static void check_mask(const Shape& mask, const Shape& scores) {
    bool fits = mask.rank() >= 1 && mask.rank() <= 4;
    for (int axis = 0; fits && axis < mask.rank(); ++axis) {
      const int64_t dim = mask[axis];
      const int64_t wanted = scores[axis + 4 - mask.rank()];
      if (!is_known(dim) || !is_known(wanted)) continue;
      fits = axis == mask.rank() - 1 ? dim <= wanted : dim == 1 || dim == wanted;
    }
    if (fits) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("A mask of shape {} does not broadcast to scores of shape {}.",
                                                      mask.to_string(), scores.to_string()));
  }

  static kernels::AttentionStrides strides_of(int rank, const Heads& heads) {
    const auto length = static_cast<ptrdiff_t>(heads.length);
    const auto size = static_cast<ptrdiff_t>(heads.size);
    const auto count = static_cast<ptrdiff_t>(heads.heads);
    if (rank == 4) return {count * length * size, length * size, size, 1};
    return {count * length * size, size, count * size, 1};
  }

  Problem describe(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const {
    const Shape& q_shape = inputs[kQuery].shape();
    const Heads q = heads_of(q_shape, q_heads_, "Q");
    Heads k = heads_of(inputs[kKey].shape(), kv_heads_, "K");
    Heads v = heads_of(inputs[kValue].shape(), kv_heads_, "V");
    Problem problem;
    problem.past = has(inputs, kPastKey) ? inputs[kPastKey].dim(2) : 0;
    problem.kv_heads = k.heads;
    kernels::Attention& attention = problem.attention;
    attention.batch = q.batch;
    attention.heads = q.heads;
    attention.kv_heads = k.heads;
    attention.query_length = q.length;
    attention.key_length = k.length + problem.past;
    attention.head_size = q.size;
    attention.value_size = v.size;
    attention.scale = has_scale_ ? scale_ : 1.0F / std::sqrt(static_cast<float>(q.size));
    attention.q_strides = strides_of(q_shape.rank(), q);
    attention.k_strides = strides_of(inputs[kKey].rank(), k);
    attention.v_strides = strides_of(inputs[kValue].rank(), v);
    if (has(inputs, kPastKey)) {
      k.length = v.length = attention.key_length;
      attention.k_strides = strides_of(4, k);
      attention.v_strides = strides_of(4, v);
      problem.copies_keys = !has(outputs, kPresentKey);
      problem.copies_values = !has(outputs, kPresentValue);
    }
    attention.output_strides = strides_of(q_shape.rank(), {q.batch, q.heads, q.length, v.size});
    problem.explicit_scores = softcap_ > 0.0F || has(outputs, kScores);
    const bool plain_causal =
        is_causal_ && !has(inputs, kKeyCounts) && problem.past == attention.key_length - attention.query_length;
    const bool has_window = left_ >= 0 || right_ >= 0;
    problem.has_bias = has(inputs, kMask) || has(inputs, kKeyCounts) || has_window ||
                       (is_causal_ && (!plain_causal || problem.explicit_scores));
    if (!problem.has_bias) {
      attention.causal = is_causal_;
      return problem;
    }
    if (has(inputs, kMask)) {
      const Shape& mask = inputs[kMask].shape();
      if (mask.rank() == 4) problem.bias_batch = mask[0];
      if (mask.rank() >= 3) problem.bias_heads = mask[mask.rank() - 3];
    }
    if (has(inputs, kKeyCounts)) problem.bias_batch = attention.batch;
    const auto keys = static_cast<ptrdiff_t>(attention.key_length);
    const auto plane = static_cast<ptrdiff_t>(attention.query_length) * keys;
    attention.mask_strides = {problem.bias_batch == 1 ? 0 : plane * static_cast<ptrdiff_t>(problem.bias_heads),
                              problem.bias_heads == 1 ? 0 : plane, keys, 1};
    return problem;
  }

  static Workspace take_workspace(WorkspaceCursor& cursor, const Problem& problem, int threads) {
    const kernels::Attention& attention = problem.attention;
    const int64_t rows = attention.batch * problem.kv_heads * attention.key_length;
    Workspace workspace;
    if (problem.copies_keys) workspace.key = cursor.take(rows * attention.head_size);
    if (problem.copies_values) workspace.value = cursor.take(rows * attention.value_size);
    if (problem.has_bias) {
      workspace.bias =
          cursor.take(problem.bias_batch * problem.bias_heads * attention.query_length * attention.key_length);
    }
    if (problem.explicit_scores) {
      workspace.scores = cursor.take(2 * threads * attention.key_length);
    } else {
      workspace.kernel = cursor.take(static_cast<int64_t>(kernels::attention_workspace_size(attention, threads)));
    }
    return workspace;
  }

  struct Joined {
    Input fresh;
    Input past;
    Output present;
  };

  /// The keys or values that the kernel reads: those of the node, or the past's and those behind them as the output for
  /// them has them. Also writes that output.
  static const float* join(const Problem& problem, std::span<const TensorView> inputs,
                           std::span<const TensorView> outputs, Joined names, float* workspace, int64_t size,
                           Parallel& parallel) {
    const TensorView& fresh = inputs[names.fresh];
    const bool has_past = has(inputs, names.past);
    float* target = has(outputs, names.present) ? outputs[names.present].as<float>() : workspace;
    if (target != nullptr) {
      const int64_t total = problem.attention.key_length;
      const int64_t length = total - problem.past;
      const int64_t heads = problem.kv_heads;
      const bool planar = fresh.rank() == 4;
      for_ranges(
          parallel, problem.attention.batch * heads, std::max<int64_t>(1, 65536 / std::max<int64_t>(total * size, 1)),
          [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; ++i) {
              float* out = target + i * total * size;
              if (has_past)
                out = std::copy_n(inputs[names.past].as<float>() + i * problem.past * size, problem.past * size, out);
              if (planar) {
                std::copy_n(fresh.as<float>() + i * length * size, length * size, out);
                continue;
              }
              const float* in = fresh.as<float>() + i / heads * length * heads * size + i % heads * size;
              for (int64_t row = 0; row < length; ++row) {
                out = std::copy_n(in + row * heads * size, size, out);
              }
            }
          });
    }
    return has_past ? target : fresh.as<float>();
  }

  /// Mask, causality, windows and padding as what is added to a score.
  void fill_bias(const Problem& problem, std::span<const TensorView> inputs, float* bias, Parallel& parallel) const {
    const int64_t queries = problem.attention.query_length;
    const int64_t keys = problem.attention.key_length;
    const TensorView mask = has(inputs, kMask) ? inputs[kMask] : TensorView{};
    const int64_t* counts = has(inputs, kKeyCounts) ? inputs[kKeyCounts].as<int64_t>() : nullptr;
    for (int64_t sample = 0; counts != nullptr && sample < inputs[kKeyCounts].elements(); ++sample) {
      if (counts[sample] >= 0 && counts[sample] <= keys) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("nonpad_kv_seqlen has {} for {} keys.", counts[sample], keys));
    }
    for_ranges(parallel, problem.bias_batch * problem.bias_heads * queries,
               std::max<int64_t>(1, 32768 / std::max<int64_t>(keys, 1)), [&](int64_t begin, int64_t end, int) {
                 for (int64_t row = begin; row < end; ++row) {
                   const int64_t i = row % queries;
                   const int64_t head = row / queries % problem.bias_heads;
                   const int64_t sample = row / queries / problem.bias_heads;
                   float* out = bias + row * keys;
                   std::fill_n(out, keys, 0.0F);
                   if (mask.dims != nullptr) copy_mask(mask, sample, head, i, out, keys);
                   const int64_t offset = counts != nullptr ? counts[sample] - queries : problem.past;
                   const int64_t place = i + offset;
                   int64_t last = is_causal_ ? place : keys - 1;
                   if (right_ >= 0) last = std::min(last, place + right_);
                   if (counts != nullptr) last = std::min(last, counts[sample] - 1);
                   const int64_t first = left_ >= 0 ? place - left_ : 0;
                   std::fill(out, out + std::clamp<int64_t>(first, 0, keys), kNever);
                   std::fill(out + std::clamp<int64_t>(last + 1, 0, keys), out + keys, kNever);
                 }
               });
  }

  static void copy_mask(const TensorView& mask, int64_t sample, int64_t head, int64_t query, float* out, int64_t keys) {
    const int64_t place[4] = {sample, head, query, 0};
    int64_t offset = 0;
    for (int axis = 0; axis < mask.rank() - 1; ++axis) {
      const int64_t index = mask.dim(axis) == 1 ? 0 : place[axis + 4 - mask.rank()];
      offset = offset * mask.dim(axis) + index;
    }
    const int64_t length = mask.dim(mask.rank() - 1);
    offset *= length;
    if (mask.type == DataType::kBool) {
      const bool* from = mask.as<bool>() + offset;
      for (int64_t j = 0; j < length; ++j) out[j] = from[j] ? 0.0F : kNever;
    } else {
      std::copy_n(mask.as<float>() + offset, length, out);
    }
    std::fill(out + length, out + keys, kNever);
  }

  static const float* bias_row(const Problem& problem, int64_t sample, int64_t head, int64_t query) {
    const kernels::AttentionStrides& strides = problem.attention.mask_strides;
    return problem.attention.mask + sample * strides.batch + head * strides.head + query * strides.row;
  }

  static bool is_blind(const Problem& problem, int64_t sample, int64_t head, int64_t query) {
    if (!problem.has_bias) return problem.attention.key_length == 0;
    const float* row = bias_row(problem, sample, head, query);
    return std::all_of(row, row + problem.attention.key_length, [](float value) { return value == kNever; });
  }

  static void clear_blind_rows(const Problem& problem) {
    const kernels::Attention& attention = problem.attention;
    for (int64_t sample = 0; sample < attention.batch; ++sample) {
      for (int64_t head = 0; head < attention.heads; ++head) {
        for (int64_t query = 0; query < attention.query_length; ++query) {
          if (!is_blind(problem, sample, head, query)) continue;
          float* row = attention.output + sample * attention.output_strides.batch +
                       head * attention.output_strides.head + query * attention.output_strides.row;
          std::fill_n(row, attention.value_size, 0.0F);
        }
      }
    }
  }

  /// One query at a time, its scores in full: they are an output, or capped.
  void run_with_scores(const Problem& problem, float* output, float* workspace, Parallel& parallel) const {
    const kernels::Attention& attention = problem.attention;
    const int64_t keys = attention.key_length;
    const int64_t rows = attention.batch * attention.heads * attention.query_length;
    const int64_t cost = std::max<int64_t>(keys * (attention.head_size + attention.value_size), 1);
    for_ranges(parallel, rows, std::max<int64_t>(1, 65536 / cost), [&](int64_t begin, int64_t end, int thread) {
      float* scores = workspace + 2 * thread * keys;
      for (int64_t row = begin; row < end; ++row) {
        const int64_t query = row % attention.query_length;
        const int64_t head = row / attention.query_length % attention.heads;
        const int64_t sample = row / attention.query_length / attention.heads;
        score(problem, sample, head, query, scores, output == nullptr ? nullptr : output + row * keys);
        float* out = attention.output + sample * attention.output_strides.batch + head * attention.output_strides.head +
                     query * attention.output_strides.row;
        std::fill_n(out, attention.value_size, 0.0F);
        const int64_t kv_head = head / (attention.heads / problem.kv_heads);
        for (int64_t j = 0; j < keys; ++j) {
          if (scores[j] == 0.0F) continue;  // masked: the value may be infinite
          const float* value = attention.v + sample * attention.v_strides.batch + kv_head * attention.v_strides.head +
                               j * attention.v_strides.row;
          for (int64_t e = 0; e < attention.value_size; ++e) out[e] += scores[j] * value[e];
        }
      }
    });
  }

  /// The probabilities of one query's keys in `scores`; what the node asks for in `output`.
  void score(const Problem& problem, int64_t sample, int64_t head, int64_t query, float* scores, float* output) const {
    const kernels::Attention& attention = problem.attention;
    const int64_t keys = attention.key_length;
    const int64_t kv_head = head / (attention.heads / problem.kv_heads);
    const float* q = attention.q + sample * attention.q_strides.batch + head * attention.q_strides.head +
                     query * attention.q_strides.row;
    const float* k = attention.k + sample * attention.k_strides.batch + kv_head * attention.k_strides.head;
    for (int64_t j = 0; j < keys; ++j) {
      const float* key = k + j * attention.k_strides.row;
      float sum = 0.0F;
      for (int64_t e = 0; e < attention.head_size; ++e) sum += q[e] * key[e];
      scores[j] = sum * attention.scale;
    }
    const auto show = [&](ScoresMode mode) {
      if (output != nullptr && mode_ == mode) std::copy_n(scores, keys, output);
    };
    show(kRaw);
    if (softcap_ > 0.0F) {
      for (int64_t j = 0; j < keys; ++j) scores[j] = softcap_ * std::tanh(scores[j] / softcap_);
    }
    show(kCapped);
    if (problem.has_bias) {
      const float* bias = bias_row(problem, sample, head, query);
      for (int64_t j = 0; j < keys; ++j) scores[j] += bias[j];
    }
    show(kMasked);
    if (is_blind(problem, sample, head, query)) {
      std::fill_n(scores, keys, 0.0F);
    } else {
      SerialParallel serial;
      kernels::softmax_rows(kernels::SoftmaxKind::kSoftmax, scores, scores, 1, keys, serial);
    }
    show(kProbabilities);
  }

  bool is_causal_;
  int64_t q_heads_;
  int64_t kv_heads_;
  bool has_scale_;
  float scale_;
  float softcap_;
  int64_t mode_;
  int64_t left_;
  int64_t right_;
};

}  // namespace

[[gnu::cold]] const OpDef& attention() {
  constexpr TypeSet kComputed = kFloatOnly | kHalves.widened();
  static const OpDef def{
      .name = "Attention",
      .since = 23,
      .inputs = {{"Q", "T1"},
                 {"K", "T1"},
                 {"V", "T2"},
                 {"attn_mask", "U", Occurrence::kOptional},
                 {"past_key", "T1", Occurrence::kOptional},
                 {"past_value", "T2", Occurrence::kOptional},
                 {"nonpad_kv_seqlen", "tensor(int64)", Occurrence::kOptional}},
      .outputs = {{"Y", "T1"},
                  {"present_key", "T1", Occurrence::kOptional},
                  {"present_value", "T2", Occurrence::kOptional},
                  {"qk_matmul_output", "T1", Occurrence::kOptional}},
      .types = {{"T1", kComputed},
                {"T2", kComputed},
                {"U", kComputed | TypeSet{DataType::kBool}},
                {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Attention>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
