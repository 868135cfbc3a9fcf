#include <limits>

#include "base/parallel.h"
#include "ops/op_test.h"
#include "ops/reduction.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int32_t kMin32 = std::numeric_limits<int32_t>::min();
constexpr int32_t kMax32 = std::numeric_limits<int32_t>::max();

struct Case {
  const char* op;
  std::vector<float> y;        ///< of {{1, -2, 3}, {4, 5, -6}} over axis 1
  std::vector<float> of_each;  ///< of {2, 3}, no axis, noop_with_empty_axes
  float empty;                 ///< of nothing
  std::vector<int32_t> int_y;  ///< of {{-7, 4}, {2, 2}} over axis 1
};

// By onnxruntime.
const Case kCases[] = {
    {"ReduceSum", {2, 3}, {2, 3}, 0, {-3, 4}},
    {"ReduceMean", {0.6666667F, 1}, {2, 3}, 0, {-1, 2}},
    {"ReduceMax", {3, 5}, {2, 3}, -kInf, {4, 2}},
    {"ReduceMin", {-2, -6}, {2, 3}, kInf, {-7, 2}},
    {"ReduceProd", {-6, -120}, {2, 3}, 1, {-28, 4}},
    {"ReduceL1", {6, 15}, {2, 3}, 0, {11, 4}},
    {"ReduceL2", {3.7416574F, 8.7749644F}, {2, 3}, 0, {8, 2}},
    {"ReduceLogSum", {0.69314718F, 1.0986123F}, {0.69314718F, 1.0986123F}, -kInf, {kMin32, 1}},
    {"ReduceLogSumExp", {3.1328270F, 5.3132740F}, {2, 3}, -kInf, {4, 2}},
    {"ReduceSumSquare", {14, 77}, {4, 9}, 0, {65, 8}},
};

TEST(Reduce, EveryKind) {
  for (const Case& row : kCases) {
    const std::vector<float> x{1, -2, 3, 4, 5, -6};
    OpTest(row.op, 18).input<float>({2, 3}, x).input<int64_t>({1}, {1}).output<float>({2, 1}, row.y).run();
    OpTest(row.op, 18).input<float>({2, 3}, x).input<int64_t>({1}, {-1}).output<float>({2, 1}, row.y).run();
    OpTest(row.op, 18)
        .attribute("keepdims", int64_t{0})
        .input<double>({2, 3}, std::vector<double>(x.begin(), x.end()))
        .input<int64_t>({1}, {1})
        .output<double>({2}, std::vector<double>(row.y.begin(), row.y.end()))
        .run();
    // The same numbers along the first axis.
    OpTest(row.op, 11)
        .attribute("axes", std::vector<int64_t>{0})
        .input<float>({3, 2}, {1, 4, -2, 5, 3, -6})
        .output<float>({1, 2}, row.y)
        .run();
    OpTest(row.op, 18)
        .attribute("noop_with_empty_axes", int64_t{1})
        .input<float>({2}, {2, 3})
        .output<float>({2}, row.of_each)
        .run();
    OpTest(row.op, 18)
        .attribute("noop_with_empty_axes", int64_t{1})
        .input<double>({2}, {2, 3})
        .input<int64_t>({0}, {})
        .output<double>({2}, std::vector<double>(row.of_each.begin(), row.of_each.end()))
        .run();
    OpTest(row.op, 18)
        .input<float>({2, 0}, {})
        .input<int64_t>({1}, {1})
        .output<float>({2, 1}, {row.empty, row.empty})
        .run();
    OpTest(row.op, 18).input<float>({2, 0}, {}).input<int64_t>({1}, {0}).output<float>({1, 0}, {}).run();
    OpTest(row.op, 18)
        .input<int32_t>({2, 2}, {-7, 4, 2, 2})
        .input<int64_t>({1}, {1})
        .output<int32_t>({2, 1}, row.int_y)
        .run();
    OpTest(row.op, 18).input<float>({2}, {1, 2}).input<int64_t>({1}, {1}).fails("axis 1 is not in valid range [-1,0]");
    OpTest(row.op, 11)
        .attribute("axes", std::vector<int64_t>{-3})
        .input<float>({1, 1}, {1})
        .fails("is not in valid range");
  }
}

