// The reductions of vector_math.h.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/simd.h"
#include "kernels/vector_math.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector_reduce.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Each reduction: its neutral element, add() of one more vector of inputs, merge() of two partial results, across() the
// lanes, and merge_all() of the results of pieces.
struct Sum {
  static constexpr float kNeutral = 0.0F;
  template <class V>
  static HWY_INLINE V add(V s, V v) {
    return hn::Add(s, v);
  }
  template <class V>
  static HWY_INLINE V merge(V a, V b) {
    return hn::Add(a, b);
  }
  static HWY_INLINE float across(FloatVector v) { return hn::GetLane(hn::SumOfLanes(FloatTag(), v)); }
  static double merge_all(double a, double b) { return a + b; }
};

struct SumAbs : Sum {
  template <class V>
  static HWY_INLINE V add(V s, V v) {
    return hn::Add(s, hn::Abs(v));
  }
};

struct SumSquare : Sum {
  template <class V>
  static HWY_INLINE V add(V s, V v) {
    return hn::MulAdd(v, v, s);
  }
};

struct Max {
  static constexpr float kNeutral = -kInfinity;
  // A NaN is taken wherever it comes from: no comparison with it is true.
  template <class V>
  static HWY_INLINE V add(V s, V v) {
    return hn::IfThenElse(hn::IsNaN(v), v, hn::IfThenElse(hn::Lt(s, v), v, s));
  }
  template <class V>
  static HWY_INLINE V merge(V a, V b) {
    return add(a, b);
  }
  static HWY_INLINE float across(FloatVector v) {
    const FloatTag d;
    if (!hn::AllFalse(d, hn::IsNaN(v))) return std::numeric_limits<float>::quiet_NaN();
    return hn::GetLane(hn::MaxOfLanes(d, v));
  }
  static double merge_all(double a, double b) { return std::isnan(b) || a < b ? b : a; }
};

struct Min {
  static constexpr float kNeutral = kInfinity;
  template <class V>
  static HWY_INLINE V add(V s, V v) {
    return hn::IfThenElse(hn::IsNaN(v), v, hn::IfThenElse(hn::Lt(v, s), v, s));
  }
  template <class V>
  static HWY_INLINE V merge(V a, V b) {
    return add(a, b);
  }
  static HWY_INLINE float across(FloatVector v) {
    const FloatTag d;
    if (!hn::AllFalse(d, hn::IsNaN(v))) return std::numeric_limits<float>::quiet_NaN();
    return hn::GetLane(hn::MinOfLanes(d, v));
  }
  static double merge_all(double a, double b) { return std::isnan(b) || b < a ? b : a; }
};

struct Product {
  static constexpr float kNeutral = 1.0F;
  template <class V>
  static HWY_INLINE V add(V s, V v) {
    return hn::Mul(s, v);
  }
  template <class V>
  static HWY_INLINE V merge(V a, V b) {
    return hn::Mul(a, b);
  }
  static HWY_INLINE float across(FloatVector v) {
    HWY_ALIGN float lanes[kLanes];
    hn::Store(v, FloatTag(), lanes);
    float product = lanes[0];
    for (int64_t i = 1; i < kLanes; ++i) product *= lanes[i];
    return product;
  }
  static double merge_all(double a, double b) { return a * b; }
};

