// TopK: https://onnx.ai/onnx/operators/onnx__TopK.html, versions 1 to 24: `k` is an attribute before version 10 and an
// input since; `largest` and `sorted` from 11. Among equal values the lower index comes first; NaN counts as larger
// than every number. `sorted` = 0 allows any order: the sorted one is given.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// a < b, NaN above everything.
template <class T>
bool less(T a, T b) {
  if (a < b) return true;
  return b != b && a == a;
}

class TopK final : public Operator {
 public:
  explicit TopK(const Node& node)
      : axis_(node.attributes.get_int("axis", -1)),
        largest_(node.version < 11 || node.attributes.get_int("largest", 1) != 0) {
    if (node.version < 10) count_ = node.attributes.require_int("k");
    node.attributes.get_int("sorted", 1);  // of the right type, whatever it says
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) {
      context.set_output_type(0, context.type(0));
      if (context.output_count() > 1) context.set_output_type(1, DataType::kInt64);
      return;
    }
    Shape shape = context.shape(0);
    const int axis = resolve_axis(axis_, shape.rank());
    std::optional<int64_t> count = count_;
    if (!count) {
      if (const auto values = known_integers(context, 1)) count = single(*values);
    }
    if (count) {
      check_count(*count, shape[axis]);
      shape[axis] = *count;
    } else {
      const auto elements = context.elements(1);
      const bool known = elements && elements->rank() == 1 && (*elements)[0] != kUnknownDim;
      shape[axis] = known ? (*elements)[0] : context.fresh_dim();
    }
    context.set_output(0, context.type(0), shape);
    if (context.output_count() > 1) context.set_output(1, DataType::kInt64, shape);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    const int axis = resolve_axis(axis_, inputs[0].rank());
    return static_cast<size_t>(inputs[0].dim(axis)) * kScratchBytes * static_cast<size_t>(threads);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int axis = resolve_axis(axis_, x.rank());
    Shape shape = x.shape();
    shape[axis] = count_ ? *count_ : single(read_integers(context.input(1)));
    check_count(shape[axis], x.dim(axis));
    const TensorView values = context.has_output(0) ? output_of_shape(context, 0, shape) : TensorView{};
    const TensorView indices = context.has_output(1) ? output_of_shape(context, 1, shape) : TensorView{};
    if (shape.product(0, shape.rank()) == 0) return;
    with_number_type(x.type, [&](auto value) {
      using T = decltype(value);
      if (largest_) {
        select<T>(
            context, axis, shape[axis], values, indices, [](T a, T b) { return less(b, a); },
            [](T a, T b) { return !(a <= b); });
      } else {
        select<T>(
            context, axis, shape[axis], values, indices, [](T a, T b) { return less(a, b); },
            [](T a, T b) { return !(a >= b); });
      }
    });
  }

 private:
  static int64_t single(const std::vector<int64_t>& values) {
    if (values.size() != 1) throw Error(ErrorCode::kInvalidArgument, "k tensor should be a 1D tensor of size 1");
    return values[0];
  }

  static void check_count(int64_t count, int64_t dim) {
    if (count < 0) throw Error(ErrorCode::kInvalidArgument, "value of k must not be negative");
    if (!is_known(dim) || count <= dim) return;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("k argument [{}] should not be greater than specified axis dim value [{}]", count, dim));
  }

  /// One of the best so far.
  template <class T>
  struct Kept {
    T value;
    int64_t index;
  };
  static constexpr size_t kScratchBytes = sizeof(int64_t) + sizeof(Kept<int64_t>);  // for an element of a row

  /// `before(a, b)`: value a comes before value b. `may_precede`, one comparison, holds wherever that does.
  template <class T, class Before, class MayPrecede>
  static void select(const RunContext& context, int axis, int64_t count, const TensorView& values,
                     const TensorView& indices, Before before, MayPrecede may_precede) {
    const TensorView& x = context.input(0);
    const int64_t extent = x.dim(axis);
    const int64_t inner = x.shape().product(axis + 1, x.rank());
    const int64_t rows = x.shape().product(0, axis) * inner;
    std::byte* scratch = context.workspace().data();
    for_ranges(context.parallel(), rows, std::max<int64_t>(8192 / extent, 1),
               [&](int64_t begin, int64_t end, int thread) {
                 std::byte* own = scratch + static_cast<size_t>(thread * extent) * kScratchBytes;
                 auto* order = reinterpret_cast<int64_t*>(own);
                 auto* kept = reinterpret_cast<Kept<T>*>(order + extent);
                 for (int64_t row = begin; row < end; ++row) {
                   const T* in = x.as<T>() + row / inner * extent * inner + row % inner;
                   const auto first = [&](int64_t a, int64_t b) {
                     const T u = in[a * inner];
                     const T v = in[b * inner];
                     return before(u, v) || (!before(v, u) && a < b);
                   };
                   if (count == 1) {
                     order[0] = 0;
                     for (int64_t i = 1; i < extent; ++i) {
                       if (before(in[i * inner], in[order[0] * inner])) order[0] = i;
                     }
                   } else if (count < extent / 8) {
                     // A heap of the best wins while it is small against the row.
                     select_by_heap(in, inner, kept, count, extent, before, may_precede);
                     for (int64_t i = 0; i < count; ++i) order[i] = kept[i].index;
                   } else {
                     std::iota(order, order + extent, int64_t{0});
                     std::nth_element(order, order + count - 1, order + extent, first);
                     std::sort(order, order + count, first);
                   }
                   const int64_t out = row / inner * count * inner + row % inner;
                   for (int64_t i = 0; i < count; ++i) {
                     if (values) values.as<T>()[out + i * inner] = in[order[i] * inner];
                     if (indices) indices.as<int64_t>()[out + i * inner] = order[i];
                   }
                 }
               });
  }

  /// The best `count` of a row, sorted. Most elements are no better than the worst of those kept, which one comparison
  /// with a value at hand tells; among equals the earlier one stays.
  template <class T, class Before, class MayPrecede>
  static void select_by_heap(const T* in, int64_t inner, Kept<T>* kept, int64_t count, int64_t extent, Before before,
                             MayPrecede may_precede) {
    const auto first = [&](const Kept<T>& a, const Kept<T>& b) {
      return before(a.value, b.value) || (!before(b.value, a.value) && a.index < b.index);
    };
    for (int64_t i = 0; i < count; ++i) kept[i] = {in[i * inner], i};
    std::make_heap(kept, kept + count, first);
    for (int64_t i = count; i < extent; ++i) {
      const T value = in[i * inner];
      if (!may_precede(value, kept[0].value) || !before(value, kept[0].value)) continue;
      // Takes the worst one's place and sinks, which is half of the work of popping and pushing.
      const Kept<T> fresh{value, i};
      int64_t place = 0;
      for (int64_t child = 1; child < count; child = 2 * place + 1) {
        if (child + 1 < count && first(kept[child], kept[child + 1])) ++child;
        if (!first(fresh, kept[child])) break;
        kept[place] = kept[child];
        place = child;
      }
      kept[place] = fresh;
    }
    std::sort_heap(kept, kept + count, first);
  }

  int64_t axis_;
  bool largest_;
  std::optional<int64_t> count_;
};

}  // namespace

[[gnu::cold]] const OpDef& top_k() {
  static const OpDef def{
      .name = "TopK",
      .since = 10,
      .inputs = {{"X", "T"}, {"K", "tensor(int64)"}},
      .outputs = {{"Values", "T"}, {"Indices", "I"}},
      .types = {{"T", kNumbers}, {"tensor(int64)", {DataType::kInt64}}, {"I", {DataType::kInt64}}},
      .make = make_operator<TopK>,
  };
  return def;
}

[[gnu::cold]] const OpDef& top_k_1() {
  static const OpDef def{
      .name = "TopK",
      .until = 9,
      .inputs = {{"X", "T"}},
      .outputs = {{"Values", "T"}, {"Indices", "I"}},
      .types = {{"T", kNumbers}, {"I", {DataType::kInt64}}},
      .make = make_operator<TopK>,
  };
  return def;
}

}  // namespace attune::ops