TEST(Reduce, AllAxes) {
  OpTest("ReduceSum", 13).input<float>({2, 2}, {1, 2, 3, 4}).output<float>({1, 1}, {10}).run();
  OpTest("ReduceSum", 13).input<float>({2, 2}, {1, 2, 3, 4}).input<int64_t>({0}, {}).output<float>({1, 1}, {10}).run();
  OpTest("ReduceMax", 12)
      .attribute("keepdims", int64_t{0})
      .input<int8_t>({2, 2}, {1, -2, 3, -4})
      .output<int8_t>({}, {3})
      .run();
  OpTest("ReduceMean", 13).input<float>({}, {-3}).output<float>({}, {-3}).run();
  OpTest("ReduceL1", 18).input<float>({}, {-3}).input<int64_t>({1}, {0}).output<float>({}, {3}).run();
  OpTest("ReduceMax", 20)
      .input<bool>({2, 2}, {true, false, false, false})
      .input<int64_t>({1}, {1})
      .output<bool>({2, 1}, {true, false})
      .run();
  OpTest("ReduceMin", 20).input<bool>({2}, {true, false}).output<bool>({1}, {false}).run();
  OpTest("ReduceSum", 20).input<bool>({2}, {true, false}).fails("is invalid");
}

TEST(Reduce, Extremes) {
  OpTest("ReduceMax", 18).input<float>({3}, {3, kNaN, 1}).output<float>({1}, {kNaN}).run();
  OpTest("ReduceMin", 18).input<double>({3}, {3, kNaN, 1}).output<double>({1}, {kNaN}).run();
  OpTest("ReduceMax", 18).input<int32_t>({0}, {}).output<int32_t>({1}, {kMin32}).run();
  OpTest("ReduceMin", 18).input<int32_t>({0}, {}).output<int32_t>({1}, {kMax32}).run();
  OpTest("ReduceMean", 18).input<int32_t>({0}, {}).output<int32_t>({1}, {0}).run();
  OpTest("ReduceSum", 18).input<int32_t>({2}, {kMax32, 1}).output<int32_t>({1}, {kMin32}).run();
  OpTest("ReduceMean", 18).input<uint64_t>({1}, {~uint64_t{0}}).output<uint64_t>({1}, {~uint64_t{0}}).run();
  OpTest("ReduceLogSumExp", 18).input<float>({2}, {-kInf, -kInf}).output<float>({1}, {-kInf}).run();
  OpTest("ReduceLogSumExp", 18).input<float>({2}, {kInf, 3}).output<float>({1}, {kInf}).run();
  OpTest("ReduceLogSumExp", 18).input<float>({2}, {1000, 1000}).output<float>({1}, {1000.69315F}).run();
  OpTest("ReduceLogSumExp", 18).input<double>({2}, {1000, 1000}).output<double>({1}, {1000.69314718}).run();
}

