#include "kernels/recurrent_gates.h"

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/recurrent_gates.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// The activations that nearly all layers have, without a decision for each vector.
struct UsualFunctions {
  template <class V>
  static HWY_INLINE V f(V x) {
    return vector_sigmoid(FloatTag(), x);
  }
  template <class V>
  static HWY_INLINE V g(V x) {
    return vector_tanh(FloatTag(), x);
  }
  template <class V>
  static HWY_INLINE V h(V x) {
    return vector_tanh(FloatTag(), x);
  }
};

HWY_NOINLINE FloatVector apply(const GateFunction& function, FloatVector x) {
  using Kind = GateFunction::Kind;
  const FloatTag d;
  const auto alpha = hn::Set(d, function.alpha);
  const auto beta = hn::Set(d, function.beta);
  const auto zero = hn::Zero(d);
  const auto one = hn::Set(d, 1.0F);
  const auto negative = hn::Lt(x, zero);  // not for NaN
  switch (function.kind) {
    case Kind::kSigmoid:
      return vector_sigmoid(d, x);
    case Kind::kTanh:
      return vector_tanh(d, x);
    case Kind::kRelu:
      return max_keep_nan(x, zero);
    case Kind::kAffine:
      return hn::MulAdd(alpha, x, beta);
    case Kind::kLeakyRelu:
      return hn::IfThenElse(negative, hn::Mul(alpha, x), x);
    case Kind::kThresholdedRelu:
      return hn::IfThenElse(hn::Lt(x, alpha), zero, x);
    case Kind::kScaledTanh:
      return hn::Mul(alpha, vector_tanh(d, hn::Mul(beta, x)));
    case Kind::kHardSigmoid:
      return min_keep_nan(max_keep_nan(hn::MulAdd(alpha, x, beta), zero), one);
    case Kind::kElu:
      return hn::IfThenElse(negative, hn::Mul(alpha, hn::Sub(vector_exp(d, x), one)), x);
    case Kind::kSoftsign:
      return hn::Div(x, hn::Add(one, hn::Abs(x)));
    case Kind::kSoftplus: {
      // max(x, 0) + log(1 + exp(-|x|)): the exponential of a large x is infinite.
      const auto rest = vector_log(d, hn::Add(one, vector_exp_nonpositive(d, hn::Neg(hn::Abs(x)))));
      return hn::Add(max_keep_nan(x, zero), rest);
    }
  }
  return x;
}

struct AnyFunctions {
  const RecurrentGates& gates;
  HWY_INLINE FloatVector f(FloatVector x) const { return apply(gates.f, x); }
  HWY_INLINE FloatVector g(FloatVector x) const { return apply(gates.g, x); }
  HWY_INLINE FloatVector h(FloatVector x) const { return apply(gates.h, x); }
};

bool are_usual(const RecurrentGates& gates) {
  using Kind = GateFunction::Kind;
  return gates.f.kind == Kind::kSigmoid && gates.g.kind == Kind::kTanh && gates.h.kind == Kind::kTanh;
}

/// Vectors of a row of n floats, the last one of `left` lanes.
struct Lanes {
  size_t left;
  bool whole;

  explicit Lanes(int64_t rest) {
    const auto lanes = static_cast<int64_t>(hn::Lanes(FloatTag()));
    whole = rest >= lanes;
    left = static_cast<size_t>(whole ? lanes : rest);
  }
  HWY_INLINE FloatVector load(const float* p) const {
    return whole ? hn::LoadU(FloatTag(), p) : load_tail(FloatTag(), p, left);
  }
  HWY_INLINE void store(FloatVector v, float* p) const {
    if (whole) {
      hn::StoreU(v, FloatTag(), p);
    } else {
      store_tail(v, FloatTag(), p, left);
    }
  }
};

HWY_INLINE FloatVector clipped(FloatVector x, FloatVector clip) {
  return max_keep_nan(min_keep_nan(x, clip), hn::Neg(clip));
}

void run_rnn(const RecurrentGates& gates, const float* x, const float* recurrent, float* h, int64_t n) {
  const FloatTag d;
  const auto clip = hn::Set(d, gates.clip);
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const bool is_tanh = gates.f.kind == GateFunction::Kind::kTanh;
  for (int64_t i = 0; i < n; i += step) {
    const Lanes at(n - i);
    const auto sum = clipped(hn::Add(at.load(x + i), at.load(recurrent + i)), clip);
    at.store(is_tanh ? vector_tanh(d, sum) : apply(gates.f, sum), h + i);
  }
}

template <class Functions>
void lstm_row(const Functions& functions, const RecurrentGates& gates, const float* x, const float* recurrent,
              const float* peepholes, float* cell, float* h, int64_t n) {
  const FloatTag d;
  const auto clip = hn::Set(d, gates.clip);
  const auto one = hn::Set(d, 1.0F);
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t k = 0; k < n; k += step) {
    const Lanes at(n - k);
    const auto sum = [&](int64_t gate)
                         HWY_ATTR { return hn::Add(at.load(x + gate * n + k), at.load(recurrent + gate * n + k)); };
    const auto old = at.load(cell + k);
    auto i = sum(0);
    auto o = sum(1);
    auto f = sum(2);
    if (peepholes != nullptr) {
      i = hn::MulAdd(at.load(peepholes + k), old, i);
      f = hn::MulAdd(at.load(peepholes + 2 * n + k), old, f);
    }
    i = functions.f(clipped(i, clip));
    f = gates.input_forget ? hn::Sub(one, i) : functions.f(clipped(f, clip));
    const auto content = functions.g(clipped(sum(3), clip));
    const auto next = hn::MulAdd(f, old, hn::Mul(i, content));
    if (peepholes != nullptr) o = hn::MulAdd(at.load(peepholes + n + k), next, o);
    o = functions.f(clipped(o, clip));
    at.store(next, cell + k);
    at.store(hn::Mul(o, functions.h(next)), h + k);
  }
}

