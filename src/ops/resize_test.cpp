#include <limits>

#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

const Shape kShape{1, 1, 3, 4};
const std::vector<float> kImage{1, -2, 3, 4, 0, 6, -7, 8, 9, 10, 2, 12};

// Expected values are onnxruntime's unless a test says otherwise.
TEST(Resize, NearestPixel) {
  OpTest("Resize", 13)
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 1.5F, 0.5F})
      .output<float>({1, 1, 4, 2}, {1, 3, 1, 3, 0, -7, 9, 2})
      .run();
  OpTest("Resize", 13)
      .attribute("nearest_mode", std::string("ceil"))
      .attribute("coordinate_transformation_mode", std::string("asymmetric"))
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 0.6F, 1.7F})
      .output<float>({1, 1, 1, 6}, {1, -2, 3, 3, 4, 4})
      .run();
  OpTest("Resize", 13)
      .attribute("nearest_mode", std::string("round_prefer_ceil"))
      .attribute("coordinate_transformation_mode", std::string("align_corners"))
      .input<float>(kShape, kImage)
      .no_input()
      .no_input()
      .input<int64_t>({4}, {1, 1, 5, 3})
      .output<float>({1, 1, 5, 3}, {1, 3, 4, 0, -7, 8, 0, -7, 8, 9, 2, 12, 9, 2, 12})
      .run();
  OpTest("Resize", 11)
      .attribute("nearest_mode", std::string("floor"))
      .attribute("coordinate_transformation_mode", std::string("tf_half_pixel_for_nn"))
      .input<float>(kShape, kImage)
      .input<float>({0}, {})
      .input<float>({4}, {1, 1, 0.6F, 1.7F})
      .output<float>({1, 1, 1, 6}, {1, 1, -2, 3, 3, 4})
      .run();
  OpTest("Resize", 13)
      .input<float>({4}, {1, 2, 3, 5})
      .no_input()
      .input<float>({1}, {1.5F})
      .output<float>({6}, {1, 1, 2, 3, 3, 5})
      .run();
}

TEST(Resize, NearestWhereRoundingDecides) {
  // 1 / (2 / 7) is just below 3.5 in float, and a half all the same.
  OpTest("Resize", 19)
      .attribute("nearest_mode", std::string("round_prefer_ceil"))
      .attribute("coordinate_transformation_mode", std::string("asymmetric"))
      .input<float>({7}, {0, 1, 2, 3, 4, 5, 6})
      .no_input()
      .no_input()
      .input<int64_t>({1}, {2})
      .output<float>({2}, {0, 4})
      .run();
  OpTest("Resize", 19)
      .attribute("nearest_mode", std::string("floor"))
      .attribute("coordinate_transformation_mode", std::string("half_pixel_symmetric"))
      .input<float>({3}, {0, 1, 2})
      .no_input()
      .no_input()
      .input<int64_t>({1}, {1})
      .output<float>({1}, {0})
      .run();
}

TEST(Resize, Linear) {
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 1.5F, 0.5F})
      .output<float>({1, 1, 4, 2}, {-0.5F, 3.5F, 1.25F, 2, 4.083333F, 1.5833331F, 8.416666F, 5.916666F})
      .run();
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .attribute("coordinate_transformation_mode", std::string("align_corners"))
      .input<float>(kShape, kImage)
      .no_input()
      .no_input()
      .input<int64_t>({4}, {1, 1, 5, 3})
      .output<float>({1, 1, 5, 3}, {1, 0.5F, 4, 0.5F, 0, 6, 0, -0.5F, 8, 4.5F, 2.75F, 10, 9, 6, 12})
      .run();
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .attribute("coordinate_transformation_mode", std::string("pytorch_half_pixel"))
      .input<float>(kShape, kImage)
      .no_input()
      .no_input()
      .input<int64_t>({4}, {1, 1, 1, 2})
      .output<float>({1, 1, 1, 2}, {-0.5F, 3.5F})
      .run();
  OpTest("Resize", 19)
      .attribute("mode", std::string("linear"))
      .attribute("coordinate_transformation_mode", std::string("half_pixel_symmetric"))
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 1.7F, 0.7F})
      .output<float>({1, 1, 5, 2}, {-1.3571428F, 3.2142856F, 1.1428573F, 0.33193165F, 4.714286F, -3.785716F, 7.6974792F,
                                    0.87815076F, 9.785714F, 4.142856F})
      .run();
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .input<float>({2, 2}, {0, 1, 2, 3})
      .no_input()
      .input<float>({2}, {1.5F, 1.5F})
      .output<float>({3, 3}, {0, 0.5F, 1, 1, 1.5F, 2, 2, 2.5F, 3})
      .run();
}

