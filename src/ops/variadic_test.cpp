#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Variadic, OneOperandIsTheResult) {
  for (const char* op : {"Max", "Min", "Sum", "Mean"}) {
    OpTest(op).input<float>({2}, {1, -2}).output<float>({2}, {1, -2}).run();
    OpTest(op, 8).input<double>({}, {3}).output<double>({}, {3}).run();
    OpTest(op).fails("input size 0 not in range");
  }
}

TEST(Variadic, ManyOperandsBroadcast) {
  OpTest("Max")
      .input<int32_t>({2}, {1, 5})
      .input<int32_t>({1}, {3})
      .input<int32_t>({2, 1}, {2, 9})
      .output<int32_t>({2, 2}, {3, 5, 9, 9})
      .run();
  OpTest("Min")
      .input<float>({}, {4})
      .input<float>({1}, {3})
      .input<float>({1, 2}, {2, 9})
      .output<float>({1, 2}, {2, 3})
      .run();
  OpTest("Sum")
      .input<float>({1}, {1})
      .input<float>({1}, {2})
      .input<float>({3}, {3, 4, 5})
      .output<float>({3}, {6, 7, 8})
      .run();
  OpTest("Mean")
      .input<float>({2}, {1, 2})
      .input<float>({1}, {3})
      .input<float>({}, {3})
      .output<float>({2}, {2.3333333F, 2.6666667F})
      .run();
  OpTest("Mean", 6).input<double>({2}, {1, 2}).input<double>({2}, {4, 4}).output<double>({2}, {2.5, 3}).run();
  OpTest("Sum").input<float>({0}, {}).input<float>({1}, {2}).output<float>({0}, {}).run();
  OpTest("Sum").input<float>({2}, {1, 2}).input<float>({3}, {1, 2, 3}).fails("cannot be broadcast");
  OpTest("Sum").input<int32_t>({1}, {1}).fails("is invalid");
}

TEST(Variadic, ExtremesKeepNaN) {
  const std::vector<float> a{kNaN, 1, kNaN, 2};
  const std::vector<float> b{1, kNaN, kNaN, 3};
  OpTest("Max").input<float>({4}, a).input<float>({4}, b).output<float>({4}, {kNaN, kNaN, kNaN, 3}).run();
  OpTest("Min").input<float>({4}, a).input<float>({4}, b).output<float>({4}, {kNaN, kNaN, kNaN, 2}).run();
  OpTest("Max").input<float>({1}, {kNaN}).input<float>({2}, {1, 2}).output<float>({2}, {kNaN, kNaN}).run();
  OpTest("Min")
      .input<double>({2}, {kNaN, 1})
      .input<double>({2}, {1, kNaN})
      .input<double>({1}, {0})
      .output<double>({2}, {kNaN, kNaN})
      .run();
}

TEST(Variadic, Integers) {
  OpTest("Max").input<int8_t>({2}, {-1, 5}).input<int8_t>({1}, {3}).output<int8_t>({2}, {3, 5}).run();
  OpTest("Min").input<uint16_t>({2}, {1, 65535}).input<uint16_t>({1}, {3}).output<uint16_t>({2}, {1, 3}).run();
  OpTest("Max", 12).input<int64_t>({}, {-1}).input<int64_t>({}, {-3}).output<int64_t>({}, {-1}).run();
}

TEST(Variadic, ResultInAnOperandThatComesTwice) {
  Tensor x = random_floats({40}, 1);
  const Tensor y = random_floats({40}, 2);
  Tensor expected = Tensor::allocate(DataType::kFloat, Shape{40});
  for (size_t i = 0; i < 40; ++i) {
    expected.values<float>()[i] = x.values<float>()[i] + y.values<float>()[i] + x.values<float>()[i];
  }
  Graph graph;
  graph.opsets[""] = 17;
  Value* first = graph.add_constant(x);
  Node* node = graph.add_node("Sum", {first, graph.add_constant(y), first}, {graph.add_value()});
  class InPlace final : public RunContext {
   public:
    using RunContext::RunContext;
    void give_output(int, Tensor) override { FAIL(); }
  };
  SerialParallel parallel;
  const TensorView views[] = {TensorView::of(x), TensorView::of(y), TensorView::of(x)};
  TensorView result[] = {TensorView::of(x)};
  InPlace context(views, result, {}, parallel);
  make_node_operator(*node)->run(context);
  for (size_t i = 0; i < 40; ++i) ASSERT_EQ(x.values<float>()[i], expected.values<float>()[i]);
}

TEST(Variadic, EachOperandMustBeThere) {
  for (const char* op_type : {"Sum", "Mean", "Max", "Min", "Concat", "Einsum"}) {
    OpTest(op_type)
        .attribute("axis", int64_t{0})
        .attribute("equation", std::string("i,i->i"))
        .no_input()
        .input<float>({1}, {1})
        .fails("is missing");
  }
}

}  // namespace
}  // namespace attune
