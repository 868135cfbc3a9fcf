// The transforms of Winograd's tiles, compiled once for each target: a tile of kOut + 2 rows and columns of input to
// its points, 3x3 weights to the same points, and sums of products at the points to kOut rows and columns of output.
// The one-dimensional transform (winograd_points.h) is applied to the columns, then to the rows.
//
// A tile does not fit the registers. Columns are therefore transformed as often as there are groups of rows, each time
// to the two rows of a pair of points (or the half of the output's rows that has even numbers), which are finished
// before the next group begins. The loads are repeated, the arithmetic is not, and nothing is stored in between: a
// store of 64 bytes takes as long as two loads on CPUs that halve them.
#if defined(ATTUNE_KERNELS_WINOGRAD_TRANSFORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_WINOGRAD_TRANSFORM_INL_H_
#undef ATTUNE_KERNELS_WINOGRAD_TRANSFORM_INL_H_
#else
#define ATTUNE_KERNELS_WINOGRAD_TRANSFORM_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "kernels/conv_unroll-inl.h"
#include "kernels/winograd_points.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// first[0] * c_0 + first[2] * c_1 + ... + first[2 * (kTerms - 1)], c being the polynomial's coefficients.
template <int kOut, int kLeftOut, int kTerms>
HWY_INLINE BlockVector sum_even(const BlockVector* first) {
  const BlockTag d;
  BlockVector sum = first[2 * (kTerms - 1)];
  unroll<kTerms - 1>([&](auto i) ATTUNE_UNROLLED {
    constexpr int kTerm = kTerms - 2 - decltype(i)::value;
    constexpr double kFactor = winograd_polynomial<kOut>(kLeftOut)[static_cast<size_t>(kTerm)];
    if constexpr (kFactor == -1.0) {
      sum = hn::Sub(sum, first[2 * kTerm]);
    } else {
      sum = hn::MulAdd(hn::Set(d, static_cast<float>(kFactor)), first[2 * kTerm], sum);
    }
  });
  return sum;
}

/// The two points of a group on one line: 0 and infinity in group 0, those of pair g - 1 in group g.
template <int kOut, int kGroup>
HWY_INLINE void transform_input_line(const BlockVector (&line)[kOut + 2], BlockVector (&points)[2]) {
  if constexpr (kGroup == 0) {
    points[0] = sum_even<kOut, -1, kOut / 2 + 1>(line);
    points[1] = sum_even<kOut, -1, kOut / 2 + 1>(line + 1);
  } else {
    const BlockVector even = sum_even<kOut, kGroup - 1, kOut / 2>(line + 2);
    const BlockVector odd = sum_even<kOut, kGroup - 1, kOut / 2>(line + 1);
    constexpr double kPoint = kWinogradPairs<kOut>[kGroup - 1];
    if constexpr (kPoint == 1.0) {
      points[0] = hn::Add(even, odd);
      points[1] = hn::Sub(even, odd);
    } else {
      const BlockVector point = hn::Set(BlockTag(), static_cast<float>(kPoint));
      points[0] = hn::MulAdd(point, odd, even);
      points[1] = hn::NegMulAdd(point, odd, even);
    }
  }
}

/// The number of a group's first or second point on its line.
template <int kOut, int kGroup>
constexpr int point_on_line(int second) {
  return kGroup == 0 ? second * (kOut + 1) : 2 * kGroup - 1 + second;
}

