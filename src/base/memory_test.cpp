#include "base/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include "attune/error.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

template <class Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::kFail, "");
}

TEST(PageMapping, GrowsWithLargePages) {
  PageMapping mapping(5 << 20);
  mapping.prefer_large_pages();
  std::memset(mapping.data(), 7, mapping.size());
  for (const size_t bytes : {size_t{9} << 20, size_t{33} << 20}) {
    mapping.grow(bytes);
    mapping.prefer_large_pages();
    ASSERT_GE(mapping.size(), bytes);
    EXPECT_EQ(mapping.data()[(5 << 20) - 1], std::byte{7});
    mapping.data()[bytes - 1] = std::byte{8};
  }
  PageMapping().prefer_large_pages();
}

TEST(PageMapping, IsZeroedAlignedAndWritable) {
  const size_t page = page_size();
  PageMapping block(page * 2 + 1);
  ASSERT_EQ(block.size(), page * 3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block.data()) % page, 0U);
  for (size_t i = 0; i < block.size(); i += 512) ASSERT_EQ(block.data()[i], std::byte{0});
  std::memset(block.data(), 7, block.size());
  const PageMapping moved = std::move(block);
  EXPECT_EQ(moved.data()[page], std::byte{7});
  EXPECT_EQ(block.data(), nullptr);  // NOLINT(bugprone-use-after-move): that is the point
  EXPECT_EQ(PageMapping(0).size(), 0U);
}

TEST(PageMapping, GrowKeepsContents) {
  PageMapping block;
  block.grow(100);
  block.data()[99] = std::byte{5};
  block.grow(64 << 20);
  EXPECT_GE(block.size(), size_t{64} << 20);
  EXPECT_EQ(block.data()[99], std::byte{5});
  block.data()[block.size() - 1] = std::byte{1};
  const size_t size = block.size();
  block.grow(10);
  EXPECT_EQ(block.size(), size);
}

TEST(PageMapping, ReleaseTailGivesPagesBack) {
  const size_t page = page_size();
  PageMapping block(page * 1024);
  std::memset(block.data(), 1, block.size());
  const uint64_t before = process_memory().resident;
  block.release_tail(page + 1);
  EXPECT_EQ(block.data()[page], std::byte{1});  // its page holds a byte that stays
  if (before != 0) {
    EXPECT_LT(process_memory().resident, before - page * 500);
  }
  EXPECT_EQ(block.data()[page * 2], std::byte{0});
  block.release_tail(block.size());
  block.release_tail(SIZE_MAX);
}

TEST(PageMapping, AnAbsurdSizeIsAnError) {
  for (const size_t bytes : {SIZE_MAX, SIZE_MAX / 2, size_t{1} << 60}) {
    const Error error = error_of([&] { PageMapping block(bytes); });
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_NE(error.text().find(std::to_string(bytes)), std::string::npos) << error.text();
    EXPECT_NE(error.text().find(std::to_string(memory_limit())), std::string::npos) << error.text();
  }
  PageMapping block(10);
  EXPECT_EQ(error_of([&] { block.grow(SIZE_MAX); }).code(), ErrorCode::kRuntimeException);
  EXPECT_NE(block.data(), nullptr);
}

TEST(Memory, TheMachine) {
  EXPECT_GT(physical_memory(), uint64_t{64} << 20);
  EXPECT_LE(memory_limit(), physical_memory());
}

TEST(Memory, TheProcess) {
  const ProcessMemory now = process_memory();
  EXPECT_GT(now.resident, 0U);
  EXPECT_GE(now.peak, now.resident);
  EXPECT_GT(now.anonymous, 0U);
  if (reset_peak_memory()) {
    PageMapping block(32 << 20);
    std::memset(block.data(), 1, block.size());
    block = PageMapping();
    EXPECT_GE(process_memory().peak, process_memory().resident + (16U << 20));
    ASSERT_TRUE(reset_peak_memory());
    EXPECT_LT(process_memory().peak, process_memory().resident + (16U << 20));
  }
  const ProcessMemory unknown = process_memory("/nonexistent");
  EXPECT_EQ(unknown.resident, 0U);
}

TEST(Memory, CheckedArithmetic) {
  EXPECT_EQ(checked_mul(3, 5, "x"), 15);
  EXPECT_EQ(checked_mul(0, kLargest, "x"), 0);
  EXPECT_EQ(checked_add(kLargest - 1, 1, "x"), kLargest);
  EXPECT_EQ(checked_product({2, 3, 7}, "x"), 42);
  EXPECT_EQ(checked_product({}, "x"), 1);
  const Error error = error_of([] { checked_mul(int64_t{1} << 62, 2, "The size of tensor 'a'"); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.text(), "The size of tensor 'a' is not a valid size: 4611686018427387904 * 2");
  EXPECT_EQ(error_of([] { checked_add(kLargest, 1, "x"); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { checked_add(-1, 5, "x"); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { checked_mul(-1, -5, "x"); }).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { checked_product({kLargest, 1, 2}, "x"); }).code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