TEST(Resize, CropsAndExtrapolates) {
  const auto crop = [](const char* mode) {
    OpTest test("Resize", 13);
    test.attribute("mode", std::string(mode))
        .attribute("coordinate_transformation_mode", std::string("tf_crop_and_resize"))
        .attribute("extrapolation_value", 7.5F)
        .input<float>(kShape, kImage)
        .input<float>({8}, {0, 0, 0.25F, -0.5F, 1, 1, 1, 1})
        .no_input()
        .input<int64_t>({4}, {1, 1, 2, 5});
    return test;
  };
  crop("linear").output<float>({1, 1, 2, 5}, {7.5F, 7.5F, 1.625F, -1.5F, 6, 7.5F, 7.5F, 9.75F, 3, 12}).run();
  crop("nearest").output<float>({1, 1, 2, 5}, {7.5F, 7.5F, -2, 3, 4, 7.5F, 7.5F, 10, 2, 12}).run();
  // Not onnxruntime's, which takes an axis that keeps its size as it is.
  OpTest("Resize", 13)
      .attribute("coordinate_transformation_mode", std::string("tf_crop_and_resize"))
      .input<float>({3}, {1, 2, 3})
      .input<float>({2}, {0.5F, 1.5F})
      .no_input()
      .input<int64_t>({1}, {3})
      .output<float>({3}, {2, 3, 0})
      .run();
}

TEST(Resize, Cubic) {
  OpTest("Resize", 13)
      .attribute("mode", std::string("cubic"))
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 1.5F, 0.75F})
      .output<float>({1, 1, 4, 3}, {0.43019396F, 0.25249577F, 3.7976086F, 0.016384661F, -1.21875F, 4.331996F, 2.315476F,
                                    -0.53837323F, 6.456734F, 8.11668F, 4.1978817F, 9.765546F})
      .run();
  OpTest("Resize", 13)
      .attribute("mode", std::string("cubic"))
      .attribute("exclude_outside", int64_t{1})
      .attribute("cubic_coeff_a", -0.5F)
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 1.5F, 0.75F})
      .output<float>({1, 1, 4, 3}, {0.58939826F, 0.33634835F, 3.7955217F, 0.21521479F, -0.75F, 4.7089715F, 1.9301591F,
                                    -0.2897601F, 6.8804984F, 8.250624F, 4.683534F, 10.2726965F})
      .run();
}

TEST(Resize, Antialiasing) {
  OpTest("Resize", 18)
      .attribute("mode", std::string("linear"))
      .attribute("antialias", int64_t{1})
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 0.6F, 0.5F})
      .output<float>({1, 1, 1, 2}, {0.59375F, 2.59375F})
      .run();
  OpTest("Resize", 18)
      .attribute("mode", std::string("cubic"))
      .attribute("antialias", int64_t{1})
      .input<float>(kShape, kImage)
      .no_input()
      .input<float>({4}, {1, 1, 0.6F, 0.5F})
      .output<float>({1, 1, 1, 2}, {-0.021315724F, 2.2341533F})
      .tolerance(1e-5, 1e-5)
      .run();
  // The filter is four times as wide as the image; what lies outside counts as the border pixels.
  OpTest("Resize", 19)
      .attribute("mode", std::string("cubic"))
      .attribute("antialias", int64_t{1})
      .attribute("cubic_coeff_a", -0.5F)
      .input<float>({1, 1, 1, 6}, {3, -4, -3, -2, -3, 3})
      .no_input()
      .input<float>({4}, {1, 1, 1, 1.0F / 6.0F})
      .output<float>({1, 1, 1, 1}, {-0.6820029F})
      .tolerance(1e-5, 1e-5)
      .run();
}

TEST(Resize, AspectRatioOfChosenAxes) {
  OpTest("Resize", 18)
      .attribute("axes", std::vector<int64_t>{3, 2})
      .attribute("keep_aspect_ratio_policy", std::string("not_larger"))
      .input<float>(kShape, kImage)
      .no_input()
      .no_input()
      .input<int64_t>({2}, {4, 4})
      .output<float>({1, 1, 3, 4}, {1, -2, 3, 4, 0, 6, -7, 8, 9, 10, 2, 12})
      .run();
  OpTest("Resize", 18)
      .attribute("axes", std::vector<int64_t>{2, 3})
      .attribute("keep_aspect_ratio_policy", std::string("not_smaller"))
      .attribute("mode", std::string("linear"))
      .input<float>(kShape, kImage)
      .no_input()
      .no_input()
      .input<int64_t>({2}, {2, 2})
      .output<float>({1, 1, 2, 3}, {0.5625F, 0.375F, 5, 7.3125F, 2.0625F, 11})
      .run();
}

