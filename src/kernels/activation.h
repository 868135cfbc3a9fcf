// The element-wise functions that a convolution or a matrix product applies to its result before storing it.
#pragma once

#include <cstdint>

namespace attune::kernels {

/// y = f(x). `alpha` and `beta` are the function's parameters, named as ONNX names them.
struct Activation {
  enum class Kind : uint8_t {
    kNone,
    kRelu,         ///< max(x, 0)
    kClip,         ///< min(max(x, alpha), beta)
    kLeakyRelu,    ///< x >= 0 ? x : alpha * x
    kHardSigmoid,  ///< min(max(alpha * x + beta, 0), 1)
    kHardSwish,    ///< x * min(max(alpha * x + beta, 0), 1); ONNX's HardSwish has alpha 1/6, beta 1/2
    kSigmoid,      ///< 1 / (1 + exp(-x))
    kSilu,         ///< x * sigmoid(alpha * x); ONNX's Swish, alpha 1 by default
    kTanh,
    kGelu,      ///< x/2 * (1 + erf(x / sqrt 2))
    kGeluTanh,  ///< x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
    kElu,       ///< x >= 0 ? x : alpha * (exp(x) - 1)
    kMish,      ///< x * tanh(ln(1 + exp(x)))
  };
  Kind kind = Kind::kNone;
  float alpha = 0.0F;
  float beta = 0.0F;
};

}  // namespace attune::kernels
