#include <limits>

#include "ops/op_test.h"
#include "tensor/float16.h"

namespace attune {
namespace {

Tensor halves(DataType type, const std::vector<float>& values) {
  Tensor tensor = Tensor::allocate(type, Shape{static_cast<int64_t>(values.size())});
  auto* bits = static_cast<uint16_t*>(tensor.raw());
  for (const float value : values) {
    *bits++ = type == DataType::kFloat16 ? to_float16(value).bits : to_bfloat16(value).bits;
  }
  return tensor;
}

TEST(GatherElements, PicksAlongAnAxis) {
  OpTest("GatherElements", 13)
      .attribute("axis", int64_t{1})
      .input<float>({2, 2}, {1, 2, 3, 4})
      .input<int64_t>({2, 2}, {0, 0, 1, 0})
      .output<float>({2, 2}, {1, 1, 4, 3})
      .run();
  OpTest("GatherElements", 13)
      .input<float>({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})
      .input<int32_t>({2, 3}, {1, 2, 0, 2, 0, 0})
      .output<float>({2, 3}, {4, 8, 3, 7, 2, 3})
      .run();
  OpTest("GatherElements", 13)
      .attribute("axis", int64_t{-1})
      .input<std::string>({2}, {"a", "b"})
      .input<int64_t>({3}, {-1, 0, 1})
      .output<std::string>({3}, {"b", "a", "b"})
      .run();
  OpTest("GatherElements", 13).input<float>({2}, {1, 2}).input<int64_t>({0}, {}).output<float>({0}, {}).run();
}

TEST(GatherElements, RefusesWhatLiesOutside) {
  OpTest("GatherElements", 13).input<float>({2}, {1, 2}).input<int64_t>({1}, {2}).fails("idx=2");
  OpTest("GatherElements", 13).input<float>({2}, {1, 2}).input<int64_t>({1, 1}, {0}).fails("do not fit");
  OpTest("GatherElements", 13)
      .input<float>({2, 1}, {1, 2})
      .input<int64_t>({1, 2}, {0, 0})
      .fails("indices of shape {1,2} do not fit data of shape {2,1} along axis 0");
}

TEST(GatherND, PicksTuples) {
  OpTest("GatherND", 13)
      .input<int32_t>({2, 2}, {0, 1, 2, 3})
      .input<int64_t>({2, 2}, {0, 0, 1, 1})
      .output<int32_t>({2}, {0, 3})
      .run();
  OpTest("GatherND", 13)
      .input<float>({2, 2}, {0, 1, 2, 3})
      .input<int64_t>({2, 1}, {1, -2})
      .output<float>({2, 2}, {2, 3, 0, 1})
      .run();
  OpTest("GatherND", 13)
      .attribute("batch_dims", int64_t{1})
      .input<float>({2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7})
      .input<int64_t>({2, 1}, {1, 0})
      .output<float>({2, 2}, {2, 3, 4, 5})
      .run();
  OpTest("GatherND", 13).input<float>({2}, {1, 2}).input<int64_t>({0, 1}, {}).output<float>({0}, {}).run();
}

TEST(GatherND, RefusesWhatLiesOutside) {
  OpTest("GatherND", 13).input<float>({2, 2}, {0, 1, 2, 3}).input<int64_t>({1, 2}, {0, 2}).fails("idx=2");
  OpTest("GatherND", 13).input<float>({2}, {0, 1}).input<int64_t>({1, 2}, {0, 0}).fails("must not be larger than rank");
  OpTest("GatherND", 13)
      .attribute("batch_dims", int64_t{1})
      .input<float>({2}, {0, 1})
      .input<int64_t>({1}, {0})
      .fails("batch_dims");
}

TEST(ScatterElements, ReplacesAndReduces) {
  struct Case {
    std::string reduction;
    std::vector<float> expected;
  };
  for (const Case& c : std::vector<Case>{
           {"none", {1, 7, 3}}, {"add", {1, 14, 3}}, {"mul", {1, 70, 3}}, {"max", {1, 7, 3}}, {"min", {1, 2, 3}}}) {
    OpTest("ScatterElements", 18)
        .attribute("reduction", c.reduction)
        .input<float>({3}, {1, 2, 3})
        .input<int64_t>({2}, {1, -2})
        .input<float>({2}, {5, 7})
        .output<float>({3}, c.expected)
        .run();
  }
  OpTest("ScatterElements", 11)
      .input<float>({3, 3}, std::vector<float>(9, 0))
      .input<int32_t>({2, 3}, {1, 0, 2, 0, 2, 1})
      .input<float>({2, 3}, {1.0F, 1.1F, 1.2F, 2.0F, 2.1F, 2.2F})
      .output<float>({3, 3}, {2.0F, 1.1F, 0, 1.0F, 0, 2.2F, 0, 2.1F, 1.2F})
      .run();
  OpTest("Scatter", 9)
      .attribute("axis", int64_t{1})
      .input<std::string>({1, 3}, {"a", "b", "c"})
      .input<int64_t>({1, 1}, {2})
      .input<std::string>({1, 1}, {"z"})
      .output<std::string>({1, 3}, {"a", "b", "z"})
      .run();
  OpTest("ScatterElements", 18)
      .attribute("reduction", std::string("add"))
      .input<int8_t>({1}, {127})
      .input<int64_t>({1}, {0})
      .input<int8_t>({1}, {1})
      .output<int8_t>({1}, {-128})
      .run();
}

TEST(ScatterElements, RefusesNonsense) {
  const auto make = [](int version, std::string reduction) {
    OpTest test("ScatterElements", version);
    test.attribute("reduction", std::move(reduction));
    test.input<float>({2}, {1, 2}).input<int64_t>({1}, {2}).input<float>({1}, {1});
    return test;
  };
  make(18, "none").fails("idx=2");
  make(18, "mean").fails("Invalid reduction");
  make(16, "max").fails("Invalid reduction");
  OpTest("ScatterElements", 18)
      .input<float>({2}, {1, 2})
      .input<int64_t>({1}, {0})
      .input<float>({2}, {1, 1})
      .fails("Indices vs updates");
}

TEST(ScatterND, ReplacesAndReduces) {
  OpTest("ScatterND", 16)
      .input<float>({4}, {1, 2, 3, 4})
      .input<int64_t>({2, 1}, {3, -3})
      .input<float>({2}, {9, 8})
      .output<float>({4}, {1, 8, 3, 9})
      .run();
  OpTest("ScatterND", 18)
      .attribute("reduction", std::string("add"))
      .input<int64_t>({2, 2}, {1, 2, 3, 4})
      .input<int64_t>({2, 1}, {0, 0})
      .input<int64_t>({2, 2}, {1, 1, 2, 2})
      .output<int64_t>({2, 2}, {4, 5, 3, 4})
      .run();
  OpTest("ScatterND", 18)
      .input<bool>({2, 2}, {false, false, true, true})
      .input<int64_t>({1, 2}, {0, 1})
      .input<bool>({1}, {true})
      .output<bool>({2, 2}, {false, true, true, true})
      .run();
}

TEST(ScatterND, AnUpdateReplacesNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const char* reduction : {"max", "min"}) {
    OpTest("ScatterND", 18)
        .attribute("reduction", std::string(reduction))
        .input<float>({2}, {nan, 1})
        .input<int64_t>({2, 1}, {0, 1})
        .input<float>({2}, {2, nan})
        .output<float>({2}, {2, nan})
        .run();
  }
}

TEST(ScatterND, ReducesHalves) {
  // 2048 + 1 is 2048 in float16, twice.
  OpTest("ScatterND", 18)
      .attribute("reduction", std::string("add"))
      .input(halves(DataType::kFloat16, {2048, -0.5F}))
      .input<int64_t>({3, 1}, {0, 1, 0})
      .input(halves(DataType::kFloat16, {1, 0.25F, 1}))
      .output(halves(DataType::kFloat16, {2048, -0.25F}))
      .run();
  OpTest("ScatterElements", 18)
      .attribute("reduction", std::string("max"))
      .input(halves(DataType::kBfloat16, {1, -2}))
      .input<int64_t>({2}, {1, 0})
      .input(halves(DataType::kBfloat16, {-3, 4}))
      .output(halves(DataType::kBfloat16, {4, -2}))
      .run();
}

TEST(ScatterND, RefusesNonsense) {
  OpTest("ScatterND", 16).input<float>({2}, {1, 2}).input<int64_t>({1, 1}, {2}).input<float>({1}, {9}).fails("idx=2");
  OpTest("ScatterND", 16)
      .input<float>({2}, {1, 2})
      .input<int64_t>({1, 1}, {0})
      .input<float>({2}, {9, 9})
      .fails("updates tensor should have shape");
  OpTest("ScatterND", 16)
      .input<float>({2}, {1, 2})
      .input<int64_t>({1, 2}, {0, 0})
      .input<float>({1}, {9})
      .fails("updates tensor should have shape");
}

}  // namespace
}  // namespace attune
