// RotaryEmbedding: https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html, version 23, and onnxruntime's operator of
// the same name (com.microsoft, version 1), whose position_ids come second and may be one offset. SwiGLU:
// https://onnx.ai/onnx/operators/onnx__SwiGLU.html, version 28.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/broadcast.h"
#include "ops/element_types.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class RotaryEmbedding final : public Operator {
 public:
  explicit RotaryEmbedding(const Node& node)
      : is_microsoft_(!node.domain.empty()),
        interleaved_(node.attributes.get_int("interleaved", 0) != 0),
        rotated_(node.attributes.get_int("rotary_embedding_dim", 0)),
        heads_(node.attributes.get_int("num_heads", 0)),
        cos_(is_microsoft_ ? 2 : 1),
        sin_(cos_ + 1),
        positions_(is_microsoft_ ? 1 : 3) {
    if (rotated_ < 0 || rotated_ % 2 != 0 || heads_ < 0) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("RotaryEmbedding: rotary_embedding_dim {}, num_heads {}.", rotated_, heads_));
    }
    if (node.attributes.get_float("scale", 1.0F) != 1.0F || node.attributes.get_int("is_packed_batching", 0) != 0) {
      throw Error(ErrorCode::kNotImplemented, "RotaryEmbedding: scale and is_packed_batching are not supported.");
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    if (x.rank() != 3 && x.rank() != 4) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("RotaryEmbedding of shape {}.", x.to_string()));
    }
    if (x.is_concrete() && context.has_shape(cos_) && context.shape(cos_).is_concrete()) {
      resolve(x, context.shape(cos_), ErrorCode::kInvalidGraph);
    }
    context.set_output(0, context.type(0), x);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const Problem problem = resolve(x.shape(), context.input(cos_).shape(), ErrorCode::kInvalidArgument);
    if (!(context.input(cos_).shape() == context.input(sin_).shape())) {
      throw Error(ErrorCode::kInvalidArgument, "RotaryEmbedding: the caches of cosines and sines have other shapes.");
    }
    if (context.has_input(positions_)) {
      const int64_t count = context.input(positions_).elements();
      if (count != problem.batch * problem.length && !(is_microsoft_ && count == 1)) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("RotaryEmbedding: {} positions for {} tokens.", count, problem.batch * problem.length));
      }
    }
    visit_type<float, double>(x.type, [&](auto tag) { rotate<typename decltype(tag)::type>(context, problem); });
  }

 private:
  struct Problem {
    int64_t batch;
    int64_t heads;
    int64_t length;
    int64_t size;
    int64_t rotated;
    int64_t head_stride;
    int64_t token_stride;
    int64_t cache_rows;  ///< 0 when the cache has a row for each token of each sample
  };

  Problem resolve(const Shape& x, const Shape& cache, ErrorCode code) const {
    Problem problem{};
    if (cache.rank() != 2 && cache.rank() != 3) {
      throw Error(code, fmt::format("RotaryEmbedding: a cache has the shape {}.", cache.to_string()));
    }
    problem.batch = x[0];
    if (x.rank() == 4) {
      problem.heads = x[1];
      problem.length = x[2];
      problem.size = x[3];
      problem.head_stride = problem.length * problem.size;
      problem.token_stride = problem.size;
    } else {
      // onnxruntime's operator takes the head's size from the cache when num_heads is left out.
      const int64_t width = cache[cache.rank() - 1] * 2;
      problem.heads = heads_ > 0 ? heads_ : is_microsoft_ && width > 0 ? x[2] / width : 0;
      if (problem.heads == 0 || x[2] % problem.heads != 0) {
        throw Error(code,
                    fmt::format("RotaryEmbedding: shape {} does not have {} heads.", x.to_string(), problem.heads));
      }
      problem.length = x[1];
      problem.size = x[2] / problem.heads;
      problem.head_stride = problem.size;
      problem.token_stride = x[2];
    }
    problem.rotated = rotated_ > 0 ? rotated_ : problem.size;
    const bool by_position = cache.rank() == 2;
    problem.cache_rows = by_position ? cache[0] : 0;
    const bool fits = problem.rotated <= problem.size && problem.rotated % 2 == 0 &&
                      (by_position || (cache[0] == x[0] && cache[1] == problem.length)) &&
                      cache[cache.rank() - 1] == problem.rotated / 2;
    if (!fits) {
      throw Error(code, fmt::format("RotaryEmbedding: a cache of shape {} for {} of {} elements a head in {}.",
                                    cache.to_string(), problem.rotated, problem.size, x.to_string()));
    }
    return problem;
  }

  template <class T>
  void rotate(RunContext& context, const Problem& problem) const {
    const int64_t half = problem.rotated / 2;
    const int64_t sample = problem.heads * problem.length * problem.size;
    for_ranges(context.parallel(), problem.batch * problem.length,
               std::max<int64_t>(1, 8192 / std::max<int64_t>(problem.heads * problem.size, 1)),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t token = begin; token < end; ++token) {
                   const int64_t row = cache_row(context, problem, token);
                   const T* cosines = context.input(cos_).as<T>() + row * half;
                   const T* sines = context.input(sin_).as<T>() + row * half;
                   for (int64_t head = 0; head < problem.heads; ++head) {
                     const int64_t offset = token / problem.length * sample + head * problem.head_stride +
                                            token % problem.length * problem.token_stride;
                     const T* x = context.input(0).as<T>() + offset;
                     T* y = context.output(0).as<T>() + offset;
                     for (int64_t i = 0; i < half; ++i) {
                       const int64_t first = interleaved_ ? 2 * i : i;
                       const int64_t second = interleaved_ ? 2 * i + 1 : i + half;
                       const T a = x[first];
                       const T b = x[second];
                       y[first] = cosines[i] * a - sines[i] * b;
                       y[second] = sines[i] * a + cosines[i] * b;
                     }
                     std::copy(x + problem.rotated, x + problem.size, y + problem.rotated);
                   }
                 }
               });
  }

  int64_t cache_row(const RunContext& context, const Problem& problem, int64_t token) const {
    if (problem.cache_rows == 0) return token;
    int64_t row = token % problem.length;
    if (context.has_input(positions_)) {
      const TensorView& positions = context.input(positions_);
      const bool is_offset = positions.elements() == 1 && problem.batch * problem.length != 1;
      row = is_offset ? positions.as<int64_t>()[0] + row : positions.as<int64_t>()[token];
    }
    if (row < 0 || row >= problem.cache_rows) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("RotaryEmbedding: position {} in a cache of {} positions.", row, problem.cache_rows));
    }
    return row;
  }

  bool is_microsoft_;
  bool interleaved_;
  int64_t rotated_;
  int64_t heads_;
  int cos_;
  int sin_;
  int positions_;
};