/// One vector of a tile of input whose rows are `row_stride` apart; point i goes to out + i * point_stride.
template <int kOut>
HWY_INLINE void transform_input_vector(const float* in, int64_t row_stride, float* out, int64_t point_stride) {
  constexpr int kIn = kOut + 2;
  const BlockTag d;
  unroll<kOut / 2 + 1>([&](auto group) ATTUNE_UNROLLED {
    constexpr int kGroup = decltype(group)::value;
    BlockVector rows[2][kIn];
    unroll<kIn>([&](auto column) ATTUNE_UNROLLED {
      BlockVector line[kIn];
      BlockVector points[2];
      unroll<kIn>([&](auto i) ATTUNE_UNROLLED { line[i()] = hn::LoadU(d, in + i() * row_stride + column() * kBlock); });
      transform_input_line<kOut, kGroup>(line, points);
      rows[0][column()] = points[0];
      rows[1][column()] = points[1];
    });
    unroll<2>([&](auto second) ATTUNE_UNROLLED {
      float* row = out + point_on_line<kOut, kGroup>(second()) * kIn * point_stride;
      unroll<kOut / 2 + 1>([&](auto across) ATTUNE_UNROLLED {
        constexpr int kAcross = decltype(across)::value;
        BlockVector points[2];
        transform_input_line<kOut, kAcross>(rows[second()], points);
        hn::StoreU(points[0], d, row + point_on_line<kOut, kAcross>(0) * point_stride);
        hn::StoreU(points[1], d, row + point_on_line<kOut, kAcross>(1) * point_stride);
      });
    });
  });
}

/// The same two points of three weights.
template <int kOut, int kGroup>
HWY_INLINE void transform_weight_line(const BlockVector (&line)[3], BlockVector (&points)[2]) {
  const auto factor = [](double value) ATTUNE_UNROLLED { return hn::Set(BlockTag(), static_cast<float>(value)); };
  if constexpr (kGroup == 0) {
    points[0] = hn::Mul(factor(winograd_weight_scale<kOut>(-1)), line[0]);
    points[1] = line[2];
  } else {
    constexpr double kPoint = kWinogradPairs<kOut>[kGroup - 1];
    constexpr double kScale = winograd_weight_scale<kOut>(kGroup - 1);
    const BlockVector even = hn::MulAdd(factor(kScale * kPoint * kPoint), line[2], hn::Mul(factor(kScale), line[0]));
    const BlockVector odd = factor(kScale * kPoint);
    points[0] = hn::MulAdd(odd, line[1], even);
    points[1] = hn::NegMulAdd(odd, line[1], even);
  }
}

/// One vector of 3x3 weights, each `tap_stride` after the one before; point i goes to out + i * point_stride.
template <int kOut>
HWY_INLINE void transform_weight_vector(const float* weights, int64_t tap_stride, float* out, int64_t point_stride) {
  constexpr int kIn = kOut + 2;
  const BlockTag d;
  unroll<kOut / 2 + 1>([&](auto group) ATTUNE_UNROLLED {
    constexpr int kGroup = decltype(group)::value;
    BlockVector rows[2][3];
    unroll<3>([&](auto column) ATTUNE_UNROLLED {
      BlockVector line[3];
      BlockVector points[2];
      unroll<3>([&](auto i) ATTUNE_UNROLLED { line[i()] = hn::LoadU(d, weights + (i() * 3 + column()) * tap_stride); });
      transform_weight_line<kOut, kGroup>(line, points);
      rows[0][column()] = points[0];
      rows[1][column()] = points[1];
    });
    unroll<2>([&](auto second) ATTUNE_UNROLLED {
      float* row = out + point_on_line<kOut, kGroup>(second()) * kIn * point_stride;
      unroll<kOut / 2 + 1>([&](auto across) ATTUNE_UNROLLED {
        constexpr int kAcross = decltype(across)::value;
        BlockVector points[2];
        transform_weight_line<kOut, kAcross>(rows[second()], points);
        hn::StoreU(points[0], d, row + point_on_line<kOut, kAcross>(0) * point_stride);
        hn::StoreU(points[1], d, row + point_on_line<kOut, kAcross>(1) * point_stride);
      });
    });
  });
}

