// Where: https://onnx.ai/onnx/operators/onnx__Where.html, versions 9 and 16, every element type; condition and both
// choices are broadcast to each other. No gaps.
#include <array>
#include <cstdint>
#include <string>

#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_arithmetic.h"
#include "ops/element_loop.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

struct SixteenBytes {
  uint64_t low;
  uint64_t high;
};

template <class T>
void choose(const BroadcastRun& run) {
  const bool* condition = run.input<bool>(0);
  const T* x = run.input<T>(1);
  const T* y = run.input<T>(2);
  const int64_t x_stride = run.stride[1];
  const int64_t y_stride = run.stride[2];
  if (run.stride[0] == 0) {
    const T* chosen = *condition ? x : y;
    const int64_t stride = *condition ? x_stride : y_stride;
    fill_elements(run.output<T>(), run.n, [&](int64_t i) { return chosen[i * stride]; });
  } else if (x_stride == 1 && y_stride == 1) {
    fill_elements(run.output<T>(), run.n, [&](int64_t i) { return condition[i] ? x[i] : y[i]; });
  } else if (x_stride == 0 && y_stride == 1) {
    const T first = *x;
    fill_elements(run.output<T>(), run.n, [&](int64_t i) { return condition[i] ? first : y[i]; });
  } else if (x_stride == 1) {
    const T second = *y;
    fill_elements(run.output<T>(), run.n, [&](int64_t i) { return condition[i] ? x[i] : second; });
  } else {
    fill_elements(run.output<T>(), run.n, [&](int64_t i) { return condition[i] ? x[i * x_stride] : y[i * y_stride]; });
  }
}

class Where final : public Operator {
 public:
  explicit Where(const Node&) {}

  void infer(InferContext& context) const override {
    if (const auto shape = infer_broadcast(context, 3)) {
      context.set_output(0, context.type(1), *shape);
    } else {
      context.set_output_type(0, context.type(1));
    }
    infer_elements(context);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const std::array inputs{context.input(0), context.input(1), context.input(2)};
    const TensorView& out = context.output(0);
    const auto run_as = [&](auto tag) {
      using T = decltype(tag);
      for_each_broadcast(inputs, out, kCheapGrain, context.parallel(), [](const BroadcastRun& run) { choose<T>(run); });
    };
    if (out.type == DataType::kString) return run_as(std::string());
    switch (element_size(out.type)) {
      case 1:
        return run_as(uint8_t());
      case 2:
        return run_as(uint16_t());
      case 4:
        return run_as(uint32_t());
      case 8:
        return run_as(uint64_t());
      default:
        return run_as(SixteenBytes());
    }
  }

 private:
  /// Exporters replace the -1 of an Expand's shape like this: Where(shape == -1, ones, shape).
  static void infer_elements(InferContext& context) {
    const auto condition = known_elements(context, 0);
    const auto x = known_elements(context, 1);
    const auto y = known_elements(context, 2);
    if (!condition || !x || !y) return;
    KnownElements result;
    for (const KnownElements* operand : {&*condition, &*x, &*y}) {
      if (operand->count == 1) continue;
      if (result.count > 1 && operand->count != result.count) return;
      result.count = operand->count;
      if (result.count == 0) return;
    }
    if (result.count == 0) result.count = 1;
    for (int i = 0; i < result.count; ++i) {
      const KnownElement& test = condition->broadcast(i);
      if (test.is_number) result.element[static_cast<size_t>(i)] = test.value != 0 ? x->broadcast(i) : y->broadcast(i);
    }
    set_known_elements(context, result);
  }
};

}  // namespace

[[gnu::cold]] const OpDef& where() {
  static const OpDef def{
      .name = "Where",
      .since = 9,
      .inputs = {{"condition", "B"}, {"X", "T"}, {"Y", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"B", {DataType::kBool}}, {"T", kAnyType}},
      .make = make_operator<Where>,
      .in_place = {1, 2},
  };
  return def;
}

}  // namespace attune::ops