TEST(Resize, AnyAxes) {
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .input<float>({1, 1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})
      .no_input()
      .input<float>({5}, {1, 1, 1.5F, 2, 1})
      .output<float>({1, 1, 3, 4, 2}, {0,    1,    0.5F, 1.5F, 1.5F, 2.5F, 2,    3,    2,    3,    2.5F, 3.5F,
                                       3.5F, 4.5F, 4,    5,    4,    5,    4.5F, 5.5F, 5.5F, 6.5F, 6,    7})
      .run();
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .input<float>({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})
      .no_input()
      .input<float>({4}, {1, 1.5F, 2, 1})
      .output<float>({1, 3, 4, 2}, {0,    1,    0.5F, 1.5F, 1.5F, 2.5F, 2,    3,    2,    3,    2.5F, 3.5F,
                                    3.5F, 4.5F, 4,    5,    4,    5,    4.5F, 5.5F, 5.5F, 6.5F, 6,    7})
      .run();
}

TEST(Resize, Integers) {
  OpTest("Resize", 13)
      .attribute("mode", std::string("linear"))
      .input<uint8_t>({1, 1, 2, 2}, {0, 100, 200, 255})
      .no_input()
      .input<float>({4}, {1, 1, 1, 2})
      .output<uint8_t>({1, 1, 2, 4}, {0, 25, 75, 100, 200, 213, 241, 255})
      .run();
  OpTest("Resize", 13)
      .input<int32_t>({1, 1, 2, 2}, {0, -100, 200, 255})
      .no_input()
      .input<float>({4}, {1, 1, 2, 1})
      .output<int32_t>({1, 1, 4, 2}, {0, -100, 0, -100, 200, 255, 200, 255})
      .run();
}

TEST(Resize, Version10) {
  OpTest("Resize", 10)
      .input<float>(kShape, kImage)
      .input<float>({4}, {1, 1, 2, 0.5F})
      .output<float>({1, 1, 6, 2}, {1, 3, 1, 3, 0, -7, 0, -7, 9, 2, 9, 2})
      .run();
  OpTest("Resize", 10)
      .attribute("mode", std::string("linear"))
      .input<float>(kShape, kImage)
      .input<float>({4}, {1, 1, 2, 0.5F})
      .output<float>({1, 1, 6, 2}, {1, 3, 0.5F, -2, 0, -7, 4.5F, -2.5F, 9, 2, 9, 2})
      .run();
}

TEST(Upsample, Versions7And9) {
  OpTest("Upsample", 9)
      .input<float>(kShape, kImage)
      .input<float>({4}, {1, 1, 1.5F, 2})
      .output<float>({1, 1, 4, 8}, {1, 1, -2, -2, 3,  3,  4, 4, 1, 1, -2, -2, 3, 3, 4,  4,
                                    0, 0, 6,  6,  -7, -7, 8, 8, 9, 9, 10, 10, 2, 2, 12, 12})
      .run();
  OpTest("Upsample", 7)
      .attribute("mode", std::string("linear"))
      .attribute("scales", std::vector<float>{1.0F, 1.0F, 1.5F, 1.0F})
      .input<float>(kShape, kImage)
      .output<float>({1, 1, 4, 4}, {1, -2, 3, 4, 0.3333333F, 3.3333335F, -3.666667F, 6.666667F, 3.0000005F, 7.3333335F,
                                    -3.9999998F, 9.333333F, 9, 10, 2, 12})
      .run();
}

TEST(Resize, OtherTypes) {
  OpTest("Resize")
      .input<bool>({1, 2}, {true, false})
      .no_input()
      .input<float>({2}, {2, 1})
      .output<bool>({2, 2}, {true, false, true, false})
      .run();
  OpTest("Resize")
      .attribute("mode", std::string("linear"))
      .input<double>({1, 2}, {0, 1})
      .no_input()
      .input<float>({2}, {1, 2})
      .output<double>({1, 4}, {0, 0.25, 0.75, 1})
      .run();
  // A constant image stays constant whatever the weights round to.
  OpTest("Resize")
      .attribute("mode", std::string("linear"))
      .input<int8_t>({3, 1}, {100, 100, 100})
      .no_input()
      .input<float>({2}, {1.7F, 3.3F})
      .output<int8_t>({5, 3}, std::vector<int8_t>(15, 100))
      .run();
}

