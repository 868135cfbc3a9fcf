#include <algorithm>
#include <cstring>
#include <limits>

#include "ops/op_test.h"
#include "tensor/float16.h"

namespace attune {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

OpTest cast_to(DataType type, int version = 13) {
  OpTest test("Cast", version);
  test.attribute("to", static_cast<int64_t>(type));
  return test;
}

Tensor sixteen_bits(DataType type, std::vector<uint16_t> bits) {
  Tensor tensor = Tensor::allocate(type, Shape{static_cast<int64_t>(bits.size())});
  std::memcpy(tensor.raw(), bits.data(), bits.size() * 2);
  return tensor;
}

template <class T>
void expect_cast(const std::vector<float>& from, const std::vector<T>& to) {
  const Shape shape{static_cast<int64_t>(from.size())};
  Tensor expected = Tensor::allocate(Tensor::data_type_of<T>(), shape);
  std::copy(to.begin(), to.end(), expected.values<T>().begin());
  cast_to(expected.type()).input(shape, from).output(expected).run();
  cast_to(expected.type()).input(shape, std::vector<double>(from.begin(), from.end())).output(expected).run();
}

// What does not fit is undefined in C++; these are onnxruntime's values.
TEST(Cast, FloatsToIntegers) {
  const std::vector<float> x{kNaN, kInf, -kInf, 1e20F, -1e20F, 3e9F, -3e9F, 300.7F, -1.5F, -129.0F, 1.9e19F, 9.3e18F};
  constexpr int32_t kMin32 = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();
  constexpr uint32_t kTop32 = 0x80000000U;
  constexpr uint64_t kTop64 = 0x8000000000000000U;
  expect_cast<int8_t>(x, {0, 0, 0, 0, 0, 0, 0, 44, -1, 127, 0, 0});
  expect_cast<uint8_t>(x, {0, 0, 0, 0, 0, 0, 0, 44, 255, 127, 0, 0});
  expect_cast<int16_t>(x, {0, 0, 0, 0, 0, 0, 0, 300, -1, -129, 0, 0});
  expect_cast<uint16_t>(x, {0, 0, 0, 0, 0, 0, 0, 300, 65535, 65407, 0, 0});
  expect_cast<int32_t>(x, {kMin32, kMin32, kMin32, kMin32, kMin32, kMin32, kMin32, 300, -1, -129, kMin32, kMin32});
  expect_cast<uint32_t>(x, {kTop32, 0, kTop32, 0, kTop32, 3000000000U, kTop32, 300, 4294967295U, 4294967167U, 0, 0});
  expect_cast<int64_t>(
      x, {kMin64, kMin64, kMin64, kMin64, kMin64, 3000000000, -3000000000, 300, -1, -129, kMin64, kMin64});
  expect_cast<uint64_t>(x, {kTop64, 0, kTop64, 0, kTop64, 3000000000U, 18446744070709551616U, 300,
                            18446744073709551615U, 18446744073709551487U, 0, 9300000300729368576U});
  expect_cast<bool>({kNaN, 0, -0.0F, 0.1F}, {true, false, false, true});
}

TEST(Cast, Integers) {
  cast_to(DataType::kInt8).input<int64_t>({3}, {300, -1, 128}).output<int8_t>({3}, {44, -1, -128}).run();
  cast_to(DataType::kUint64).input<int8_t>({1}, {-1}).output<uint64_t>({1}, {~uint64_t{0}}).run();
  cast_to(DataType::kFloat).input<uint8_t>({2}, {0, 255}).output<float>({2}, {0, 255}).run();
  cast_to(DataType::kDouble).input<int64_t>({1}, {int64_t{1} << 53}).output<double>({1}, {9007199254740992.0}).run();
  cast_to(DataType::kBool).input<int32_t>({3}, {0, 2, -1}).output<bool>({3}, {false, true, true}).run();
  cast_to(DataType::kInt32).input<bool>({2}, {true, false}).output<int32_t>({2}, {1, 0}).run();
  cast_to(DataType::kInt32).input<int32_t>({}, {7}).output<int32_t>({}, {7}).run();
  cast_to(DataType::kInt32).input<float>({0, 2}, {}).output<int32_t>({0, 2}, {}).run();
}

TEST(Cast, LongTensors) {
  const Tensor x = random_floats({1000}, 3, -100, 100);
  Tensor y = Tensor::allocate(DataType::kInt16, Shape{1000});
  for (size_t i = 0; i < 1000; ++i) y.values<int16_t>()[i] = static_cast<int16_t>(x.values<float>()[i]);
  cast_to(DataType::kInt16).input(x).output(y).run();
}

TEST(Cast, SixteenBitFloats) {
  const std::vector<float> x{1, -2.5F, 65504, 1e6F, 300.7F, 0};
  cast_to(DataType::kFloat16)
      .input<float>({6}, x)
      .output(sixteen_bits(DataType::kFloat16, {0x3C00, 0xC100, 0x7BFF, 0x7C00, 0x5CB3, 0}))
      .run();
  cast_to(DataType::kBfloat16)
      .input<float>({6}, x)
      .output(sixteen_bits(DataType::kBfloat16, {0x3F80, 0xC020, 0x4780, 0x4974, 0x4396, 0}))
      .run();
  const Tensor halves = sixteen_bits(DataType::kFloat16, {0x3C00, 0xC100, 0x0001});
  cast_to(DataType::kFloat).input(halves).output<float>({3}, {1, -2.5F, 5.9604645e-8F}).tolerance(0, 0).run();
  cast_to(DataType::kInt32).input(halves).output<int32_t>({3}, {1, -2, 0}).run();
  cast_to(DataType::kBool).input(halves).output<bool>({3}, {true, true, true}).run();
  cast_to(DataType::kBfloat16).input(halves).output(sixteen_bits(DataType::kBfloat16, {0x3F80, 0xC020, 0x3380})).run();
  cast_to(DataType::kFloat16).input<int64_t>({1}, {3}).output(sixteen_bits(DataType::kFloat16, {0x4200})).run();
}

TEST(Cast, NumbersToStrings) {
  cast_to(DataType::kString)
      .input<float>({8}, {kNaN, kInf, -kInf, 1e20F, 300.7F, -129, 0.1F, -0.0F})
      .output<std::string>({8}, {"NaN", "INF", "-INF", "1e+20", "300.70001", "-129", "0.1", "-0"})
      .run();
  cast_to(DataType::kString)
      .input<double>({2}, {1 / 3.0, 123456789})
      .output<std::string>({2}, {"0.33333333", "1.2345679e+08"})
      .run();
  cast_to(DataType::kString).input<bool>({2}, {true, false}).output<std::string>({2}, {"1", "0"}).run();
  cast_to(DataType::kString).input<int8_t>({1}, {-7}).output<std::string>({1}, {"-7"}).run();
  cast_to(DataType::kString)
      .input<uint64_t>({1}, {~uint64_t{0}})
      .output<std::string>({1}, {"18446744073709551615"})
      .run();
  cast_to(DataType::kString).input<std::string>({1}, {"same"}).output<std::string>({1}, {"same"}).run();
  cast_to(DataType::kString)
      .input(sixteen_bits(DataType::kFloat16, {0x2E66}))
      .output<std::string>({1}, {"0.099975586"})
      .run();
}

TEST(Cast, StringsToNumbers) {
  cast_to(DataType::kFloat)
      .input<std::string>({9}, {"1.5", "1e3", " 7", "+7 x", "INF", "-inf", "NaN", "0x10", "-.5"})
      .output<float>({9}, {1.5F, 1000, 7, 7, kInf, -kInf, kNaN, 16, -0.5F})
      .run();
  cast_to(DataType::kInt32)
      .input<std::string>({4}, {"1.5", "-12", "0x10", "7 "})
      .output<int32_t>({4}, {1, -12, 0, 7})
      .run();
  cast_to(DataType::kUint8).input<std::string>({2}, {"300", "-1"}).output<uint8_t>({2}, {44, 255}).run();
  cast_to(DataType::kUint64).input<std::string>({1}, {"-1"}).output<uint64_t>({1}, {~uint64_t{0}}).run();
  cast_to(DataType::kBool).input<std::string>({2}, {"1", "0"}).output<bool>({2}, {true, false}).run();
  for (const char* text : {"abc", "", "--1", "+-1", "-", "1e999"}) {
    cast_to(DataType::kDouble).input<std::string>({1}, {text}).fails("cannot be cast to a number");
  }
  for (const char* text : {"abc", "", "--1", "99999999999999999999", "True"}) {
    cast_to(DataType::kInt64).input<std::string>({1}, {text}).fails("cannot be cast to a number");
    cast_to(DataType::kUint64).input<std::string>({1}, {text}).fails("cannot be cast to a number");
  }
}

TEST(Cast, Like) {
  OpTest("CastLike", 15)
      .input<float>({2}, {1.5, -2})
      .input<int64_t>({3}, {0, 0, 0})
      .output<int64_t>({2}, {1, -2})
      .run();
  OpTest("CastLike", 19).input<int32_t>({1}, {3}).input<std::string>({}, {""}).output<std::string>({1}, {"3"}).run();
}

Tensor eight_bits(DataType type, const std::vector<uint8_t>& bits) {
  Tensor tensor = Tensor::allocate(type, Shape{static_cast<int64_t>(bits.size())});
  std::copy(bits.begin(), bits.end(), static_cast<uint8_t*>(tensor.raw()));
  return tensor;
}

TEST(Cast, SmallTypes) {
  const std::vector<float> values{1, -448, 1000};
  cast_to(DataType::kFloat8E4M3FN)
      .input<float>({3}, values)
      .output(eight_bits(DataType::kFloat8E4M3FN, {0x38, 0xFE, 0x7E}))
      .run();
  cast_to(DataType::kFloat8E5M2)
      .attribute("saturate", int64_t{0})
      .input<float>({1}, {1e9F})
      .output(eight_bits(DataType::kFloat8E5M2, {0x7C}))
      .run();
  cast_to(DataType::kInt4).input<int32_t>({3}, {7, -8, 9}).output(eight_bits(DataType::kInt4, {7, 0xF8, 0xF9})).run();
  cast_to(DataType::kInt64).input(eight_bits(DataType::kInt4, {0xF8, 7})).output<int64_t>({2}, {-8, 7}).run();
  cast_to(DataType::kFloat).input(eight_bits(DataType::kUint2, {3, 0})).output<float>({2}, {3, 0}).run();
  OpTest("Cast", 1).attribute("to", std::string("INT64")).input<float>({1}, {2.5F}).output<int64_t>({1}, {2}).run();
}

TEST(BitCast, KeepsTheBits) {
  OpTest("BitCast", 26)
      .attribute("to", static_cast<int64_t>(DataType::kInt32))
      .input<float>({1}, {1})
      .output<int32_t>({1}, {0x3F800000})
      .run();
  OpTest("BitCast", 26)
      .attribute("to", static_cast<int64_t>(DataType::kInt64))
      .input<float>({1}, {1})
      .fails("the same width");
}

TEST(Cast, RefusesOtherTypes) {
  OpTest("Cast").input<float>({1}, {1}).fails("to");
  for (const int64_t type : {-1, 0, 14, 15, 27, 40, 257}) {
    OpTest("Cast").attribute("to", type).input<float>({1}, {1}).fails("is not supported");
  }
}

TEST(Cast, KeepsSymbolicElements) {
  Graph graph;
  graph.opsets[""] = 17;
  const int64_t batch = graph.symbols->fresh("batch");
  Value* shape = graph.add_value("shape", DataType::kInt64, Shape{2});
  shape->elements = Shape{batch, 7};
  Node* node = graph.add_node("Cast", {shape}, {graph.add_value()});
  node->attributes.set("to", static_cast<int64_t>(DataType::kInt32));
  infer_node(graph, *node, *make_node_operator(*node));
  EXPECT_EQ(node->output(0)->elements.value_or(Shape{}), (Shape{batch, 7}));
}

TEST(BitCast, ToNoElementType) {
  for (const int64_t number : {int64_t{-1}, int64_t{27}, int64_t{255}, int64_t{257}}) {
    OpTest("BitCast", 26).attribute("to", number).input<float>({1}, {1}).fails("which is no element type");
  }
}

}  // namespace
}  // namespace attune
