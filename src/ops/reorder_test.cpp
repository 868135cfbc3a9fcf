#include "ops/reorder.h"

#include <gtest/gtest.h>

#include "kernels/simd.h"
#include "ops/op_test.h"

namespace attune {
namespace {

class Once final : public RunContext {
 public:
  using RunContext::RunContext;
  void give_output(int, Tensor) override {}
};

void run_reorder(Layout from, Layout to, const Shape& shape, const Tensor& in, Tensor& out) {
  const auto block = static_cast<uint8_t>(kernels::block_channels());
  const TensorView input{const_cast<void*>(in.raw()), &shape, DataType::kFloat, from, block};
  TensorView output{out.raw(), &shape, DataType::kFloat, to, block};
  SerialParallel parallel;
  Once context({&input, 1}, {&output, 1}, {}, parallel);
  make_reorder(from, to)->run(context);
}

TEST(Reorder, ThereAndBack) {
  const int64_t block = kernels::block_channels();
  for (const int64_t channels : {int64_t{1}, block, 2 * block + 3}) {
    const Shape shape{2, channels, 3, 5};
    const Tensor x = random_floats(shape, 1);
    Tensor blocked = Tensor::allocate(DataType::kFloat, physical_shape(shape, Layout::kBlocked, block));
    Tensor back = Tensor::allocate(DataType::kFloat, shape);
    run_reorder(Layout::kPlain, Layout::kBlocked, shape, x, blocked);
    EXPECT_EQ(blocked.values<float>()[static_cast<size_t>(block)], x.values<float>()[1]);  // pixel (0, 1)
    run_reorder(Layout::kBlocked, Layout::kPlain, shape, blocked, back);
    for (size_t i = 0; i < static_cast<size_t>(x.elements()); ++i) {
      ASSERT_EQ(back.values<float>()[i], x.values<float>()[i]) << i;
    }
  }
}

TEST(Reorder, NeedsTwoLayouts) { EXPECT_THROW(make_reorder(Layout::kPlain, Layout::kPlain), Error); }

}  // namespace
}  // namespace attune