TEST(Reduce, AxesFromData) {
  // Unknown while inferring: the operator gives its output itself, or OpTest's concrete run knows them.
  Graph graph;
  graph.opsets[""] = 18;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{2, 1, 3});
  Value* axes = graph.add_value("axes", DataType::kInt64, Shape{1});
  Node* node = graph.add_node("ReduceSum", {x, axes}, {graph.add_value()});
  const auto op = make_node_operator(*node);
  infer_node(graph, *node, *op);
  ASSERT_TRUE(node->output(0)->shape.has_value());
  EXPECT_EQ(node->output(0)->shape->rank(), 3);
  EXPECT_EQ((*node->output(0)->shape)[1], 1);

  class Giving final : public RunContext {
   public:
    using RunContext::RunContext;
    void give_output(int, Tensor tensor) override { given = std::move(tensor); }
    Tensor given;
  };
  const Tensor data = Tensor::from_values<float>(Shape{2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor last = Tensor::scalar<int64_t>(-1).reshaped(Shape{1});
  const TensorView views[] = {TensorView::of(data), TensorView::of(last)};
  const Shape unknown{kUnknownDim, 1, kUnknownDim};
  TensorView result[] = {{nullptr, &unknown, DataType::kFloat}};
  SerialParallel parallel;
  Giving context(views, result, {}, parallel);
  op->run(context);
  ASSERT_EQ(context.given.shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(context.given.values<float>()[0], 6);
  EXPECT_EQ(context.given.values<float>()[1], 15);
}

/// Tasks in any order, so that what they share would show.
class ShuffledParallel final : public Parallel {
 public:
  int threads() const override { return 3; }
  void for_each(int64_t count, FunctionRef<void(int64_t, int)> task) override {
    for (int64_t index = count - 1; index >= 0; index -= 2) task(index, 0);
    for (int64_t index = count - 2; index >= 0; index -= 2) task(index, 1);
  }
};

TEST(Reduction, AnyAxesInAnyOrderOfTasks) {
  using ops::ReduceKind;
  const Shape shapes[] = {{3, 4, 5, 6}, {2, 1, 300, 7}, {70000, 3, 1, 2}, {1, 2, 1, 200000}, {2, 3, 33000, 1}};
  SerialParallel serial;
  ShuffledParallel shuffled;
  for (const Shape& shape : shapes) {
    const Tensor x = random_floats(shape, 7, 0.5F, 1.0F);
    for (uint32_t axes = 0; axes < 16; ++axes) {
      SCOPED_TRACE(shape.to_string() + " axes " + std::to_string(axes));
      Shape kept;
      for (int axis = 0; axis < 4; ++axis) kept.push_back((axes >> axis & 1U) != 0 ? 1 : shape[axis]);
      const auto count = static_cast<double>(x.elements() / kept.elements());
      std::vector<double> sums(static_cast<size_t>(kept.elements()));
      for (int64_t i = 0; i < x.elements(); ++i) {
        int64_t rest = i;
        int64_t stride = 1;
        int64_t place = 0;
        for (int axis = 3; axis >= 0; --axis) {
          if (kept[axis] != 1) place += rest % shape[axis] * stride;
          rest /= shape[axis];
          stride *= kept[axis];
        }
        sums[static_cast<size_t>(place)] += x.values<float>()[static_cast<size_t>(i)];
      }
      for (const ReduceKind kind : {ReduceKind::kSum, ReduceKind::kMean, ReduceKind::kLogSumExp}) {
        Tensor y = Tensor::allocate(DataType::kFloat, kept);
        Tensor z = Tensor::allocate(DataType::kFloat, kept);
        ops::reduce(kind, DataType::kFloat, x.raw(), shape, axes, y.raw(), serial);
        ops::reduce(kind, DataType::kFloat, x.raw(), shape, axes, z.raw(), shuffled);
        ASSERT_EQ(0, std::memcmp(y.raw(), z.raw(), y.bytes()));
        if (kind == ReduceKind::kLogSumExp) continue;
        for (size_t i = 0; i < sums.size(); ++i) {
          const double want = kind == ReduceKind::kMean ? sums[i] / count : sums[i];
          ASSERT_NEAR(y.values<float>()[i], want, 2e-6 * want) << "element " << i;
        }
      }
    }
  }
}

TEST(Reduction, ARowDoesNotDependOnTheOthers) {
  for (const Shape& shape : {Shape{5, 1000}, Shape{3, 140000}}) {
    const Tensor x = random_floats(shape, 11);
    Tensor y = Tensor::allocate(DataType::kFloat, Shape{shape[0]});
    SerialParallel parallel;
    ops::reduce(ops::ReduceKind::kSum, DataType::kFloat, x.raw(), shape, 2, y.raw(), parallel);
    for (int64_t row = 0; row < shape[0]; ++row) {
      float alone = 0;
      ops::reduce(ops::ReduceKind::kSum, DataType::kFloat, x.values<float>().data() + row * shape[1],
                  Shape{1, shape[1]}, 2, &alone, parallel);
      EXPECT_EQ(alone, y.values<float>()[static_cast<size_t>(row)]);
    }
  }
}

TEST(Reduce, BlockedImagesStayBlocked) {
  ValueInfo x;
  x.type = DataType::kFloat;
  x.has_shape = true;
  x.shape = Shape{-2, 16, -3, -4};
  const ValueInfo* inputs[] = {&x};
  Graph graph;
  graph.opsets[""] = 13;
  Node* node = graph.add_node("ReduceMean", {graph.add_value("x", DataType::kFloat)}, {graph.add_value()});
  const auto chosen = [&](std::vector<int64_t> axes, int64_t keep) {
    node->attributes.set("axes", std::move(axes));
    node->attributes.set("keepdims", keep);
    const Layout current[] = {Layout::kBlocked};
    LayoutContext context(inputs, current, 1, 8);
    make_node_operator(*node)->choose_layouts(context);
    return context.output(0);
  };
  EXPECT_EQ(chosen({2, 3}, 1), Layout::kBlocked);
  EXPECT_EQ(chosen({-1, -2}, 1), Layout::kBlocked);
  EXPECT_EQ(chosen({2, 3}, 0), Layout::kPlain);
  EXPECT_EQ(chosen({1}, 1), Layout::kPlain);
}

TEST(Reduce, ComputesWithSymbolicElements) {
  Graph graph;
  graph.opsets[""] = 13;
  const int64_t batch = graph.symbols->fresh("batch");
  Value* shape = graph.add_value("shape", DataType::kInt64, Shape{3});
  const auto product_of = [&](const Shape& elements) {
    shape->elements = elements;
    Node* node = graph.add_node("ReduceProd", {shape}, {graph.add_value()});
    infer_node(graph, *node, *make_node_operator(*node));
    return node->output(0)->elements.value_or(Shape{});
  };
  EXPECT_EQ(product_of({2, 3, 4}), Shape{24});
  EXPECT_EQ(product_of({1, batch, 1}), Shape{batch});
  EXPECT_EQ(product_of({2, batch, 1}), Shape{kUnknownDim});
}

}  // namespace
}  // namespace attune
