// What recurrent layers do with the products of one step: gates, states, results.
//
// All functions work on one sample: n units. A gate's input is x + recurrent, the input's and the state's product with
// their biases, each n floats a gate, one gate behind the other. Elements are independent of each other: the bits of
// one do not depend on n. NaN gives NaN. Nothing is allocated; thread-safe.
#pragma once

#include <cstdint>
#include <limits>

namespace attune::kernels {

/// An activation of a recurrent layer, with ONNX's parameters.
struct GateFunction {
  enum class Kind : uint8_t {
    kSigmoid,
    kTanh,
    kRelu,
    kAffine,           ///< alpha * x + beta
    kLeakyRelu,        ///< x >= 0 ? x : alpha * x
    kThresholdedRelu,  ///< x >= alpha ? x : 0
    kScaledTanh,       ///< alpha * tanh(beta * x)
    kHardSigmoid,      ///< min(max(alpha * x + beta, 0), 1)
    kElu,              ///< x >= 0 ? x : alpha * (exp(x) - 1)
    kSoftsign,         ///< x / (1 + |x|)
    kSoftplus,         ///< log(1 + exp(x))
  };
  Kind kind = Kind::kSigmoid;
  float alpha = 0.0F;
  float beta = 0.0F;
};

/// The functions of a layer, and where their inputs are cut off.
struct RecurrentGates {
  GateFunction f;                                       ///< of gates; the only one of RNN
  GateFunction g;                                       ///< of the new content: the cell's input, GRU's hidden gate
  GateFunction h;                                       ///< LSTM: of the cell
  float clip = std::numeric_limits<float>::infinity();  ///< inputs of f and g lie within +-clip
  bool input_forget = false;                            ///< LSTM: the forget gate is 1 - the input gate
};

/// h = f(x + recurrent).
void rnn_gates(const RecurrentGates& gates, const float* x, const float* recurrent, float* h, int64_t n);

/// Four gates in the order i, o, f, c. `cell` becomes f(f) * cell + f(i) * g(c), and h = f(o) * h(cell). `peepholes`,
/// in the order i, o, f, may be null: times the cell, the new one for o, they are added to the gates' inputs.
void lstm_gates(const RecurrentGates& gates, const float* x, const float* recurrent, const float* peepholes,
                float* cell, float* h, int64_t n);

/// The gates z and r, two in `recurrent`: `update` = f(z), `reset` = f(r) * h.
void gru_update_and_reset(const RecurrentGates& gates, const float* x, const float* recurrent, const float* h,
                          float* update, float* reset, int64_t n);

/// h = (1 - update) * g(x + recurrent) + update * h, with the products of the hidden gate alone.
void gru_output(const RecurrentGates& gates, const float* x, const float* recurrent, const float* update, float* h,
                int64_t n);

/// All three gates z, r and h, where the reset comes after the product: `recurrent` has three, and to the third belongs
/// `hidden_bias`, which may be null. h = (1 - z) * g(x_h + r * (recurrent_h + hidden_bias)) + z * h.
void gru_gates_linear(const RecurrentGates& gates, const float* x, const float* recurrent, const float* hidden_bias,
                      float* h, int64_t n);

}  // namespace attune::kernels
