#include "graph/symbols.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(Symbols, EqualWindowsGiveEqualDimensions) {
  Symbols symbols;
  const int64_t height = symbols.fresh("H");
  const int64_t other = symbols.fresh("H");
  // A 3 x 3 window with one row of padding and a 1 x 1 window without, both with a stride of 2.
  const int64_t half = symbols.derived(height, 2 - 3 + 2, 2);
  EXPECT_EQ(symbols.derived(height, 0 - 1 + 2, 2), half);
  EXPECT_NE(symbols.derived(other, 1, 2), half);
  EXPECT_NE(symbols.derived(height, 0, 2), half);
  EXPECT_EQ(symbols.derived(height, 0, 1), height);
}

TEST(Symbols, ChainsOfWindowsAreOneDerivation) {
  Symbols symbols;
  const int64_t width = symbols.fresh("W");
  const int64_t half = symbols.derived(width, 1, 2);
  EXPECT_EQ(symbols.derived(half, 1, 2), symbols.derived(width, 3, 4));
  const int64_t cut = symbols.derived(width, -2, 1);
  EXPECT_NE(cut, width);
  EXPECT_EQ(symbols.derived(cut, 2, 1), width);
}

TEST(Symbols, DerivationsThatWouldOverflowAreNew) {
  Symbols symbols;
  int64_t dim = symbols.fresh();
  for (int i = 0; i < 100; ++i) dim = symbols.derived(dim, 1, 1 << 10);
  EXPECT_TRUE(is_symbol(dim));
  EXPECT_TRUE(is_symbol(symbols.derived(symbols.fresh(), int64_t{1} << 41, 2)));
}

}  // namespace
}  // namespace attune