void run_lstm(const RecurrentGates& gates, const float* x, const float* recurrent, const float* peepholes, float* cell,
              float* h, int64_t n) {
  if (are_usual(gates)) return lstm_row(UsualFunctions(), gates, x, recurrent, peepholes, cell, h, n);
  lstm_row(AnyFunctions{gates}, gates, x, recurrent, peepholes, cell, h, n);
}

template <class Functions>
void gru_update_and_reset_row(const Functions& functions, const RecurrentGates& gates, const float* x,
                              const float* recurrent, const float* h, float* update, float* reset, int64_t n) {
  const FloatTag d;
  const auto clip = hn::Set(d, gates.clip);
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += step) {
    const Lanes at(n - i);
    const auto z = hn::Add(at.load(x + i), at.load(recurrent + i));
    const auto r = hn::Add(at.load(x + n + i), at.load(recurrent + n + i));
    at.store(functions.f(clipped(z, clip)), update + i);
    at.store(hn::Mul(functions.f(clipped(r, clip)), at.load(h + i)), reset + i);
  }
}

void run_gru_update_and_reset(const RecurrentGates& gates, const float* x, const float* recurrent, const float* h,
                              float* update, float* reset, int64_t n) {
  if (are_usual(gates)) {
    return gru_update_and_reset_row(UsualFunctions(), gates, x, recurrent, h, update, reset, n);
  }
  gru_update_and_reset_row(AnyFunctions{gates}, gates, x, recurrent, h, update, reset, n);
}

/// (1 - z) * content + z * h
HWY_INLINE FloatVector mix(FloatVector z, FloatVector content, FloatVector h) {
  const auto keep = hn::Sub(hn::Set(FloatTag(), 1.0F), z);
  return hn::MulAdd(keep, content, hn::Mul(z, h));
}

template <class Functions>
void gru_output_row(const Functions& functions, const RecurrentGates& gates, const float* x, const float* recurrent,
                    const float* update, float* h, int64_t n) {
  const FloatTag d;
  const auto clip = hn::Set(d, gates.clip);
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += step) {
    const Lanes at(n - i);
    const auto content = functions.g(clipped(hn::Add(at.load(x + i), at.load(recurrent + i)), clip));
    at.store(mix(at.load(update + i), content, at.load(h + i)), h + i);
  }
}

void run_gru_output(const RecurrentGates& gates, const float* x, const float* recurrent, const float* update, float* h,
                    int64_t n) {
  if (are_usual(gates)) return gru_output_row(UsualFunctions(), gates, x, recurrent, update, h, n);
  gru_output_row(AnyFunctions{gates}, gates, x, recurrent, update, h, n);
}

template <class Functions>
void gru_linear_row(const Functions& functions, const RecurrentGates& gates, const float* x, const float* recurrent,
                    const float* hidden_bias, float* h, int64_t n) {
  const FloatTag d;
  const auto clip = hn::Set(d, gates.clip);
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t i = 0; i < n; i += step) {
    const Lanes at(n - i);
    const auto sum = [&](int64_t gate)
                         HWY_ATTR { return hn::Add(at.load(x + gate * n + i), at.load(recurrent + gate * n + i)); };
    const auto z = functions.f(clipped(sum(0), clip));
    const auto r = functions.f(clipped(sum(1), clip));
    auto hidden = at.load(recurrent + 2 * n + i);
    if (hidden_bias != nullptr) hidden = hn::Add(hidden, at.load(hidden_bias + i));
    const auto content = functions.g(clipped(hn::MulAdd(r, hidden, at.load(x + 2 * n + i)), clip));
    at.store(mix(z, content, at.load(h + i)), h + i);
  }
}

void run_gru_linear(const RecurrentGates& gates, const float* x, const float* recurrent, const float* hidden_bias,
                    float* h, int64_t n) {
  if (are_usual(gates)) return gru_linear_row(UsualFunctions(), gates, x, recurrent, hidden_bias, h, n);
  gru_linear_row(AnyFunctions{gates}, gates, x, recurrent, hidden_bias, h, n);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_rnn);
HWY_EXPORT(run_lstm);
HWY_EXPORT(run_gru_update_and_reset);
HWY_EXPORT(run_gru_output);
HWY_EXPORT(run_gru_linear);

void rnn_gates(const RecurrentGates& gates, const float* x, const float* recurrent, float* h, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_rnn)(gates, x, recurrent, h, n);
}

void lstm_gates(const RecurrentGates& gates, const float* x, const float* recurrent, const float* peepholes,
                float* cell, float* h, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_lstm)(gates, x, recurrent, peepholes, cell, h, n);
}

void gru_update_and_reset(const RecurrentGates& gates, const float* x, const float* recurrent, const float* h,
                          float* update, float* reset, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_gru_update_and_reset)(gates, x, recurrent, h, update, reset, n);
}

void gru_output(const RecurrentGates& gates, const float* x, const float* recurrent, const float* update, float* h,
                int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_gru_output)(gates, x, recurrent, update, h, n);
}

void gru_gates_linear(const RecurrentGates& gates, const float* x, const float* recurrent, const float* hidden_bias,
                      float* h, int64_t n) {
  HWY_DYNAMIC_DISPATCH(run_gru_linear)(gates, x, recurrent, hidden_bias, h, n);
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
