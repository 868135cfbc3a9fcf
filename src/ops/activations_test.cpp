#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Case {
  const char* op;
  int version;
  std::vector<std::pair<const char*, float>> attributes;
  std::vector<float> x;
  std::vector<float> y;
};

// Expected values by onnxruntime.
const Case kCases[] = {
    {"Relu", 14, {}, {-1, 2, kNaN}, {0, 2, kNaN}},
    {"LeakyRelu", 16, {}, {-1, 2, kNaN}, {-0.01F, 2, kNaN}},
    {"LeakyRelu", 6, {{"alpha", 0.5F}}, {-1, 2}, {-0.5F, 2}},
    {"Elu", 6, {{"alpha", 2.0F}}, {-1, 2, kNaN}, {-1.26424110F, 2, kNaN}},
    {"Selu", 6, {}, {-1, 2, kNaN}, {-1.11133072F, 2.10140204F, kNaN}},
    {"Selu", 6, {{"alpha", 2.0F}, {"gamma", 3.0F}}, {-1, 2}, {-3.79272335F, 6}},
    {"Celu", 12, {{"alpha", 2.0F}}, {-1, 2, kNaN}, {-0.78693867F, 2, kNaN}},
    {"Softplus", 1, {}, {-200, -1, 0, 100, kNaN}, {0, 0.31326169F, 0.69314718F, 100, kNaN}},
    {"Softsign", 1, {}, {-1, 3, kInf, kNaN}, {-0.5F, 0.75F, kNaN, kNaN}},
    {"HardSigmoid", 6, {}, {-1, 2, 9, -9, kNaN}, {0.3F, 0.9F, 1, 0, kNaN}},
    {"HardSigmoid", 6, {{"alpha", 0.5F}, {"beta", 0.6F}}, {-1, 0.5F}, {0.1F, 0.85F}},
    {"HardSwish", 14, {}, {-1, 4, -5, kInf}, {-0.33333333F, 4, 0, kInf}},
    {"Swish", 24, {}, {-1, 2}, {-0.26894143F, 1.76159418F}},
    {"Swish", 24, {{"alpha", 2.0F}}, {-1, 2}, {-0.11920292F, 1.96402758F}},
    {"Mish", 18, {}, {-1, 2, 40, kNaN}, {-0.30340144F, 1.94395900F, 40, kNaN}},
    {"Gelu", 20, {}, {-1, 2, kNaN, kInf}, {-0.15865526F, 1.95449972F, kNaN, kInf}},
    {"ThresholdedRelu", 10, {}, {1, 1.5F, kNaN}, {0, 1.5F, 0}},
    {"ThresholdedRelu", 10, {{"alpha", 2.0F}}, {1.5F, 2.2F}, {0, 2.2F}},
    {"Shrink", 9, {{"lambd", 0.5F}, {"bias", 0.1F}}, {-1, -0.5F, 0.5F, 2, kNaN}, {-0.9F, 0, 0, 1.9F, 0}},
};

TEST(Activations, FloatsAndDoubles) {
  for (const Case& row : kCases) {
    const Shape shape{static_cast<int64_t>(row.x.size())};
    OpTest floats(row.op, row.version);
    OpTest doubles(row.op, row.version);
    for (const auto& [name, value] : row.attributes) {
      floats.attribute(name, value);
      doubles.attribute(name, value);
    }
    floats.input<float>(shape, row.x).output<float>(shape, row.y).tolerance(1e-6, 1e-6).run();
    doubles.input<double>(shape, std::vector<double>(row.x.begin(), row.x.end()))
        .output<double>(shape, std::vector<double>(row.y.begin(), row.y.end()))
        .tolerance(1e-6, 1e-6)
        .run();
    OpTest(row.op, row.version).input<float>({3, 0}, {}).output<float>({3, 0}, {}).run();
  }
}

TEST(Activations, GeluByTanh) {
  for (const int version : {20, 22}) {
    OpTest("Gelu", version)
        .attribute("approximate", std::string("tanh"))
        .input<float>({2}, {-1, 2})
        .output<float>({2}, {-0.15880796F, 1.95459771F})
        .run();
  }
  OpTest("Gelu", 20).attribute("approximate", std::string("sigmoid")).input<float>({1}, {1}).fails("none or tanh");
}

TEST(Activations, Integers) {
  OpTest("Relu").input<int32_t>({2}, {-1, 2}).output<int32_t>({2}, {0, 2}).run();
  OpTest("Relu").input<int8_t>({2}, {-128, 2}).output<int8_t>({2}, {0, 2}).run();
  OpTest("Shrink")
      .attribute("lambd", 1.5F)
      .attribute("bias", 1.0F)
      .input<int32_t>({4}, {-3, 0, 1, 5})
      .output<int32_t>({4}, {-2, 0, 0, 4})
      .run();
}

}  // namespace
}  // namespace attune
