#include <algorithm>
#include <tuple>

#include "kernels/simd.h"
#include "ops/blocked_test.h"
#include "ops/op_test.h"

namespace attune {
namespace {

struct Layer {
  int64_t batch = 1;
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  int64_t groups = 1;
  std::vector<int64_t> input;  ///< spatial sizes, one or two
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;  ///< begins, then ends

  Shape x_shape() const { return with_spatial({batch, in_channels}, input); }
  Shape w_shape() const { return with_spatial({out_channels, in_channels / groups}, kernel); }
  Shape y_shape() const {
    std::vector<int64_t> output;
    for (size_t i = 0; i < input.size(); ++i) {
      output.push_back((input[i] + pads[i] + pads[input.size() + i] - dilations[i] * (kernel[i] - 1) - 1) / strides[i] +
                       1);
    }
    return with_spatial({batch, out_channels}, output);
  }
  static Shape with_spatial(Shape shape, const std::vector<int64_t>& sizes) {
    for (const int64_t size : sizes) shape.push_back(size);
    return shape;
  }
};

/// By the definition, in double.
Tensor convolve(const Layer& layer, const Tensor& x, const Tensor& w, const Tensor& bias) {
  const Shape shape = layer.y_shape();
  Tensor y = Tensor::allocate(DataType::kFloat, shape);
  const bool planar = layer.input.size() == 2;
  const size_t last = layer.input.size() - 1;
  const int64_t in_h = planar ? layer.input[0] : 1;
  const int64_t in_w = layer.input[last];
  const int64_t kernel_h = planar ? layer.kernel[0] : 1;
  const int64_t kernel_w = layer.kernel[last];
  const int64_t out_h = planar ? shape[2] : 1;
  const int64_t out_w = shape[shape.rank() - 1];
  const int64_t group_in = layer.in_channels / layer.groups;
  const int64_t group_out = layer.out_channels / layer.groups;
  size_t place = 0;
  for (int64_t n = 0; n < layer.batch; ++n) {
    for (int64_t m = 0; m < layer.out_channels; ++m) {
      for (int64_t oy = 0; oy < out_h; ++oy) {
        for (int64_t ox = 0; ox < out_w; ++ox) {
          double sum = bias ? bias.values<float>()[static_cast<size_t>(m)] : 0.0F;
          for (int64_t c = 0; c < group_in; ++c) {
            for (int64_t ky = 0; ky < kernel_h; ++ky) {
              for (int64_t kx = 0; kx < kernel_w; ++kx) {
                const int64_t iy = planar ? oy * layer.strides[0] + ky * layer.dilations[0] - layer.pads[0] : 0;
                const int64_t ix = ox * layer.strides[last] + kx * layer.dilations[last] - layer.pads[last];
                if (iy < 0 || iy >= in_h || ix < 0 || ix >= in_w) continue;
                const int64_t channel = m / group_out * group_in + c;
                sum +=
                    double{x.values<float>()[static_cast<size_t>(
                        ((n * layer.in_channels + channel) * in_h + iy) * in_w + ix)]} *
                    double{
                        w.values<float>()[static_cast<size_t>(((m * group_in + c) * kernel_h + ky) * kernel_w + kx)]};
              }
            }
          }
          y.values<float>()[place++] = static_cast<float>(sum);
        }
      }
    }
  }
  return y;
}

template <class Test>
Test& set_attributes(Test& test, const Layer& layer) {
  test.attribute("group", layer.groups)
      .attribute("kernel_shape", layer.kernel)
      .attribute("strides", layer.strides)
      .attribute("dilations", layer.dilations)
      .attribute("pads", layer.pads);
  return test;
}

TEST(Conv, AgreesWithTheDefinition) {
  const std::vector<Layer> layers = {
      {2, 3, 5, 1, {7, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {1, 20, 18, 1, {5, 6}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {1, 20, 18, 1, {5, 6}, {1, 1}, {2, 1}, {1, 1}, {0, 0, 0, 0}},
      {1, 4, 6, 1, {3, 4}, {1, 1}, {1, 1}, {1, 1}, {1, 0, 2, 1}},  // padding around a pointwise kernel
      {1, 17, 33, 1, {9, 8}, {3, 3}, {2, 2}, {1, 1}, {1, 0, 1, 2}},
      {1, 3, 8, 1, {12, 13}, {7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}},
      {1, 8, 8, 1, {11, 12}, {3, 2}, {1, 1}, {2, 3}, {2, 2, 2, 2}},
      {2, 19, 19, 19, {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {1, 8, 16, 8, {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {1, 6, 9, 3, {6, 7}, {3, 3}, {2, 1}, {1, 1}, {1, 1, 1, 1}},
      {1, 64, 64, 2, {4, 4}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
      {3, 5, 4, 1, {10}, {3}, {2}, {1}, {1, 1}},
      {2, 12, 12, 12, {9}, {5}, {1}, {2}, {4, 0}},
  };
  uint32_t seed = 0;
  for (const Layer& layer : layers) {
    SCOPED_TRACE("layer " + std::to_string(&layer - layers.data()));
    const Tensor x = random_floats(layer.x_shape(), ++seed);
    const Tensor w = random_floats(layer.w_shape(), ++seed);
    const Tensor bias = random_floats({layer.out_channels}, ++seed);
    OpTest test("Conv", 11);
    set_attributes(test, layer).input(x).input(w).input(bias);
    test.output(convolve(layer, x, w, bias)).tolerance(1e-4, 1e-4).run();
  }
}

TEST(Conv, BlockedImagesGiveTheSame) {
  const int64_t block = kernels::block_channels();
  const Layer dense{2, 40, block + 1, 1, {6, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  const Layer depthwise{1, 19, 19, 19, {6, 7}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}};
  const Layer grouped{1, 6, 9, 3, {6, 7}, {3, 3}, {2, 1}, {1, 1}, {1, 1, 1, 1}};
  for (const Layer& layer : {dense, depthwise, grouped}) {
    BlockedTest test("Conv");
    set_attributes(test, layer).blocked(random_floats(layer.x_shape(), 1)).constant(random_floats(layer.w_shape(), 2));
    test.expect(Layout::kBlocked, Layout::kBlocked);
  }
  // The first layer reads the image as it comes.
  const Layer stem{1, 3, 24, 1, {14, 15}, {3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}};
  BlockedTest test("Conv");
  set_attributes(test, stem).plain(random_floats(stem.x_shape(), 3)).constant(random_floats(stem.w_shape(), 4));
  test.expect(Layout::kPlain, Layout::kBlocked);
}

TEST(Conv, ResidualInBlocks) {
  const Layer layer{1, 40, 20, 1, {6, 5}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}};
  BlockedTest test("FusedConv", 1, "attune");
  set_attributes(test, layer)
      .attribute("activation", std::string("Relu"))
      .blocked(random_floats(layer.x_shape(), 1))
      .constant(random_floats(layer.w_shape(), 2))
      .no_input()
      .blocked(random_floats(layer.y_shape(), 3));
  test.expect(Layout::kBlocked, Layout::kBlocked);
}

// Values by onnxruntime.
TEST(Conv, AutomaticPadding) {
  std::vector<float> ramp(16);
  for (size_t i = 0; i < 16; ++i) ramp[i] = static_cast<float>(i);
  const std::vector<float> ones(9, 1.0F);
  OpTest("Conv")
      .attribute("auto_pad", std::string("SAME_LOWER"))
      .attribute("strides", std::vector<int64_t>{2, 2})
      .input<float>({1, 1, 4, 4}, ramp)
      .input<float>({1, 1, 3, 3}, ones)
      .output<float>({1, 1, 2, 2}, {10, 24, 51, 90})
      .run();
  OpTest("Conv")
      .attribute("auto_pad", std::string("SAME_UPPER"))
      .attribute("strides", std::vector<int64_t>{2, 2})
      .input<float>({1, 1, 4, 4}, ramp)
      .input<float>({1, 1, 3, 3}, ones)
      .output<float>({1, 1, 2, 2}, {45, 39, 66, 50})
      .run();
  OpTest("Conv")
      .attribute("auto_pad", std::string("VALID"))
      .input<float>({1, 1, 4, 4}, ramp)
      .input<float>({1, 1, 3, 3}, ones)
      .output<float>({1, 1, 2, 2}, {45, 54, 81, 90})
      .run();
}

TEST(Conv, ManyImagesAreStagedInPieces) {
  const Layer layer{21, 16, 17, 1, {40, 41}, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}};
  const Tensor x = random_floats(layer.x_shape(), 1);
  const Tensor w = random_floats(layer.w_shape(), 2);
  OpTest test("Conv");
  set_attributes(test, layer).input(x).input(w);
  test.output(convolve(layer, x, w, Tensor())).tolerance(1e-4, 1e-4).run();
}

TEST(Conv, EmptyInputs) {
  OpTest("Conv")
      .input<float>({0, 1, 3, 3}, {})
      .input<float>({2, 1, 1, 1}, {1, 2})
      .output<float>({0, 2, 3, 3}, {})
      .run();
  OpTest("Conv")
      .input<float>({1, 1, 0, 3}, {})
      .input<float>({2, 1, 1, 1}, {1, 2})
      .output<float>({1, 2, 0, 3}, {})
      .run();
  OpTest("Conv").input<float>({1, 1, 2}, {1, 2}).input<float>({0, 1, 1}, {}).output<float>({1, 0, 2}, {}).run();
}

TEST(Conv, InvalidModels) {
  const Tensor x = random_floats({1, 4, 3, 3}, 1);
  OpTest("Conv")
      .input(x)
      .input(random_floats({2, 3, 1, 1}, 2))
      .fails("Input channels C is not equal to kernel channels");
  OpTest("Conv").input(x).input(random_floats({2, 4, 1}, 2)).fails("X num_dims does not match W num_dims");
  OpTest("Conv").input(x).input(random_floats({2, 4, 5, 1}, 2)).fails("does not fit");
  OpTest("Conv")
      .attribute("group", int64_t{2})
      .input(x)
      .input(random_floats({3, 2, 1, 1}, 2))
      .fails("not divisible by group");
  OpTest("Conv").attribute("group", int64_t{0}).input(x).input(random_floats({3, 2, 1, 1}, 2)).fails("group is 0");
  OpTest("Conv").attribute("group", int64_t{1} << 62).input(x).input(random_floats({3, 2, 1, 1}, 2)).fails("group is");
  OpTest("Conv")
      .attribute("strides", std::vector<int64_t>{1})
      .input(x)
      .input(random_floats({3, 4, 1, 1}, 2))
      .fails("strides has 1 values");
  OpTest("Conv")
      .attribute("strides", std::vector<int64_t>{0, 1})
      .input(x)
      .input(random_floats({3, 4, 1, 1}, 2))
      .fails("out of range");
  OpTest("Conv")
      .attribute("pads", std::vector<int64_t>{0, -1, 0, 0})
      .input(x)
      .input(random_floats({3, 4, 1, 1}, 2))
      .fails("out of range");
  OpTest("Conv")
      .attribute("kernel_shape", std::vector<int64_t>{3, 3})
      .input(x)
      .input(random_floats({3, 4, 1, 1}, 2))
      .fails("kernel_shape is not compatible");
  OpTest("Conv").input(x).input(random_floats({2, 4, 1, 1}, 2)).input(random_floats({3}, 3)).fails("Bias of shape");
  OpTest("Conv")
      .attribute("auto_pad", std::string("SAME"))
      .input(x)
      .input(random_floats({2, 4, 1, 1}, 2))
      .fails("Unknown auto_pad");
}

TEST(Conv, InferenceKeepsSymbols) {
  Graph graph;
  graph.opsets[""] = 17;
  const int64_t batch = graph.symbols->fresh("batch");
  const int64_t width = graph.symbols->fresh("width");
  Value* x = graph.add_value("x", DataType::kFloat, Shape{batch, 4, 9, width});
  Value* y = graph.add_value("y");
  Node* node = graph.add_node("Conv", {x, graph.add_constant(random_floats({8, 4, 3, 3}, 1))}, {y});
  node->attributes.set("pads", std::vector<int64_t>{0, 1, 0, 1});
  infer_node(graph, *node, *make_node_operator(*node));
  EXPECT_EQ(*y->shape, (Shape{batch, 8, 7, width}));
}

TEST(FusedConv, AddsAndActivates) {
  const Layer layer{2, 5, 18, 1, {4, 6}, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  const Tensor x = random_floats(layer.x_shape(), 1);
  const Tensor w = random_floats(layer.w_shape(), 2);
  const Tensor bias = random_floats({18}, 3);
  const Tensor z = random_floats(layer.y_shape(), 4);
  Tensor expected = convolve(layer, x, w, bias);
  for (size_t i = 0; i < static_cast<size_t>(expected.elements()); ++i) {
    expected.values<float>()[i] = std::clamp(expected.values<float>()[i] + z.values<float>()[i], -0.5F, 1.0F);
  }
  OpTest test("FusedConv", 1, "attune");
  set_attributes(test, layer)
      .attribute("activation", std::string("Clip"))
      .attribute("activation_alpha", -0.5F)
      .attribute("activation_beta", 1.0F)
      .input(x)
      .input(w)
      .input(bias)
      .input(z);
  test.output(expected).tolerance(1e-4, 1e-4).run();
  OpTest wrong("FusedConv", 1, "attune");
  set_attributes(wrong, layer).input(x).input(w).input(bias).input(x);
  wrong.fails("Residual of shape");
}

TEST(Conv, ByTheDefinition) {
  OpTest("Conv")
      .attribute("pads", std::vector<int64_t>{0, 0, 1, 0, 0, 0})
      .attribute("strides", std::vector<int64_t>{1, 1, 2})
      .input<float>({1, 1, 1, 1, 4}, {1, 2, 3, 4})
      .input<float>({1, 1, 1, 1, 2}, {1, 10})
      .input<float>({1}, {100})
      .output<float>({1, 1, 1, 1, 2}, {110, 132})
      .run();
  OpTest("Conv")
      .input<double>({1, 2, 2}, {1, 2, 3, 4})
      .input<double>({1, 2, 1}, {1, 10})
      .output<double>({1, 1, 2}, {31, 42})
      .run();
}

TEST(Conv, OnlyFloatsHaveBlocks) {
  Tensor x = Tensor::allocate(DataType::kDouble, Shape{1, 2, 3, 3});
  Tensor w = Tensor::allocate(DataType::kDouble, Shape{2, 2, 2, 2});
  for (Tensor* tensor : {&x, &w}) std::fill_n(tensor->values<double>().data(), tensor->elements(), 0.5);
  BlockedTest("Conv").plain(x).constant(w).expect(Layout::kPlain, Layout::kPlain);
  BlockedTest("ConvTranspose").plain(x).constant(w).expect(Layout::kPlain, Layout::kPlain);
}

}  // namespace
}  // namespace attune
