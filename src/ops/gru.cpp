// GRU: https://onnx.ai/onnx/operators/onnx__GRU.html, versions 1 to 22, float, double and the half types.
#include <algorithm>

#include "kernels/gemm.h"
#include "kernels/recurrent_gates.h"
#include "ops/op_def.h"
#include "ops/recurrent.h"

namespace attune::ops {
namespace {

constexpr RecurrentKind kGru{.gates = 3, .functions = 2, .defaults = "Sigmoid,Tanh"};

/// The reset before the product: the hidden gate's needs the gates' results.
class Gru final : public RecurrentOperator {
 public:
  explicit Gru(const Node& node) : RecurrentOperator(node, kGru) {}

 private:
  std::vector<GateRange> products() const override { return {{0, 2}, {2, 1}}; }
  int64_t scratch_floats(int64_t units) const override { return 4 * units; }

  void step(const RunContext&, const RecurrentStep& step, std::span<const float* const> weights,
            int64_t units) const override {
    // One behind the other: both gates' products, later the hidden gate's; the update; the reset state.
    float* products = step.scratch;
    float* update = products + step.samples * 2 * units;
    float* reset = update + step.samples * units;
    kernels::gemm_packed({step.samples, 2 * units, units}, {step.h, units, 1}, weights[0], products, 2 * units, {},
                         *step.parallel, step.order);
    for (int64_t i = 0; i < step.samples; ++i) {
      const float* x = step.x[static_cast<size_t>(i)];
      if (x == nullptr) {
        std::fill_n(reset + i * units, units, 0.0F);
        continue;
      }
      kernels::gru_update_and_reset(gates(step.direction), x, products + i * 2 * units, step.h + i * units,
                                    update + i * units, reset + i * units, units);
    }
    kernels::gemm_packed({step.samples, units, units}, {reset, units, 1}, weights[1], products, units, {},
                         *step.parallel, step.order);
    for (int64_t i = 0; i < step.samples; ++i) {
      const float* x = step.x[static_cast<size_t>(i)];
      if (x == nullptr) continue;
      kernels::gru_output(gates(step.direction), x + 2 * units, products + i * units, update + i * units,
                          step.h + i * units, units);
    }
  }
};

/// linear_before_reset: one product of all gates.
class LinearGru final : public RecurrentOperator {
 public:
  explicit LinearGru(const Node& node) : RecurrentOperator(node, kGru) {}

 private:
  std::vector<GateRange> products() const override { return {{0, 3}}; }
  int first_own_bias() const override { return 2; }
  int64_t scratch_floats(int64_t units) const override { return 3 * units; }

  void step(const RunContext& context, const RecurrentStep& step, std::span<const float* const> weights,
            int64_t units) const override {
    const int64_t wide = 3 * units;
    kernels::gemm_packed({step.samples, wide, units}, {step.h, units, 1}, weights[0], step.scratch, wide, {},
                         *step.parallel, step.order);
    // B is, for each direction, the input's biases and then the recurrent ones.
    const float* bias =
        context.has_input(kB) ? context.input(kB).as<float>() + step.direction * 2 * wide + wide : nullptr;
    for (int64_t i = 0; i < step.samples; ++i) {
      const float* x = step.x[static_cast<size_t>(i)];
      if (x == nullptr) continue;
      kernels::gru_gates_linear(gates(step.direction), x, step.scratch + i * wide,
                                bias != nullptr ? bias + 2 * units : nullptr, step.h + i * units, units);
    }
  }
};

std::unique_ptr<Operator> make_gru(const Node& node) {
  if (node.attributes.get_int("linear_before_reset", 0) != 0) return std::make_unique<LinearGru>(node);
  return std::make_unique<Gru>(node);
}

}  // namespace

[[gnu::cold]] const OpDef& gru() {
  static const OpDef def{
      .name = "GRU",
      .inputs = {{"X", "T"},
                 {"W", "T"},
                 {"R", "T"},
                 {"B", "T", Occurrence::kOptional},
                 {"sequence_lens", "T1", Occurrence::kOptional},
                 {"initial_h", "T", Occurrence::kOptional}},
      .outputs = {{"Y", "T", Occurrence::kOptional}, {"Y_h", "T", Occurrence::kOptional}},
      .types = {{"T", kFloats}, {"T1", {DataType::kInt32}}},
      .make = make_gru,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
