// Element-wise functions of float arrays and their reductions: the inner loops of the element-wise and Reduce
// operators.
//
// All functions run in the calling thread and are thread-safe; share large arrays out with for_ranges(). Unless stated
// otherwise NaN in gives NaN out, and exp, log and their relatives are within a few units in the last place
// (simd_math-inl.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace attune::kernels {

enum class UnaryFunction : uint8_t {
  kAbs,
  kCeil,
  kClip,  ///< min(max(x, alpha), beta)
  kCos,   ///< by the C library, as kSin
  kElu,   ///< x >= 0 ? x : alpha * (exp(x) - 1)
  kErf,
  kExp,
  kFloor,
  kGelu,         ///< x/2 * (1 + erf(x / sqrt 2))
  kGeluTanh,     ///< x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))
  kHardSigmoid,  ///< min(max(alpha * x + beta, 0), 1)
  kHardSwish,    ///< x * min(max(alpha * x + beta, 0), 1); ONNX's HardSwish has alpha 1/6, beta 1/2
  kLeakyRelu,    ///< x >= 0 ? x : alpha * x
  kLog,
  kMish,  ///< x * tanh(ln(1 + exp(x)))
  kNeg,
  kReciprocal,  ///< 1 / x
  kRelu,
  kRound,  ///< to the nearest whole number, halves to the even one
  kSigmoid,
  kSign,  ///< -1, 0 or 1; NaN gives NaN
  kSilu,  ///< x * sigmoid(alpha * x)
  kSin,
  kSoftplus,  ///< ln(1 + exp(x))
  kSqrt,
  kSquare,  ///< x * x
  kTanh,
};

/// y[i] = f(x[i]) for i < n. `alpha` and `beta` are used only where listed above. y may be x.
void map_unary(UnaryFunction function, float alpha, float beta, const float* x, float* y, int64_t n);

enum class BinaryFunction : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMax,    ///< NaN if either is
  kMin,    ///< NaN if either is
  kMod,    ///< C's fmod: the sign of x
  kPow,    ///< C's pow; y_stride = 0 with exponent 2, 3, 0.5, -0.5, 1 or -1 is fast
  kPrelu,  ///< x >= 0 ? x : y * x
};

/// out[i] = f(x[i * x_stride], y[i * y_stride]) for i < n; strides are 0 (one value for all) or 1. out may be x or y
/// where that stride is 1.
void map_binary(BinaryFunction function, const float* x, int x_stride, const float* y, int y_stride, float* out,
                int64_t n);

/// out[i] = x[i] * scale[i * stride] + shift[i * stride] for i < n, stride 0 or 1: a fused scale and shift
/// (BatchNormalization, quantization). out may be x. One rounding where the target has fused multiply-add, else two.
void map_scale_shift(const float* x, const float* scale, const float* shift, int stride, float* out, int64_t n);

enum class Reduction : uint8_t {
  kSum,
  kMean,
  kMax,  ///< NaN if any is
  kMin,  ///< NaN if any is
  kProd,
  kSumAbs,     ///< ReduceL1
  kSumSquare,  ///< ReduceSumSquare, the square of ReduceL2
};

/// y[r] = reduction of the `columns` contiguous floats at x + r * row_stride, for r < rows. The order of additions:
/// lane by lane in four vectors over pieces of 4096 floats, the pieces' sums added in double precision. columns = 0
/// gives the neutral element (0, 1, -inf, +inf; NaN for kMean).
void reduce_rows(Reduction reduction, const float* x, int64_t rows, int64_t columns, ptrdiff_t row_stride, float* y);

/// y[c] = reduction over r < rows of x[r * row_stride + c], for c < columns. The order of additions: row after row over
/// pieces of 64 rows, then the pieces' sums one after the other. Whether columns are cut into ranges does not matter.
void reduce_columns(Reduction reduction, const float* x, int64_t rows, int64_t columns, ptrdiff_t row_stride, float* y);

}  // namespace attune::kernels