template <class Op>
HWY_INLINE float reduce_piece(const float* x, int64_t n) {
  const FloatTag d;
  auto s0 = hn::Set(d, Op::kNeutral);
  auto s1 = s0;
  auto s2 = s0;
  auto s3 = s0;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 = Op::add(s0, hn::LoadU(d, x + i));
    s1 = Op::add(s1, hn::LoadU(d, x + i + kLanes));
    s2 = Op::add(s2, hn::LoadU(d, x + i + 2 * kLanes));
    s3 = Op::add(s3, hn::LoadU(d, x + i + 3 * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) s0 = Op::add(s0, hn::LoadU(d, x + i));
  if (i < n) {
    const size_t left = static_cast<size_t>(n - i);
    s1 = hn::IfThenElse(hn::FirstN(d, left), Op::add(s1, load_tail(d, x + i, left)), s1);
  }
  return Op::across(Op::merge(Op::merge(s0, s1), Op::merge(s2, s3)));
}

constexpr int64_t kPiece = 4096;

template <class Op>
void run_rows(const float* x, int64_t rows, int64_t columns, ptrdiff_t row_stride, bool mean, float* y) {
  for (int64_t r = 0; r < rows; ++r, x += row_stride) {
    double total = static_cast<double>(Op::kNeutral);
    for (int64_t i = 0; i < columns; i += kPiece) {
      total = Op::merge_all(total, static_cast<double>(reduce_piece<Op>(x + i, HWY_MIN(kPiece, columns - i))));
    }
    y[r] = static_cast<float>(mean ? total / static_cast<double>(columns) : total);
  }
}

constexpr int64_t kPieceRows = 64;

// `kVectors` vectors of columns; `left` lanes of the last one exist.
template <class Op, int kVectors>
HWY_INLINE void reduce_strip(const float* x, int64_t rows, ptrdiff_t row_stride, bool mean, size_t left, float* y) {
  const FloatTag d;
  const bool whole = left == static_cast<size_t>(kLanes);
  FloatVector total[kVectors];
  ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) total[j] = hn::Set(d, Op::kNeutral);
  for (int64_t first = 0; first < rows; first += kPieceRows) {
    const int64_t end = HWY_MIN(rows, first + kPieceRows);
    FloatVector piece[kVectors];
    ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) piece[j] = hn::Set(d, Op::kNeutral);
    for (int64_t r = first; r < end; ++r) {
      const float* row = x + r * row_stride;
      ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) {
        const auto v = whole ? hn::LoadU(d, row + j * kLanes) : load_tail(d, row + j * kLanes, left);
        piece[j] = Op::add(piece[j], v);
      }
    }
    ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) total[j] = Op::merge(total[j], piece[j]);
  }
  ATTUNE_UNROLL for (int j = 0; j < kVectors; ++j) {
    const auto v = mean ? hn::Div(total[j], hn::Set(d, static_cast<float>(rows))) : total[j];
    if (whole) {
      hn::StoreU(v, d, y + j * kLanes);
    } else {
      store_tail(v, d, y + j * kLanes, left);
    }
  }
}

template <class Op>
void run_columns(const float* x, int64_t rows, int64_t columns, ptrdiff_t row_stride, bool mean, float* y) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= columns; j += 4 * kLanes) {
    reduce_strip<Op, 4>(x + j, rows, row_stride, mean, static_cast<size_t>(kLanes), y + j);
  }
  for (; j < columns; j += kLanes) {
    reduce_strip<Op, 1>(x + j, rows, row_stride, mean, static_cast<size_t>(HWY_MIN(kLanes, columns - j)), y + j);
  }
}

void run_reduce_rows(Reduction reduction, const float* x, int64_t rows, int64_t columns, ptrdiff_t stride, float* y) {
  switch (reduction) {
    case Reduction::kSum:
    case Reduction::kMean:
      return run_rows<Sum>(x, rows, columns, stride, reduction == Reduction::kMean, y);
    case Reduction::kMax:
      return run_rows<Max>(x, rows, columns, stride, false, y);
    case Reduction::kMin:
      return run_rows<Min>(x, rows, columns, stride, false, y);
    case Reduction::kProd:
      return run_rows<Product>(x, rows, columns, stride, false, y);
    case Reduction::kSumAbs:
      return run_rows<SumAbs>(x, rows, columns, stride, false, y);
    case Reduction::kSumSquare:
      return run_rows<SumSquare>(x, rows, columns, stride, false, y);
  }
}

void run_reduce_columns(Reduction reduction, const float* x, int64_t rows, int64_t columns, ptrdiff_t stride,
                        float* y) {
  switch (reduction) {
    case Reduction::kSum:
    case Reduction::kMean:
      return run_columns<Sum>(x, rows, columns, stride, reduction == Reduction::kMean, y);
    case Reduction::kMax:
      return run_columns<Max>(x, rows, columns, stride, false, y);
    case Reduction::kMin:
      return run_columns<Min>(x, rows, columns, stride, false, y);
    case Reduction::kProd:
      return run_columns<Product>(x, rows, columns, stride, false, y);
    case Reduction::kSumAbs:
      return run_columns<SumAbs>(x, rows, columns, stride, false, y);
    case Reduction::kSumSquare:
      return run_columns<SumSquare>(x, rows, columns, stride, false, y);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_reduce_rows);
HWY_EXPORT(run_reduce_columns);

void reduce_rows(Reduction reduction, const float* x, int64_t rows, int64_t columns, ptrdiff_t row_stride, float* y) {
  HWY_DYNAMIC_DISPATCH(run_reduce_rows)(reduction, x, rows, columns, row_stride, y);
}

void reduce_columns(Reduction reduction, const float* x, int64_t rows, int64_t columns, ptrdiff_t row_stride,
                    float* y) {
  HWY_DYNAMIC_DISPATCH(run_reduce_columns)(reduction, x, rows, columns, row_stride, y);
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
