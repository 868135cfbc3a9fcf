#include "attune/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "attune/error.h"

namespace attune {
namespace {

TEST(Shape, ElementsCountsAndRefusesOverflow) {
  EXPECT_EQ((Shape{}).elements(), 1);
  EXPECT_EQ((Shape{2, 0, 3}).elements(), 0);
  EXPECT_EQ((Shape{2, 5, 3}).elements(), 30);
  const int64_t big = std::numeric_limits<int64_t>::max();
  EXPECT_THROW((Shape{big, 2}).elements(), Error);
  EXPECT_EQ((Shape{big / 4, 0}).elements(), 0);
  EXPECT_THROW((Shape{big, big, 0}).elements(), Error);
  EXPECT_THROW((Shape{2, -1}).elements(), Error);
  EXPECT_THROW(Shape::filled(17, 1), Error);
}

TEST(Shape, InsertAndErase) {
  Shape shape{2, 3};
  shape.insert(1, 7);
  EXPECT_EQ(shape, (Shape{2, 7, 3}));
  shape.erase(0);
  EXPECT_EQ(shape, (Shape{7, 3}));
  EXPECT_EQ(shape.to_string(), "{7,3}");
}

TEST(Tensor, AllocatesAlignedAndChecksTypes) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, Shape{3, 5});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.raw()) % 64, 0u);
  EXPECT_EQ(tensor.values<float>().size(), 15u);
  EXPECT_THROW(tensor.values<int64_t>(), Error);
  EXPECT_THROW(tensor.reshaped(Shape{4, 4}), Error);
  EXPECT_EQ(tensor.reshaped(Shape{15}).shape(), Shape{15});
}

TEST(Tensor, AbsurdSizesAreErrors) {
  EXPECT_THROW(Tensor::allocate(DataType::kDouble, Shape{int64_t{1} << 31, int64_t{1} << 31}), Error);
  EXPECT_THROW(Tensor::allocate(DataType::kFloat, Shape{int64_t{1} << 45}), Error);
}

TEST(Tensor, UnalignedViewsAreCopiedBeforeUse) {
  alignas(8) char bytes[12] = {};
  const float value = 2.5F;
  std::memcpy(bytes + 1, &value, sizeof(value));
  Tensor odd = Tensor::view(DataType::kFloat, Shape{1}, bytes + 1);
  EXPECT_FALSE(odd.is_aligned());
  EXPECT_THROW(odd.values<float>(), Error);
  EXPECT_EQ(odd.aligned().values<float>()[0], 2.5F);
}

TEST(Tensor, StringsOutliveTheFirstHandle) {
  Tensor copy;
  {
    Tensor words = Tensor::from_values<std::string>(Shape{2}, {"one", "a rather longer string than fits inline"});
    copy = words;
  }
  EXPECT_EQ(copy.values<std::string>()[1], "a rather longer string than fits inline");
}

}  // namespace
}  // namespace attune
