#include <limits>

#include "ops/op_test.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct FloatCase {
  const char* op;
  int version;
  std::vector<float> x;
  std::vector<float> y;
};

// Expected values by numpy; what infinities and NaN give, by onnxruntime.
const FloatCase kFloatCases[] = {
    {"Abs", 13, {-2, 3, -0.5F, kNaN, -kInf}, {2, 3, 0.5F, kNaN, kInf}},
    {"Neg", 13, {-2, 3, kNaN, kInf}, {2, -3, kNaN, -kInf}},
    {"Sign", 13, {-2, 3, 0, kNaN, -kInf}, {-1, 1, 0, kNaN, -1}},
    {"Ceil", 13, {-1.5F, 1.2F, 2, kInf, kNaN}, {-1, 2, 2, kInf, kNaN}},
    {"Floor", 13, {-1.5F, 1.2F, 2, -kInf, kNaN}, {-2, 1, 2, -kInf, kNaN}},
    {"Round", 11, {0.5F, 1.5F, -0.5F, 2.5F, -2.6F, kNaN}, {0, 2, 0, 2, -3, kNaN}},
    {"Sqrt", 13, {4, 2, 0, -1, kInf}, {2, 1.41421356F, 0, kNaN, kInf}},
    {"Reciprocal", 13, {4, -0.5F, 0, kInf}, {0.25F, -2, kInf, 0}},
    {"Exp", 13, {-1, 0, 1, 1000, -kInf, kNaN}, {0.36787944F, 1, 2.71828183F, kInf, 0, kNaN}},
    {"Log", 13, {1, 10, 0, -1, kInf}, {0, 2.30258509F, -kInf, kNaN, kInf}},
    {"Erf", 13, {0.5F, -2, kInf, kNaN}, {0.52049988F, -0.99532227F, 1, kNaN}},
    {"Sigmoid", 13, {0, 2, -100, kInf, kNaN}, {0.5F, 0.88079708F, 0, 1, kNaN}},
    {"Tanh", 13, {0.3F, -2, kInf, kNaN}, {0.29131261F, -0.96402758F, 1, kNaN}},
    {"Sin", 7, {0.5F, -3, 100, kInf}, {0.47942554F, -0.14112001F, -0.50636564F, kNaN}},
    {"Cos", 7, {0.5F, -3, 100, kInf}, {0.87758256F, -0.98999250F, 0.86231887F, kNaN}},
    {"Tan", 7, {0.5F, -1}, {0.54630249F, -1.55740772F}},
    {"Asin", 7, {0.5F, -1, 2}, {0.52359878F, -1.57079633F, kNaN}},
    {"Acos", 7, {0.5F, -1, 2}, {1.04719755F, 3.14159265F, kNaN}},
    {"Atan", 7, {0.5F, -kInf}, {0.46364761F, -1.57079633F}},
    {"Sinh", 9, {0.5F, -1}, {0.52109531F, -1.17520119F}},
    {"Cosh", 9, {0.5F, -1}, {1.12762597F, 1.54308063F}},
    {"Asinh", 9, {0.5F, -1, 1e30F}, {0.48121183F, -0.88137359F, 69.7706987F}},
    {"Acosh", 9, {1, 2, 0.5F}, {0, 1.31695790F, kNaN}},
    {"Atanh", 9, {0.5F, -1, 2}, {0.54930614F, -kInf, kNaN}},
};

TEST(Unary, FloatsAndDoubles) {
  for (const FloatCase& row : kFloatCases) {
    const Shape shape{static_cast<int64_t>(row.x.size())};
    OpTest(row.op, row.version).input<float>(shape, row.x).output<float>(shape, row.y).run();
    OpTest(row.op, row.version)
        .input<double>(shape, std::vector<double>(row.x.begin(), row.x.end()))
        .output<double>(shape, std::vector<double>(row.y.begin(), row.y.end()))
        .tolerance(1e-6, 1e-6)
        .run();
    OpTest(row.op, row.version).input<float>({}, {row.x[0]}).output<float>({}, {row.y[0]}).run();
    OpTest(row.op, row.version).input<float>({0, 2}, {}).output<float>({0, 2}, {}).run();
    OpTest(row.op, row.version).input<std::string>({1}, {"x"}).fails("is invalid");
  }
}

TEST(Unary, Integers) {
  OpTest("Abs").input<int32_t>({2}, {-5, 7}).output<int32_t>({2}, {5, 7}).run();
  OpTest("Abs").input<int8_t>({2}, {-128, 127}).output<int8_t>({2}, {-128, 127}).run();
  OpTest("Abs").input<uint64_t>({1}, {~uint64_t{0}}).output<uint64_t>({1}, {~uint64_t{0}}).run();
  OpTest("Neg").input<int64_t>({2}, {-5, 7}).output<int64_t>({2}, {5, -7}).run();
  OpTest("Neg").input<int8_t>({1}, {-128}).output<int8_t>({1}, {-128}).run();
  OpTest("Sign").input<int16_t>({3}, {-5, 0, 7}).output<int16_t>({3}, {-1, 0, 1}).run();
  OpTest("Sign").input<uint8_t>({2}, {0, 200}).output<uint8_t>({2}, {0, 1}).run();
  OpTest("Erf").input<int32_t>({2}, {0, 9}).output<int32_t>({2}, {0, 1}).run();
}

TEST(Unary, Bits) {
  OpTest("Not").input<bool>({2}, {true, false}).output<bool>({2}, {false, true}).run();
  OpTest("BitwiseNot", 18).input<uint8_t>({2}, {0, 0xF0}).output<uint8_t>({2}, {0xFF, 0x0F}).run();
  OpTest("BitwiseNot", 18).input<int64_t>({1}, {5}).output<int64_t>({1}, {-6}).run();
}

TEST(Unary, IsNaNAndIsInf) {
  const std::vector<float> x{kInf, -kInf, kNaN, 1};
  OpTest("IsNaN").input<float>({4}, x).output<bool>({4}, {false, false, true, false}).run();
  OpTest("IsInf").input<float>({4}, x).output<bool>({4}, {true, true, false, false}).run();
  OpTest("IsInf")
      .attribute("detect_negative", int64_t{0})
      .input<float>({4}, x)
      .output<bool>({4}, {true, false, false, false})
      .run();
  OpTest("IsInf")
      .attribute("detect_positive", int64_t{0})
      .input<double>({2}, {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
      .output<bool>({2}, {false, true})
      .run();
}

}  // namespace
}  // namespace attune
