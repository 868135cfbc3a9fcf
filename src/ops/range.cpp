// Range: https://onnx.ai/onnx/operators/onnx__Range.html, versions 11 and 27 (`stash_type` concerns 16-bit floats only,
// which are not supported yet). Elements are start + i * delta as the page says; onnxruntime adds delta again and
// again.
#include <fmt/format.h>

#include <cmath>
#include <type_traits>

#include "attune/error.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

template <class T>
int64_t count_range(T start, T limit, T delta) {
  if (delta == 0) throw Error(ErrorCode::kInvalidArgument, "delta in Range operator can not be zero!");
  if constexpr (std::is_integral_v<T>) {
    const bool empty = delta > 0 ? start >= limit : start <= limit;
    if (empty) return 0;
    // The distance of two int64 may need 65 bits less one sign: unsigned arithmetic holds it.
    const uint64_t distance = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                        : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
    const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
    const uint64_t count = (distance - 1) / step + 1;
    if (count <= uint64_t{1} << 62) return static_cast<int64_t>(count);
  } else {
    const double count = std::ceil((static_cast<double>(limit) - static_cast<double>(start)) / delta);
    if (count <= 0) return 0;
    if (count < 4.6e18) return static_cast<int64_t>(count);
  }
  throw Error(ErrorCode::kInvalidArgument, "Range has too many elements.");
}

int64_t count_elements(const TensorView& start, const TensorView& limit, const TensorView& delta) {
  if (start.elements() != 1 || limit.elements() != 1 || delta.elements() != 1) {
    throw Error(ErrorCode::kInvalidArgument, "start, limit and delta in Range operator should be scalar like tensors");
  }
  int64_t count = 0;
  with_number_type(start.type, [&](auto value) {
    using T = decltype(value);
    count = count_range(*start.as<T>(), *limit.as<T>(), *delta.as<T>());
  });
  return count;
}

class Range final : public Operator {
 public:
  explicit Range(const Node&) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    const Tensor* start = context.constant(0);
    const Tensor* limit = context.constant(1);
    const Tensor* delta = context.constant(2);
    if (start == nullptr || limit == nullptr || delta == nullptr) {
      return context.set_output(0, type, Shape{count_symbolically(context)});
    }
    const int64_t count = count_elements(TensorView::of(*start), TensorView::of(*limit), TensorView::of(*delta));
    context.set_output(0, type, Shape{count});
    if ((type != DataType::kInt64 && type != DataType::kInt32) || count > Shape::kMaxRank) return;
    Shape elements;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t value = TensorView::of(*start).integer(0) + i * TensorView::of(*delta).integer(0);
      elements.push_back(std::max(value, kUnknownDim));
    }
    context.set_elements(0, elements);
  }

  void run(RunContext& context) const override {
    const TensorView& start = context.input(0);
    const Shape shape{count_elements(start, context.input(1), context.input(2))};
    const TensorView y = output_of_shape(context, 0, shape);
    with_number_type(start.type, [&](auto value) {
      using T = decltype(value);
      const T first = *start.as<T>();
      const T delta = *context.input(2).as<T>();
      T* out = y.as<T>();
      for_ranges(context.parallel(), shape[0], 65536, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(first + static_cast<T>(i) * delta);
      });
    });
  }

 private:
  /// From 0 to a symbol by 1 gives as many as the symbol, the positions of a sequence; else any number.
  static int64_t count_symbolically(InferContext& context) {
    const auto start = context.elements(0);
    const auto limit = context.elements(1);
    const auto delta = context.elements(2);
    const bool simple = start && limit && delta && start->rank() == 1 && limit->rank() == 1 && delta->rank() == 1 &&
                        (*start)[0] == 0 && (*delta)[0] == 1;
    return simple && (*limit)[0] != kUnknownDim ? (*limit)[0] : context.fresh_dim();
  }
};

}  // namespace

[[gnu::cold]] const OpDef& range() {
  static const OpDef def{
      .name = "Range",
      .since = 11,
      .inputs = {{"start", "T"}, {"limit", "T"}, {"delta", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats | TypeSet{DataType::kInt16, DataType::kInt32, DataType::kInt64}}},
      .make = make_operator<Range>,
  };
  return def;
}

}  // namespace attune::ops
