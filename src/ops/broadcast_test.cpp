#include "ops/broadcast.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "attune/error.h"
#include "attune/tensor.h"

namespace attune::ops {
namespace {

/// Hands out tasks backwards, on two threads' numbers: what depends on the order shows.
class BackwardsParallel final : public Parallel {
 public:
  int threads() const override { return 2; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t index = count - 1; index >= 0; --index) task(index, static_cast<int>(index % 2));
  }
};

/// Index of an operand's element that belongs to element `index` of `out`.
int64_t operand_index(const Shape& out, const Shape& operand, int64_t index) {
  int64_t result = 0;
  int64_t stride = 1;
  for (int axis = out.rank() - 1; axis >= 0; --axis) {
    const int64_t digit = index % out[axis];
    index /= out[axis];
    const int own = axis - (out.rank() - operand.rank());
    if (own < 0) continue;
    if (operand[own] != 1) result += digit * stride;
    stride *= operand[own];
  }
  return result;
}

Tensor counting(const Shape& shape, int32_t factor) {
  Tensor tensor = Tensor::allocate(DataType::kInt32, shape);
  int32_t value = 0;
  for (int32_t& element : tensor.values<int32_t>()) element = factor * value++;
  return tensor;
}

void check(const Shape& out_shape, const std::vector<Shape>& shapes, int64_t grain) {
  SCOPED_TRACE(out_shape.to_string());
  for (const Shape& shape : shapes) SCOPED_TRACE(shape.to_string());
  constexpr int32_t kFactors[] = {1, 1000, 1000003};
  std::vector<Tensor> tensors;
  std::vector<TensorView> views;
  for (size_t k = 0; k < shapes.size(); ++k) tensors.push_back(counting(shapes[k], kFactors[k]));
  for (const Tensor& tensor : tensors) views.push_back(TensorView::of(tensor));
  Tensor out = Tensor::allocate(DataType::kInt32, out_shape);
  for (int32_t& value : out.values<int32_t>()) value = -1;
  BackwardsParallel parallel;
  for_each_broadcast(views, TensorView::of(out), grain, parallel, [&](const BroadcastRun& run) {
    for (int64_t i = 0; i < run.n; ++i) {
      int32_t sum = 0;
      for (size_t k = 0; k < views.size(); ++k) {
        ASSERT_TRUE(run.stride[k] == 0 || run.stride[k] == 1);
        sum += run.input<int32_t>(static_cast<int>(k))[i * run.stride[k]];
      }
      run.output<int32_t>()[i] = sum;
    }
  });
  for (int64_t i = 0; i < out.elements(); ++i) {
    int32_t want = 0;
    for (size_t k = 0; k < shapes.size(); ++k) {
      want += tensors[k].values<int32_t>()[static_cast<size_t>(operand_index(out_shape, shapes[k], i))];
    }
    ASSERT_EQ(out.values<int32_t>()[static_cast<size_t>(i)], want) << "element " << i;
  }
}

TEST(Broadcast, VisitsEveryElementOnce) {
  for (const int64_t grain : {1, 7, 1000000}) {
    check({}, {{}, {}}, grain);
    check({4}, {{4}, {1}}, grain);
    check({2, 3}, {{2, 3}, {3}}, grain);
    check({2, 3}, {{2, 1}, {1, 3}}, grain);
    check({2, 3, 4, 5}, {{3, 1, 5}, {2, 1, 4, 1}}, grain);
    check({3, 700}, {{3, 1}, {3, 700}}, grain);
    check({3, 700}, {{700}, {3, 700}}, grain);
    check({2, 300, 8}, {{2, 300, 8}, {2, 1, 8}}, grain);
    check({2, 300, 3}, {{2, 300, 1}, {3}}, grain);
    check({2, 300, 127}, {{2, 300, 1}, {2, 1, 127}}, grain);
    check({2, 300, 128}, {{2, 300, 1}, {2, 1, 128}}, grain);
    check({5, 1, 6}, {{5, 1, 6}, {1}}, grain);
    check({2, 3, 2, 3, 2, 3}, {{1, 3, 1, 3, 1, 3}, {2, 1, 2, 1, 2, 1}, {2, 3, 1, 1, 2, 3}}, grain);
    check({2, 2}, {{1}, {1}, {2, 2}}, grain);
    check({3, 2}, {{1, 1}, {1}}, grain);
    check({0, 3}, {{0, 3}, {3}}, grain);
    check({2, 0}, {{2, 1}, {1, 0}}, grain);
  }
}

TEST(Broadcast, RandomShapes) {
  std::mt19937 generator(5);
  for (int round = 0; round < 300; ++round) {
    const int rank = static_cast<int>(generator() % 6);
    Shape out;
    for (int axis = 0; axis < rank; ++axis) out.push_back(static_cast<int64_t>(1 + generator() % 6));
    std::vector<Shape> shapes;
    for (size_t k = 0; k < 1 + generator() % 3; ++k) {
      Shape shape;
      for (int axis = static_cast<int>(generator() % static_cast<uint32_t>(rank + 1)); axis < rank; ++axis) {
        shape.push_back(generator() % 2 == 0 ? 1 : out[axis]);
      }
      shapes.push_back(shape);
    }
    check(out, shapes, static_cast<int64_t>(1 + generator() % 40));
  }
}

TEST(Broadcast, TakesBlockedOperandsByTheirMemory) {
  // Ten channels in blocks of 8: the scale of channel c lies in block c / 8, lane c % 8.
  const Shape shape{2, 10, 3, 3};
  const Shape scale_shape{1, 10, 1, 1};
  std::vector<float> x(2 * 2 * 9 * 8, 2.0F);
  std::vector<float> scale(16);
  for (size_t i = 0; i < scale.size(); ++i) scale[i] = static_cast<float>(i);
  std::vector<float> out(x.size());
  float offset = 0.5F;
  const Shape scalar{};
  const std::vector<TensorView> inputs{{x.data(), &shape, DataType::kFloat, Layout::kBlocked, 8},
                                       {scale.data(), &scale_shape, DataType::kFloat, Layout::kBlocked, 8},
                                       {&offset, &scalar, DataType::kFloat, Layout::kPlain, 1}};
  SerialParallel parallel;
  for_each_broadcast(
      inputs, {out.data(), &shape, DataType::kFloat, Layout::kBlocked, 8}, 100, parallel, [](const BroadcastRun& run) {
        for (int64_t i = 0; i < run.n; ++i) {
          run.output<float>()[i] = run.input<float>(0)[i * run.stride[0]] * run.input<float>(1)[i * run.stride[1]] +
                                   run.input<float>(2)[i * run.stride[2]];
        }
      });
  for (size_t n = 0; n < 2; ++n) {
    for (size_t block = 0; block < 2; ++block) {
      for (size_t pixel = 0; pixel < 9; ++pixel) {
        for (size_t lane = 0; lane < 8; ++lane) {
          ASSERT_EQ(out[((n * 2 + block) * 9 + pixel) * 8 + lane], 2.0F * static_cast<float>(block * 8 + lane) + 0.5F);
        }
      }
    }
  }
}

TEST(Broadcast, RefusesShapesThatDoNotFit) {
  const Tensor x = counting({2, 3}, 1);
  const Tensor y = counting({2}, 1);
  Tensor out = Tensor::allocate(DataType::kInt32, Shape{2, 3});
  SerialParallel parallel;
  const std::vector<TensorView> views{TensorView::of(x), TensorView::of(y)};
  EXPECT_THROW(for_each_broadcast(views, TensorView::of(out), 1, parallel, [](const BroadcastRun&) {}), Error);
}

TEST(Broadcast, InfersSymbols) {
  Symbols symbols;
  const int64_t batch = symbols.fresh("batch");
  const int64_t length = symbols.fresh("length");
  const auto infer = [&](const Shape& a, const Shape& b, Symbols* of) {
    ValueInfo infos[2];
    infos[0].has_shape = infos[1].has_shape = true;
    infos[0].shape = a;
    infos[1].shape = b;
    const ValueInfo* inputs[] = {&infos[0], &infos[1]};
    ValueInfo output;
    InferContext context(inputs, {&output, 1}, of);
    return *infer_broadcast(context, 2);
  };
  EXPECT_EQ(infer({batch, 1, 3}, {length, 3}, &symbols), (Shape{batch, length, 3}));
  EXPECT_EQ(infer({batch}, {batch}, &symbols), Shape{batch});
  EXPECT_EQ(infer({batch}, {5}, &symbols), Shape{5});
  EXPECT_EQ(infer({}, {0}, &symbols), Shape{0});
  const Shape both = infer({batch}, {length}, &symbols);
  EXPECT_TRUE(is_symbol(both[0]) && both[0] != batch && both[0] != length);
  EXPECT_EQ(infer({kUnknownDim}, {kUnknownDim}, nullptr), Shape{kUnknownDim});
  EXPECT_THROW(infer({2}, {3}, &symbols), Error);
  EXPECT_THROW(infer({0}, {3}, &symbols), Error);
}

class BlockedLayouts : public testing::Test {
 protected:
  static LayoutContext choose(std::vector<ValueInfo>& infos, const std::vector<Layout>& current) {
    static std::vector<const ValueInfo*> pointers;
    pointers.clear();
    for (const ValueInfo& info : infos) pointers.push_back(&info);
    LayoutContext context(pointers, current, 1, 8);
    choose_blocked_broadcast(context);
    return context;
  }
  static ValueInfo floats(const Shape& shape) {
    ValueInfo info;
    info.type = DataType::kFloat;
    info.has_shape = true;
    info.shape = shape;
    return info;
  }
};

TEST_F(BlockedLayouts, FollowABlockedInput) {
  constexpr Layout kPlain = Layout::kPlain;
  constexpr Layout kBlocked = Layout::kBlocked;
  std::vector<ValueInfo> images{floats({-2, 16, -3, -4}), floats({1, 16, 1, 1})};
  LayoutContext context = choose(images, {kBlocked, kPlain});
  EXPECT_EQ(context.wanted(1), kBlocked);
  EXPECT_EQ(context.output(0), kBlocked);
  EXPECT_EQ(choose(images, {kPlain, kPlain}).output(0), kPlain);

  std::vector<ValueInfo> scalar{floats({}), floats({1, 16, 4, 4})};
  context = choose(scalar, {kPlain, kBlocked});
  EXPECT_EQ(context.wanted(0), kPlain);
  EXPECT_EQ(context.output(0), kBlocked);

  std::vector<ValueInfo> other_rank{floats({-2, 16, -3, -4}), floats({16, 1, 1})};
  EXPECT_EQ(choose(other_rank, {kBlocked, kPlain}).output(0), kPlain);
  std::vector<ValueInfo> one_channel{floats({-2, 16, -3, -4}), floats({-2, 1, -3, -4})};
  EXPECT_EQ(choose(one_channel, {kBlocked, kPlain}).output(0), kPlain);
  std::vector<ValueInfo> rank5{floats({-2, 16, -3, -4}), floats({1, 1, 1, 1, 1})};
  EXPECT_EQ(choose(rank5, {kBlocked, kPlain}).output(0), kPlain);
}

}  // namespace
}  // namespace attune::ops
