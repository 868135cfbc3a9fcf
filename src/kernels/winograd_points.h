// The interpolation points of Winograd's F(tile x tile, 3x3), and the polynomials that its transforms are made of. With
// them a line of tile + 2 numbers d and the three weights g of a row give tile outputs y = A ((G g) * (B d)), by
// tile + 2 products, one for each point.
//
// The points are 0, pairs +-p, and infinity. The row of B for a finite point holds the coefficients of the polynomial
// that vanishes at all other finite points; row i of A holds the points' i-th powers; the row of G for point p is
// (1, p, p^2) over the product of p's distances to the other finite points. Points in pairs halve the work: the even
// and the odd powers of a pair are shared.
//
// How far apart the points lie decides how much of a float's precision is lost: B. Barabasz et al., "Error Analysis and
// Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020. Those chosen here have the least
// errors among fractions whose powers and products are exact in a float, so that the constants of A and B round
// nothing. conv_bench.cpp measures what is left.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace attune::kernels {

/// The products of a pair of channels in a tile.
constexpr int64_t winograd_points(int64_t tile) { return (tile + 2) * (tile + 2); }

template <int kTile>
constexpr std::array<double, kTile / 2> kWinogradPairs = {};
template <>
inline constexpr std::array<double, 1> kWinogradPairs<2> = {1.0};
template <>
inline constexpr std::array<double, 2> kWinogradPairs<4> = {0.75, 1.5};
template <>
inline constexpr std::array<double, 3> kWinogradPairs<6> = {0.5, 1.0, 2.0};

/// Coefficients, lowest power first, of the product of (x^2 - p^2) over the pairs of a tile but pair `left_out` (-1:
/// over all). They are those of even powers: coefficient k belongs to x^(2k). The last is 1.
template <int kTile>
constexpr std::array<double, kTile / 2 + 1> winograd_polynomial(int left_out) {
  std::array<double, kTile / 2 + 1> coefficients = {1.0};
  int degree = 0;
  for (int pair = 0; pair < kTile / 2; ++pair) {
    if (pair == left_out) continue;
    const double p = kWinogradPairs<kTile>[static_cast<size_t>(pair)];
    ++degree;
    for (int k = degree; k >= 0; --k) {
      const auto at = static_cast<size_t>(k);
      coefficients[at] = (k > 0 ? coefficients[at - 1] : 0.0) - p * p * coefficients[at];
    }
  }
  return coefficients;
}

constexpr double power_of(double base, int exponent) {
  return exponent == 0 ? 1.0 : base * power_of(base, exponent - 1);
}

/// One over the product of a point's distances to the other finite points: of 0 (pair -1), or of either point of a
/// pair.
template <int kTile>
constexpr double winograd_weight_scale(int pair) {
  const double p = pair < 0 ? 0.0 : kWinogradPairs<kTile>[static_cast<size_t>(pair)];
  double product = pair < 0 ? 1.0 : 2.0 * p * p;
  for (int other = 0; other < kTile / 2; ++other) {
    const double q = kWinogradPairs<kTile>[static_cast<size_t>(other)];
    if (other != pair) product *= p * p - q * q;
  }
  return 1.0 / product;
}

/// Whether every constant of a tile's input and output transforms is a float.
template <int kTile>
constexpr bool winograd_is_exact() {
  const auto is_float = [](double value) { return static_cast<double>(static_cast<float>(value)) == value; };
  for (int left_out = -1; left_out < kTile / 2; ++left_out) {
    for (const double coefficient : winograd_polynomial<kTile>(left_out)) {
      if (!is_float(coefficient)) return false;
    }
  }
  for (const double p : kWinogradPairs<kTile>) {
    if (!is_float(power_of(p, kTile - 1))) return false;
  }
  return true;
}
static_assert(winograd_is_exact<2>() && winograd_is_exact<4>() && winograd_is_exact<6>());

}  // namespace attune::kernels
