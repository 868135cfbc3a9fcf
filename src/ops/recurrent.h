// What RNN, GRU and LSTM share: attributes, shapes, weights, and the way through the sequences.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/recurrent_gates.h"
#include "ops/op_def.h"
#include "ops/operator.h"
#include "ops/packs_constants.h"
#include "ops/workspace.h"

namespace attune::ops {

/// What a kind of layer is made of.
struct RecurrentKind {
  int gates = 1;              ///< In W, R and B.
  bool has_cell = false;      ///< A second state: inputs 6 and 7, output 2.
  int functions = 1;          ///< Activations of a direction.
  std::string_view defaults;  ///< Their names, a comma between two.
};

/// One direction of a layer on some samples of the batch, which go through the sequence together.
struct RecurrentStep {
  int direction = 0;
  int64_t samples = 0;
  std::span<const float* const> x;  ///< The input's products of each sample at its time; null: its sequence is over.
  float* h = nullptr;               ///< [samples, units]
  float* cell = nullptr;            ///< Likewise.
  float* scratch = nullptr;         ///< [samples, scratch_floats()]
  Parallel* parallel = nullptr;
  kernels::ColumnOrder order{};  ///< In turns, so that a cache smaller than the weights still has some of them.
};

/// Float; half types are widened; double goes its own way (recurrent_double.h). The products of the inputs of many
/// times are one matrix product; those of the states follow one time after another. Directions and parts of the batch
/// run in parallel. Samples are independent of each other, bit by bit.
class RecurrentOperator : public Operator, public PacksConstants {
 public:
  RecurrentOperator(const Node& node, const RecurrentKind& kind);

  void infer(InferContext& context) const override;
  bool reads_unaligned(int i) const override { return i == kW || i == kR; }
  bool reads_only_to_pack(int i) const override { return i == kW || i == kR; }
  void prepare(PrepareContext& context) override;
  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override;
  void run(RunContext& context) const override;
  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override;

 protected:
  // Places of inputs.
  static constexpr int kX = 0;
  static constexpr int kW = 1;
  static constexpr int kR = 2;
  static constexpr int kB = 3;
  static constexpr int kLengths = 4;
  static constexpr int kInitialH = 5;
  static constexpr int kInitialC = 6;
  static constexpr int kPeepholes = 7;

  /// Gates [first, first + count) of R, which one product needs.
  struct GateRange {
    int first;
    int count;
  };

  /// The products of a step, one packed matrix for each.
  virtual std::vector<GateRange> products() const = 0;
  /// Gates whose recurrent bias the layer adds by itself, not with the input's product: [first, gates).
  virtual int first_own_bias() const { return kind_.gates; }
  /// Floats of scratch memory of a sample.
  virtual int64_t scratch_floats(int64_t units) const = 0;
  /// Moves the states of all samples whose sequence goes on.
  virtual void step(const RunContext& context, const RecurrentStep& step, std::span<const float* const> weights,
                    int64_t units) const = 0;

  const kernels::RecurrentGates& gates(int direction) const { return gates_[static_cast<size_t>(direction)]; }
  int directions() const { return static_cast<int>(gates_.size()); }

 private:
  struct Sizes;
  struct Memory;
  /// One of the two weights: packed by prepare(), or by each run where it is no constant.
  struct Packed {
    PackedWeights floats;
    Shape shape;
  };

  Sizes sizes(std::span<const TensorView> inputs) const;
  Memory take_memory(WorkspaceCursor& cursor, const Sizes& sizes) const;
  size_t packed_floats(const Shape& weights, std::span<const GateRange> ranges) const;
  void pack(const float* weights, const Shape& shape, std::span<const GateRange> ranges, float* out,
            Parallel& parallel) const;
  void pack_constant(PrepareContext& context, int input, std::string_view name, std::span<const GateRange> ranges,
                     Packed& packed) const;
  void begin(RunContext& context, const Sizes& sizes, const Memory& memory) const;
  void multiply_inputs(RunContext& context, const Sizes& sizes, const Memory& memory, int direction, int64_t first_step,
                       int64_t steps) const;
  void go(RunContext& context, const Sizes& sizes, const Memory& memory, int64_t task, int64_t first_step,
          int64_t steps, Parallel& parallel) const;
  void finish(RunContext& context, const Sizes& sizes, const Memory& memory) const;
  void run_double(RunContext& context, const Sizes& sizes) const;

  RecurrentKind kind_;
  int64_t hidden_size_;
  bool batch_first_;
  std::vector<bool> reverse_;  // by direction
  std::vector<kernels::RecurrentGates> gates_;
  Packed w_;
  Packed r_;
};

}  // namespace attune::ops
