#include "ops/recurrent_double.h"

#include <algorithm>
#include <cmath>

namespace attune::ops {
namespace {

using kernels::GateFunction;

double apply(const GateFunction& function, double x) {
  using Kind = GateFunction::Kind;
  const double alpha = function.alpha;
  const double beta = function.beta;
  switch (function.kind) {
    case Kind::kSigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case Kind::kTanh:
      return std::tanh(x);
    case Kind::kRelu:
      return x < 0.0 ? 0.0 : x;
    case Kind::kAffine:
      return alpha * x + beta;
    case Kind::kLeakyRelu:
      return x < 0.0 ? alpha * x : x;
    case Kind::kThresholdedRelu:
      return x < alpha ? 0.0 : x;
    case Kind::kScaledTanh:
      return alpha * std::tanh(beta * x);
    case Kind::kHardSigmoid: {
      const double y = alpha * x + beta;
      return y < 0.0 ? 0.0 : y > 1.0 ? 1.0 : y;
    }
    case Kind::kElu:
      return x < 0.0 ? alpha * std::expm1(x) : x;
    case Kind::kSoftsign:
      return x / (1.0 + std::abs(x));
    case Kind::kSoftplus:
      return (x > 0.0 ? x : 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  return x;
}

/// out = matrix * vector + bias, the matrix rows x columns.
void multiply(const double* matrix, const double* vector, const double* bias, double* out, int64_t rows,
              int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) {
    double sum = bias == nullptr ? 0.0 : bias[i];
    for (int64_t k = 0; k < columns; ++k) sum += matrix[i * columns + k] * vector[k];
    out[i] = sum;
  }
}

/// One sample's way through one direction.
class Sequence {
 public:
  Sequence(const DoubleRecurrentLayer& layer, int64_t direction, int64_t sample)
      : layer_(layer),
        gates_(layer.functions[static_cast<size_t>(direction)]),
        direction_(direction),
        sample_(sample),
        units_(layer.units),
        wide_(layer.gates * layer.units),
        h_(load(layer.initial_h)),
        cell_(load(layer.initial_cell)),
        input_(static_cast<size_t>(wide_)),
        recurrent_(static_cast<size_t>(wide_)),
        reset_(static_cast<size_t>(units_)) {}

  void run() {
    const int64_t length = layer_.lengths != nullptr ? layer_.lengths[sample_] : layer_.times;
    for (int64_t step = 0; step < length; ++step) {
      const int64_t time = layer_.reverse[static_cast<size_t>(direction_)] ? length - 1 - step : step;
      move(time);
      if (layer_.y != nullptr) std::copy(h_.begin(), h_.end(), output(time));
    }
    for (int64_t time = length; time < layer_.times && layer_.y != nullptr; ++time) {
      std::fill_n(output(time), units_, 0.0);
    }
    const bool is_empty = layer_.lengths != nullptr && length == 0;  // then there is no last state
    store(h_, is_empty, layer_.last_h);
    store(cell_, is_empty, layer_.last_cell);
  }

 private:
  int64_t directions() const { return static_cast<int64_t>(layer_.reverse.size()); }

  int64_t state_place() const {
    return (layer_.batch_first ? sample_ * directions() + direction_ : direction_ * layer_.batch + sample_) * units_;
  }

  std::vector<double> load(const double* states) const {
    std::vector<double> state(static_cast<size_t>(layer_.units));
    if (states != nullptr) std::copy_n(states + state_place(), layer_.units, state.begin());
    return state;
  }

  void store(const std::vector<double>& state, bool is_empty, double* states) const {
    if (states == nullptr) return;
    for (int64_t i = 0; i < units_; ++i) states[state_place() + i] = is_empty ? 0.0 : state[static_cast<size_t>(i)];
  }

  double* output(int64_t time) const {
    const int64_t place = layer_.batch_first ? (sample_ * layer_.times + time) * directions() + direction_
                                             : (time * directions() + direction_) * layer_.batch + sample_;
    return layer_.y + place * units_;
  }

  double clipped(double x) const {
    const double clip = gates_.clip;
    return x > clip ? clip : x < -clip ? -clip : x;
  }

  /// The sum of both products of a gate.
  double sum(int64_t gate, int64_t unit) const {
    const auto i = static_cast<size_t>(gate * units_ + unit);
    return input_[i] + recurrent_[i];
  }

  void move(int64_t time) {
    const int64_t row = layer_.batch_first ? sample_ * layer_.times + time : time * layer_.batch + sample_;
    const double* bias = layer_.bias == nullptr ? nullptr : layer_.bias + direction_ * 2 * wide_;
    const double* recurrent_bias = bias == nullptr ? nullptr : bias + wide_;
    const double* r = layer_.r + direction_ * wide_ * units_;
    multiply(layer_.w + direction_ * wide_ * layer_.inputs, layer_.x + row * layer_.inputs, bias, input_.data(), wide_,
             layer_.inputs);
    multiply(r, h_.data(), recurrent_bias, recurrent_.data(), wide_, units_);
    if (layer_.gates == 1) {
      for (int64_t i = 0; i < units_; ++i) h_[static_cast<size_t>(i)] = apply(gates_.f, clipped(sum(0, i)));
    } else if (layer_.gates == 3) {
      move_gru(r, recurrent_bias);
    } else {
      move_lstm();
    }
  }

  /// Gates z, r, h.
  void move_gru(const double* r, const double* recurrent_bias) {
    const auto reset_of = [&](int64_t i) { return apply(gates_.f, clipped(sum(1, i))); };
    double* hidden = recurrent_.data() + 2 * units_;
    if (layer_.linear_before_reset) {
      for (int64_t i = 0; i < units_; ++i) hidden[i] *= reset_of(i);
    } else {
      for (int64_t i = 0; i < units_; ++i) {
        const auto at = static_cast<size_t>(i);
        reset_[at] = reset_of(i) * h_[at];
      }
      multiply(r + 2 * units_ * units_, reset_.data(),
               recurrent_bias == nullptr ? nullptr : recurrent_bias + 2 * units_, hidden, units_, units_);
    }
    for (int64_t i = 0; i < units_; ++i) {
      const double update = apply(gates_.f, clipped(sum(0, i)));
      const double content = apply(gates_.g, clipped(sum(2, i)));
      double& h = h_[static_cast<size_t>(i)];
      h = (1.0 - update) * content + update * h;
    }
  }

  /// Gates i, o, f, c; peepholes i, o, f.
  void move_lstm() {
    const double* peepholes = layer_.peepholes == nullptr ? nullptr : layer_.peepholes + direction_ * 3 * units_;
    const auto peek = [&](int64_t gate, int64_t i, double cell) {
      return peepholes == nullptr ? 0.0 : peepholes[gate * units_ + i] * cell;
    };
    for (int64_t i = 0; i < units_; ++i) {
      double& cell = cell_[static_cast<size_t>(i)];
      const double input = apply(gates_.f, clipped(sum(0, i) + peek(0, i, cell)));
      const double forget = gates_.input_forget ? 1.0 - input : apply(gates_.f, clipped(sum(2, i) + peek(2, i, cell)));
      cell = forget * cell + input * apply(gates_.g, clipped(sum(3, i)));
      const double out = apply(gates_.f, clipped(sum(1, i) + peek(1, i, cell)));
      h_[static_cast<size_t>(i)] = out * apply(gates_.h, cell);
    }
  }

  const DoubleRecurrentLayer& layer_;
  const kernels::RecurrentGates& gates_;
  int64_t direction_;
  int64_t sample_;
  int64_t units_;
  int64_t wide_;
  std::vector<double> h_;
  std::vector<double> cell_;
  std::vector<double> input_;      // the input's products and biases
  std::vector<double> recurrent_;  // the state's
  std::vector<double> reset_;      // GRU: the state after the reset
};

}  // namespace

void run_recurrent_double(const DoubleRecurrentLayer& layer, Parallel& parallel) {
  const int64_t count = static_cast<int64_t>(layer.reverse.size()) * layer.batch;
  for_ranges(parallel, count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) Sequence(layer, i / layer.batch, i % layer.batch).run();
  });
}

}  // namespace attune::ops
