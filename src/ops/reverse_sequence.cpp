// ReverseSequence: https://onnx.ai/onnx/operators/onnx__ReverseSequence.html, versions 10 and 28.
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class ReverseSequence final : public Operator {
 public:
  explicit ReverseSequence(const Node& node)
      : batch_axis_(node.attributes.get_int("batch_axis", 1)), time_axis_(node.attributes.get_int("time_axis", 0)) {
    if ((batch_axis_ == 0 && time_axis_ == 1) || (batch_axis_ == 1 && time_axis_ == 0)) return;
    throw Error(ErrorCode::kInvalidGraph, "ReverseSequence: batch_axis and time_axis must be 0 and 1 or 1 and 0.");
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    if (context.shape(0).rank() < 2) {
      throw Error(ErrorCode::kInvalidGraph, "ReverseSequence: the input must have two dimensions or more.");
    }
    context.set_output(0, context.type(0), context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& lengths = context.input(1);
    const TensorView y = output_of_shape(context, 0, x.shape());
    const int64_t batches = x.dim(static_cast<int>(batch_axis_));
    const int64_t times = x.dim(static_cast<int>(time_axis_));
    if (lengths.elements() != batches) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("sequence_lens shape must be {{{}}}. Got:{}", batches, lengths.shape().to_string()));
    }
    for (int64_t i = 0; i < batches; ++i) {
      if (lengths.integer(i) >= 0 && lengths.integer(i) <= times) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Invalid sequence length: {}. Value must be in range [0,{}]", lengths.integer(i), times));
    }
    if (y.elements() == 0) return;
    const int64_t run = x.shape().product(2, x.rank());
    const int64_t inner = x.dim(1);
    kernels::with_element_type(element_of(x.type), [&](auto type) {
      using T = decltype(type);
      const T* source = static_cast<const T*>(x.data);
      T* target = static_cast<T*>(y.data);
      for_ranges(context.parallel(), batches * times, std::max<int64_t>(32768 / run, 1),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t row = begin; row < end; ++row) {
                     const int64_t batch = batch_axis_ == 0 ? row / inner : row % inner;
                     const int64_t time = batch_axis_ == 0 ? row % inner : row / inner;
                     const int64_t length = lengths.integer(batch);
                     const int64_t from = time < length ? length - 1 - time : time;
                     const int64_t source_row = batch_axis_ == 0 ? batch * inner + from : from * inner + batch;
                     std::copy_n(source + source_row * run, run, target + row * run);
                   }
                 });
    });
  }

 private:
  int64_t batch_axis_;
  int64_t time_axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& reverse_sequence() {
  static const OpDef def{
      .name = "ReverseSequence",
      .since = 10,
      .inputs = {{"input", "T"}, {"sequence_lens", "tensor(int64)"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<ReverseSequence>,
  };
  return def;
}

}  // namespace attune::ops