TEST(Resize, BlockedImages) {
  const Tensor x = random_floats({2, 19, 5, 6}, 1);
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    BlockedTest by_scales("Resize");
    by_scales.attribute("mode", std::string(mode)).blocked(x).no_input();
    by_scales.constant(Tensor::from_values<float>({4}, {1, 1, 2, 1.5F})).expect(Layout::kBlocked, Layout::kBlocked);
    BlockedTest by_sizes("Resize");
    by_sizes.attribute("mode", std::string(mode)).blocked(x).no_input().no_input();
    by_sizes.constant(Tensor::from_values<int64_t>({4}, {2, 19, 3, 9})).expect(Layout::kBlocked, Layout::kBlocked);
  }
  BlockedTest channels("Resize");
  channels.blocked(x).no_input().constant(Tensor::from_values<float>({4}, {1, 2, 1, 1}));
  channels.expect(Layout::kPlain, Layout::kPlain);
}

// Scales that only the run knows.
TEST(Resize, GivesAnOutputOfUnknownShape) {
  class Run final : public RunContext {
   public:
    using RunContext::RunContext;
    void give_output(int, Tensor tensor) override { given = std::move(tensor); }
    Tensor given;
  };
  Graph graph;
  graph.opsets[""] = 13;
  const Node* node = graph.add_node("Resize",
                                    {graph.add_value("x", DataType::kFloat, Shape{1, 2}), nullptr,
                                     graph.add_value("scales", DataType::kFloat, Shape{2})},
                                    {graph.add_value("y")});
  const auto op = make_node_operator(*node);
  infer_node(graph, *node, *op);
  ASSERT_EQ(node->output(0)->shape->rank(), 2);
  EXPECT_FALSE(node->output(0)->shape->is_concrete());
  const Tensor x = Tensor::from_values<float>({1, 2}, {1, 2});
  const Tensor scales = Tensor::from_values<float>({2}, {1, 2});
  const TensorView inputs[] = {TensorView::of(x), {}, TensorView::of(scales)};
  const Shape unknown{kUnknownDim, kUnknownDim};
  TensorView outputs[] = {{nullptr, &unknown, DataType::kFloat, Layout::kPlain, 1}};
  SerialParallel parallel;
  Run run(inputs, outputs, {}, parallel);
  op->run(run);
  ASSERT_EQ(run.given.shape(), (Shape{1, 4}));
  EXPECT_EQ(run.given.values<float>()[1], 1.0F);
  EXPECT_EQ(run.given.values<float>()[2], 2.0F);
}

TEST(Resize, InferenceKeepsSymbols) {
  Graph graph;
  graph.opsets[""] = 13;
  const int64_t batch = graph.symbols->fresh("batch");
  Value* y = graph.add_value("y");
  const Node* node = graph.add_node("Resize",
                                    {graph.add_value("x", DataType::kFloat, Shape{batch, 3, 4, kUnknownDim}), nullptr,
                                     graph.add_constant(Tensor::from_values<float>({4}, {1, 1, 2, 2}))},
                                    {y});
  infer_node(graph, *node, *make_node_operator(*node));
  EXPECT_EQ((*y->shape)[0], batch);
  EXPECT_EQ((*y->shape)[1], 3);
  EXPECT_EQ((*y->shape)[2], 8);
}

TEST(Resize, EmptyTensors) {
  OpTest("Resize").input<float>({0, 2}, {}).no_input().input<float>({2}, {2, 2}).output<float>({0, 4}, {}).run();
  OpTest("Resize").input<float>({1, 2}, {1, 2}).no_input().input<float>({2}, {0.5F, 2}).output<float>({0, 4}, {}).run();
  OpTest("Resize").input<float>({0}, {}).no_input().no_input().input<int64_t>({1}, {2}).fails("an empty tensor");
}

TEST(Resize, InvalidModels) {
  const auto resize = [] {
    OpTest test("Resize", 18);
    test.input<float>({1, 2}, {1, 2}).no_input();
    return test;
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  resize().fails("either scales or sizes");
  resize().input<float>({1}, {2}).fails("scales has 1 values where 2 are needed");
  resize().input<float>({2}, {1, 0}).fails("greater than 0");
  resize().input<float>({2}, {1, kNan}).fails("greater than 0");
  resize().input<float>({2}, {1, 1e30F}).fails("cannot be made");
  resize().no_input().input<int64_t>({2}, {1, -1}).fails("Resize");
  resize().no_input().input<int64_t>({3}, {1, 1, 1}).fails("sizes has 3 values");
  resize().input<float>({2}, {1, 1}).attribute("mode", std::string("best")).fails("'best'");
  resize().input<float>({1}, {1}).attribute("axes", std::vector<int64_t>{2}).fails("axis 2");
  resize()
      .input<float>({2}, {1, 1})
      .attribute("coordinate_transformation_mode", std::string("tf_crop_and_resize"))
      .fails("roi has 0 values");
  OpTest("Upsample", 7).input<float>({1}, {1}).fails("'scales' is missing");
}

}  // namespace
}  // namespace attune
