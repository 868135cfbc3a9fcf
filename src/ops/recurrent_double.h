// RNN, GRU and LSTM in double: plain loops, for the few models that have such layers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "kernels/recurrent_gates.h"

namespace attune::ops {

/// A layer with its tensors as ONNX lays them out; those that a node leaves out are null. Sizes and lengths have been
/// checked.
struct DoubleRecurrentLayer {
  int64_t times = 0;
  int64_t batch = 0;
  int64_t inputs = 0;  ///< features
  int64_t units = 0;
  int gates = 1;                                       ///< 1: RNN, 3: GRU, 4: LSTM
  bool linear_before_reset = false;                    ///< of GRU
  bool batch_first = false;                            ///< the batch is the first axis of x, y and states (`layout` 1)
  std::vector<bool> reverse;                           ///< by direction
  std::span<const kernels::RecurrentGates> functions;  ///< likewise

  const double* x = nullptr;
  const double* w = nullptr;
  const double* r = nullptr;
  const double* bias = nullptr;
  const int32_t* lengths = nullptr;
  const double* initial_h = nullptr;
  const double* initial_cell = nullptr;
  const double* peepholes = nullptr;

  double* y = nullptr;
  double* last_h = nullptr;
  double* last_cell = nullptr;
};

/// Runs it, samples and directions in parallel; they do not depend on each other. Thread-safe.
void run_recurrent_double(const DoubleRecurrentLayer& layer, Parallel& parallel);

}  // namespace attune::ops