class SwiGlu final : public Operator {
 public:
  explicit SwiGlu(const Node& node) : alpha_(node.attributes.get_float("alpha", 1.0F)) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& a = context.shape(0);
    if (context.has_shape(1)) {
      const Shape& b = context.shape(1);
      if (a.rank() != b.rank()) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("SwiGLU of shapes {} and {}.", a.to_string(), b.to_string()));
      }
      for (int axis = 0; axis < a.rank(); ++axis) agree_dims(a[axis], b[axis], "Dimensions of A and B");
    }
    context.set_output(0, context.type(0), a);
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* a = context.input(0).as<T>();
      const T* b = context.input(1).as<T>();
      T* y = context.output(0).as<T>();
      const T alpha = static_cast<T>(alpha_);
      for_ranges(context.parallel(), context.output(0).elements(), kCostlyGrain, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) y[i] = a[i] / (T{1} + std::exp(-alpha * a[i])) * b[i];
      });
    });
  }

 private:
  float alpha_;
};

}  // namespace

[[gnu::cold]] const OpDef& microsoft_rotary_embedding() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "RotaryEmbedding",
      .inputs = {{"input", "T"}, {"position_ids", "M"}, {"cos_cache", "T"}, {"sin_cache", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}, {"M", {DataType::kInt64}}},
      .make = make_operator<RotaryEmbedding>,
  };
  return def;
}

[[gnu::cold]] const OpDef& rotary_embedding() {
  static const OpDef def{
      .name = "RotaryEmbedding",
      .since = 23,
      .inputs = {{"X", "T"}, {"cos_cache", "T"}, {"sin_cache", "T"}, {"position_ids", "M", Occurrence::kOptional}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}, {"M", {DataType::kInt64}}},
      .make = make_operator<RotaryEmbedding>,
  };
  return def;
}

[[gnu::cold]] const OpDef& swi_glu() {
  static const OpDef def{
      .name = "SwiGLU",
      .since = 28,
      .inputs = {{"A", "T"}, {"B", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<SwiGlu>,
      .in_place = {0, 1},
  };
  return def;
}

}  // namespace attune::ops
