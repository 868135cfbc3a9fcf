// RNN: https://onnx.ai/onnx/operators/onnx__RNN.html, versions 1 to 22, float, double and the half types.
#include "kernels/gemm.h"
#include "kernels/recurrent_gates.h"
#include "ops/op_def.h"
#include "ops/recurrent.h"

namespace attune::ops {
namespace {

class Rnn final : public RecurrentOperator {
 public:
  explicit Rnn(const Node& node) : RecurrentOperator(node, {.gates = 1, .functions = 1, .defaults = "Tanh"}) {}

 private:
  std::vector<GateRange> products() const override { return {{0, 1}}; }
  int64_t scratch_floats(int64_t units) const override { return units; }

  void step(const RunContext&, const RecurrentStep& step, std::span<const float* const> weights,
            int64_t units) const override {
    kernels::gemm_packed({step.samples, units, units}, {step.h, units, 1}, weights[0], step.scratch, units, {},
                         *step.parallel, step.order);
    for (int64_t i = 0; i < step.samples; ++i) {
      const float* x = step.x[static_cast<size_t>(i)];
      if (x == nullptr) continue;
      kernels::rnn_gates(gates(step.direction), x, step.scratch + i * units, step.h + i * units, units);
    }
  }
};

}  // namespace

[[gnu::cold]] const OpDef& rnn() {
  static const OpDef def{
      .name = "RNN",
      .inputs = {{"X", "T"},
                 {"W", "T"},
                 {"R", "T"},
                 {"B", "T", Occurrence::kOptional},
                 {"sequence_lens", "T1", Occurrence::kOptional},
                 {"initial_h", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T", Occurrence::kOptional}, {"Y_h", "T", Occurrence::kOptional}},
      .types = {{"T", kFloats}, {"T1", {DataType::kInt32}}},
      .make = make_operator<Rnn>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
