#include "kernels/copy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "kernels/simd_test.h"
#include "kernels/transpose.h"

namespace attune::kernels {
namespace {

constexpr Element kNumberElements[] = {Element::k1Byte, Element::k2Bytes, Element::k4Bytes, Element::k8Bytes,
                                       Element::k16Bytes};

/// Tasks in reverse order on alternating "threads": what must not matter.
class ReversedParallel final : public Parallel {
 public:
  int threads() const override { return 3; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t index = count - 1; index >= 0; --index) task(index, static_cast<int>(index % 3));
  }
};

std::vector<std::byte> random_bytes(size_t size) {
  std::vector<std::byte> bytes(size);
  std::mt19937 generator(7);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(generator());
  return bytes;
}

/// copy_strided element by element.
void copy_slowly(const StridedBox& box, size_t size, const std::byte* source, std::byte* target) {
  std::vector<int64_t> index(static_cast<size_t>(box.count), 0);
  for (int i = 0; i < box.count; ++i) {
    if (box.axes[static_cast<size_t>(i)].extent == 0) return;
  }
  for (;;) {
    int64_t from = 0;
    int64_t to = 0;
    for (int i = 0; i < box.count; ++i) {
      from += index[static_cast<size_t>(i)] * box.axes[static_cast<size_t>(i)].source_stride;
      to += index[static_cast<size_t>(i)] * box.axes[static_cast<size_t>(i)].target_stride;
    }
    std::memcpy(target + to * static_cast<int64_t>(size), source + from * static_cast<int64_t>(size), size);
    int i = box.count - 1;
    while (i >= 0 && ++index[static_cast<size_t>(i)] == box.axes[static_cast<size_t>(i)].extent) {
      index[static_cast<size_t>(i--)] = 0;
    }
    if (i < 0) return;
  }
}

/// Checks a box over dense arrays of `source_elements` and `target_elements`, starting at `first` in the source.
void check(const StridedBox& box, int64_t source_elements, int64_t target_elements, int64_t first = 0) {
  for (const Element element : kNumberElements) {
    SCOPED_TRACE(element_bytes(element));
    const size_t size = element_bytes(element);
    const auto source = random_bytes(static_cast<size_t>(source_elements) * size);
    std::vector<std::byte> expected(static_cast<size_t>(target_elements) * size);
    const std::byte* start = source.data() + first * static_cast<int64_t>(size);
    copy_slowly(box, size, start, expected.data());
    SerialParallel serial;
    ReversedParallel reversed;
    for (Parallel* parallel : {static_cast<Parallel*>(&serial), static_cast<Parallel*>(&reversed)}) {
      std::vector<std::byte> actual(expected.size());
      copy_strided(box, element, start, actual.data(), *parallel);
      ASSERT_EQ(actual, expected);
    }
  }
}

/// The box of a transpose of a dense tensor.
StridedBox permuted(const std::vector<int64_t>& dims, const std::vector<int>& order) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * dims[i];
  StridedBox box;
  int64_t target = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const auto axis = static_cast<size_t>(order[i]);
    box.add(dims[axis], strides[axis], target);
    target *= dims[axis];
  }
  return box;
}

class CopyTest : public EachTargetTest {};
ATTUNE_INSTANTIATE_FOR_EACH_TARGET(CopyTest);

TEST_P(CopyTest, TransposesMatricesOfEverySize) {
  for (const Element element : kNumberElements) {
    const size_t size = element_bytes(element);
    for (const int64_t rows : {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 70}) {
      for (const int64_t columns : {1, 2, 3, 4, 7, 8, 16, 31, 65, 130}) {
        for (const int64_t slack : {0, 3}) {  // rows longer than the matrix; misaligned addresses
          SCOPED_TRACE(testing::Message() << size << " bytes, " << rows << " x " << columns << " + " << slack);
          const int64_t source_stride = columns + slack;
          const int64_t target_stride = rows + slack;
          const auto source = random_bytes(static_cast<size_t>(rows * source_stride) * size + 1);
          StridedBox box;
          box.add(rows, source_stride, 1);
          box.add(columns, 1, target_stride);
          std::vector<std::byte> expected(static_cast<size_t>(columns * target_stride) * size + 1);
          std::vector<std::byte> actual = expected;
          const int64_t shift = slack == 0 ? 0 : 1;
          copy_slowly(box, size, source.data() + shift, expected.data() + shift);
          transpose_matrix(element, source.data() + shift, source_stride, rows, columns, actual.data() + shift,
                           target_stride);
          ASSERT_EQ(actual, expected);
        }
      }
    }
  }
}

