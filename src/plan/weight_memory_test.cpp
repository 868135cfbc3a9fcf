#include "plan/weight_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace attune {
namespace {

TEST(WeightMemory, PiecesAreAlignedAndApart) {
  std::vector<std::shared_ptr<std::byte>> pieces;
  std::vector<size_t> sizes;
  {
    WeightMemory memory;
    for (size_t i = 0; i < 60; ++i) {
      // Some from the heap, some in slabs, one larger than a slab; no multiples of anything.
      sizes.push_back(i == 30 ? (size_t{40} << 20) + 1 : i % 7 * 300'000 + i);
      pieces.push_back(memory.take(sizes.back()));
      ASSERT_NE(pieces.back(), nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(pieces.back().get()) % 64, 0U);
      std::memset(pieces.back().get(), static_cast<int>(i), sizes.back());
    }
  }
  // They outlive it, and giving back the rest of the slab has not touched them.
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t at = 0; at < sizes[i]; at += 997) {
      ASSERT_EQ(pieces[i].get()[at], static_cast<std::byte>(i)) << "piece " << i;
    }
    if (sizes[i] > 0) {
      ASSERT_EQ(pieces[i].get()[sizes[i] - 1], static_cast<std::byte>(i)) << "piece " << i;
    }
  }
}

TEST(WeightMemory, KeepsNoMoreThanItHandsOut) {
  constexpr size_t kBytes = 3'000'000;
  std::shared_ptr<std::byte> piece;
  const uint64_t before = process_memory().anonymous;
  {
    WeightMemory memory;
    piece = memory.take(kBytes);
    std::memset(piece.get(), 1, kBytes);
  }
  const uint64_t after = process_memory().anonymous;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(after, before + kBytes + 512 * 1024);
#endif
  EXPECT_GT(after, before + kBytes - 512 * 1024);
}

TEST(WeightMemory, RefusesWhatNoMachineHas) {
  WeightMemory memory;
  EXPECT_ANY_THROW(memory.take(size_t{1} << 60));
}

}  // namespace
}  // namespace attune
