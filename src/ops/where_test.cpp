#include <cstring>

#include "ops/op_test.h"

namespace attune {
namespace {

TEST(Where, Chooses) {
  OpTest("Where")
      .input<bool>({2, 2}, {true, false, true, true})
      .input<float>({2, 2}, {1, 2, 3, 4})
      .input<float>({2, 2}, {9, 8, 7, 6})
      .output<float>({2, 2}, {1, 8, 3, 4})
      .run();
  OpTest("Where", 9)
      .input<bool>({2}, {true, false})
      .input<int64_t>({2}, {1, 2})
      .input<int64_t>({}, {9})
      .output<int64_t>({2}, {1, 9})
      .run();
  OpTest("Where")
      .input<bool>({2}, {true, false})
      .input<double>({}, {1})
      .input<double>({2}, {9, 8})
      .output<double>({2}, {1, 8})
      .run();
  OpTest("Where")
      .input<bool>({2}, {true, false})
      .input<int8_t>({}, {1})
      .input<int8_t>({1}, {9})
      .output<int8_t>({2}, {1, 9})
      .run();
  OpTest("Where")
      .input<bool>({}, {false})
      .input<bool>({2}, {true, true})
      .input<bool>({1}, {false})
      .output<bool>({2}, {false, false})
      .run();
  OpTest("Where").input<bool>({0}, {}).input<float>({1}, {1}).input<float>({}, {2}).output<float>({0}, {}).run();
}

TEST(Where, BroadcastsAllThree) {
  OpTest("Where")
      .input<bool>({2, 1, 1}, {true, false})
      .input<float>({3, 1}, {1, 2, 3})
      .input<float>({2}, {8, 9})
      .output<float>({2, 3, 2}, {1, 1, 2, 2, 3, 3, 8, 9, 8, 9, 8, 9})
      .run();
  OpTest("Where")
      .input<bool>({2}, {true, true})
      .input<float>({3}, {1, 2, 3})
      .input<float>({}, {0})
      .fails("cannot be broadcast");
  OpTest("Where")
      .input<bool>({1}, {true})
      .input<float>({1}, {1})
      .input<int32_t>({1}, {0})
      .fails("bound to different types");
  OpTest("Where").input<int32_t>({1}, {1}).input<float>({1}, {1}).input<float>({1}, {0}).fails("is invalid");
}

TEST(Where, LongTensors) {
  const Tensor x = random_floats({5, 300}, 1);
  Tensor mask = Tensor::allocate(DataType::kBool, Shape{300});
  Tensor y = Tensor::allocate(DataType::kFloat, Shape{5, 300});
  for (size_t i = 0; i < 300; ++i) mask.values<bool>()[i] = i % 3 == 0;
  for (size_t i = 0; i < 1500; ++i) y.values<float>()[i] = i % 300 % 3 == 0 ? x.values<float>()[i] : -1.0F;
  OpTest("Where").input(mask).input(x).input<float>({}, {-1}).output(y).run();
}

TEST(Where, StringsAndWideElements) {
  OpTest("Where")
      .input<bool>({2}, {true, false})
      .input<std::string>({2}, {"a", "b"})
      .input<std::string>({1}, {"c"})
      .output<std::string>({2}, {"a", "c"})
      .run();
  Tensor x = Tensor::allocate(DataType::kComplex128, Shape{2});
  Tensor y = Tensor::allocate(DataType::kComplex128, Shape{1});
  Tensor expected = Tensor::allocate(DataType::kComplex128, Shape{2});
  const double parts[] = {1, 2, 3, 4};
  const double other[] = {5, 6};
  const double chosen[] = {1, 2, 5, 6};
  std::memcpy(x.raw(), parts, sizeof(parts));
  std::memcpy(y.raw(), other, sizeof(other));
  std::memcpy(expected.raw(), chosen, sizeof(chosen));
  OpTest("Where").input<bool>({2}, {true, false}).input(x).input(y).output(expected).run();
}

}  // namespace
}  // namespace attune