TEST_P(CopyTest, Permutes) {
  const std::vector<std::pair<std::vector<int64_t>, std::vector<int>>> cases = {
      {{5, 7}, {1, 0}},
      {{2, 3, 40, 33}, {0, 2, 3, 1}},
      {{2, 19, 20, 3}, {0, 3, 1, 2}},
      {{2, 9, 4, 16}, {0, 2, 1, 3}},
      {{3, 9, 4, 4}, {0, 2, 1, 3}},
      {{2, 6, 4, 2}, {0, 2, 1, 3}},
      {{2, 3, 4, 5}, {3, 2, 1, 0}},
      {{4, 1, 5, 1}, {2, 1, 3, 0}},
      {{3, 4, 5}, {0, 1, 2}},
      {{2, 3, 2, 5, 3, 2}, {5, 1, 3, 0, 2, 4}},
      {{300, 260}, {1, 0}},
      {{3, 50000}, {1, 0}},
      {{3, 0, 2}, {2, 0, 1}},
  };
  for (const auto& [dims, order] : cases) {
    SCOPED_TRACE(testing::PrintToString(dims) + testing::PrintToString(order));
    const int64_t elements = std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
    check(permuted(dims, order), elements, elements);
  }
}

TEST_P(CopyTest, CopiesSlicesRepeatsAndReversals) {
  StridedBox slice;  // rows 1, 3, 5 of 7, columns 2 to 8 of 10
  slice.add(3, 20, 6);
  slice.add(6, 1, 1);
  check(slice, 70, 18, 12);
  StridedBox reversed;
  reversed.add(4, -5, 5);
  reversed.add(5, -1, 1);
  check(reversed, 20, 20, 19);
  StridedBox repeated;
  repeated.add(6, 0, 15);
  repeated.add(5, 1, 3);
  repeated.add(3, 0, 1);
  check(repeated, 5, 90);
  StridedBox one;
  check(one, 1, 1);
  StridedBox far;  // every other element of one long row
  far.add(200000, 2, 1);
  check(far, 400000, 200000);
  StridedBox dense;
  dense.add(500000, 1, 1);
  check(dense, 500000, 500000);
}

TEST(Copy, CopiesStrings) {
  const std::vector<std::string> source = {"a", "b", "c", "d", "a string too long to lie in the object itself", "f"};
  std::vector<std::string> target(6);
  SerialParallel parallel;
  copy_strided(permuted({2, 3}, {1, 0}), Element::kString, source.data(), target.data(), parallel);
  EXPECT_EQ(target, (std::vector<std::string>{"a", "d", "b", source[4], "c", "f"}));
  copy_dense(Element::kString, source.data(), target.data(), 6, parallel);
  EXPECT_EQ(target, source);
}

TEST(Copy, GathersRuns) {
  SerialParallel serial;
  ReversedParallel reversed;
  const std::vector<int64_t> indices = {2, 0, 2};
  const std::vector<uint16_t> source = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  std::vector<uint16_t> target(12);
  gather_runs(Element::k2Bytes, source.data(), 2, 3, 2, indices.data(), 3, target.data(), serial);
  EXPECT_EQ(target, (std::vector<uint16_t>{4, 5, 0, 1, 4, 5, 10, 11, 6, 7, 10, 11}));
  gather_runs(Element::k2Bytes, source.data(), 2, 6, 1, indices.data(), 3, target.data(), reversed);
  EXPECT_EQ(target, (std::vector<uint16_t>{2, 0, 2, 8, 6, 8, 10, 11, 6, 7, 10, 11}));
}

TEST(Copy, Fills) {
  ReversedParallel parallel;
  std::vector<uint64_t> target(100001, 1);
  const uint64_t value = 7;
  fill_elements(Element::k8Bytes, &value, target.data(), 100000, parallel);
  EXPECT_EQ(std::count(target.begin(), target.end(), 7U), 100000);
  EXPECT_EQ(target.back(), 1U);
}

}  // namespace
}  // namespace attune::kernels