/// The even (kParity 0) or odd outputs of one line: y[i] is output 2 i + kParity.
template <int kOut, int kParity>
HWY_INLINE void transform_output_line(const BlockVector (&line)[kOut + 2], BlockVector (&y)[kOut / 2]) {
  const BlockTag d;
  BlockVector pair[kOut / 2];
  unroll<kOut / 2>([&](auto k) ATTUNE_UNROLLED {
    const BlockVector plus = line[2 * k() + 1];
    const BlockVector minus = line[2 * k() + 2];
    pair[k()] = kParity == 0 ? hn::Add(plus, minus) : hn::Sub(plus, minus);
  });
  unroll<kOut / 2>([&](auto i) ATTUNE_UNROLLED {
    constexpr int kPower = 2 * decltype(i)::value + kParity;
    const auto add_pairs = [&](BlockVector sum, auto begin) ATTUNE_UNROLLED {
      unroll<kOut / 2 - decltype(begin)::value>([&](auto offset) ATTUNE_UNROLLED {
        constexpr int kPair = decltype(begin)::value + decltype(offset)::value;
        constexpr double kFactor = power_of(kWinogradPairs<kOut>[kPair], kPower);
        if constexpr (kFactor == 1.0) {
          sum = hn::Add(sum, pair[kPair]);
        } else {
          sum = hn::MulAdd(hn::Set(d, static_cast<float>(kFactor)), pair[kPair], sum);
        }
      });
      return sum;
    };
    if constexpr (kPower == 0) {
      y[i()] = add_pairs(line[0], std::integral_constant<int, 0>());
    } else if constexpr (kPower == kOut - 1) {
      y[i()] = add_pairs(line[kOut + 1], std::integral_constant<int, 0>());
    } else {
      const BlockVector factor = hn::Set(d, static_cast<float>(power_of(kWinogradPairs<kOut>[0], kPower)));
      y[i()] = add_pairs(hn::Mul(factor, pair[0]), std::integral_constant<int, 1>());
    }
  });
}

/// Where a tile of output goes, and what is done to it on the way.
struct OutputTile {
  float* out;  // the tile's first pixel
  int64_t out_row_stride;
  const float* residual;  // of the same pixel; null for none
  int64_t residual_row_stride;
  // The rows and columns of the tile that are wanted.
  int64_t begin_row;
  int64_t end_row;
  int64_t columns;
  const float* bias;  // one block
  bool clamp;
  float low;
  float high;
};

/// One vector of a tile of output; point i is at sums + i * point_stride. The pointers of `tile` are the vector's.
template <int kOut>
HWY_INLINE void transform_output_vector(const float* sums, int64_t point_stride, const OutputTile& tile, int v) {
  constexpr int kIn = kOut + 2;
  const BlockTag d;
  const BlockVector bias = hn::LoadU(d, tile.bias + v);
  const BlockVector low = hn::Set(d, tile.low);
  const BlockVector high = hn::Set(d, tile.high);
  unroll<2>([&](auto parity) ATTUNE_UNROLLED {
    constexpr int kParity = decltype(parity)::value;
    BlockVector rows[kOut / 2][kIn];
    unroll<kIn>([&](auto column) ATTUNE_UNROLLED {
      BlockVector line[kIn];
      BlockVector y[kOut / 2];
      unroll<kIn>([&](auto i)
                      ATTUNE_UNROLLED { line[i()] = hn::LoadU(d, sums + (i() * kIn + column()) * point_stride + v); });
      transform_output_line<kOut, kParity>(line, y);
      unroll<kOut / 2>([&](auto i) ATTUNE_UNROLLED { rows[i()][column()] = y[i()]; });
    });
    unroll<kOut / 2>([&](auto i) ATTUNE_UNROLLED {
      constexpr int kRow = 2 * decltype(i)::value + kParity;
      if (kRow < tile.begin_row || kRow >= tile.end_row) return;
      BlockVector y[2][kOut / 2];
      transform_output_line<kOut, 0>(rows[i()], y[0]);
      transform_output_line<kOut, 1>(rows[i()], y[1]);
      float* out = tile.out + kRow * tile.out_row_stride + v;
      const float* residual = tile.residual == nullptr ? nullptr : tile.residual + kRow * tile.residual_row_stride + v;
      unroll<kOut>([&](auto x) ATTUNE_UNROLLED {
        constexpr int kColumn = decltype(x)::value;
        if (kColumn >= tile.columns) return;
        BlockVector value = hn::Add(y[kColumn % 2][kColumn / 2], bias);
        if (residual != nullptr) value = hn::Add(value, hn::LoadU(d, residual + kColumn * kBlock));
        if (tile.clamp) value = min_keep_nan(max_keep_nan(value, low), high);
        hn::StoreU(value, d, out + kColumn * kBlock);
      });
    });
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
