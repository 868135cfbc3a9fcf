// LSTM: https://onnx.ai/onnx/operators/onnx__LSTM.html, versions 1 to 22, float, double and the half types. Clipping is
// onnxruntime's: it cuts the inputs of the gates' activations, not the cell.
#include "kernels/gemm.h"
#include "kernels/recurrent_gates.h"
#include "ops/op_def.h"
#include "ops/recurrent.h"

namespace attune::ops {
namespace {

class Lstm final : public RecurrentOperator {
 public:
  explicit Lstm(const Node& node)
      : RecurrentOperator(node, {.gates = 4, .has_cell = true, .functions = 3, .defaults = "Sigmoid,Tanh,Tanh"}) {}

 private:
  std::vector<GateRange> products() const override { return {{0, 4}}; }
  int64_t scratch_floats(int64_t units) const override { return 4 * units; }

  void step(const RunContext& context, const RecurrentStep& step, std::span<const float* const> weights,
            int64_t units) const override {
    const int64_t wide = 4 * units;
    kernels::gemm_packed({step.samples, wide, units}, {step.h, units, 1}, weights[0], step.scratch, wide, {},
                         *step.parallel, step.order);
    const float* peepholes =
        context.has_input(kPeepholes) ? context.input(kPeepholes).as<float>() + step.direction * 3 * units : nullptr;
    for (int64_t i = 0; i < step.samples; ++i) {
      const float* x = step.x[static_cast<size_t>(i)];
      if (x == nullptr) continue;
      kernels::lstm_gates(gates(step.direction), x, step.scratch + i * wide, peepholes, step.cell + i * units,
                          step.h + i * units, units);
    }
  }
};

}  // namespace

[[gnu::cold]] const OpDef& lstm() {
  static const OpDef def{
      .name = "LSTM",
      .inputs = {{"X", "T"},
                 {"W", "T"},
                 {"R", "T"},
                 {"B", "T", Occurrence::kOptional},
                 {"sequence_lens", "T1", Occurrence::kOptional},
                 {"initial_h", "T", Occurrence::kOptional},
                 {"initial_c", "T", Occurrence::kOptional},
                 {"P", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T", Occurrence::kOptional},
                  {"Y_h", "T", Occurrence::kOptional},
                  {"Y_c", "T", Occurrence::kOptional}},
      .types = {{"T", kFloats}, {"T1", {DataType::kInt32}}},
      .make = make_operator<Lstm>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
