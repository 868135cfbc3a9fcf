// Quantized operators of com.microsoft, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md,
// version 1, as recipes: DynamicQuantizeMatMul, MatMulIntegerToFloat, QGemm, QLinearAdd, QLinearAveragePool,
// QLinearConcat, QLinearGlobalAveragePool, QLinearLeakyRelu, QLinearMul, QLinearSigmoid, QLinearSoftmax. Products are
// exact in int32; everything else is computed in float and quantized, which differs from onnxruntime by at most one
// step. Gap: channels_last of QLinearAveragePool and QLinearGlobalAveragePool where the rank is not known when the
// model is loaded.
#include <fmt/format.h>

#include <numeric>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "ops/composite_operator.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

constexpr TypeSet kBytes{DataType::kUint8, DataType::kInt8};

/// Inputs `first`, its scale and its zero point, as float. Scales are single numbers: any axis will do, and the first
/// one there is for every rank.
RecipeValue dequantize(Recipe& recipe, int first) {
  return recipe.add("DequantizeLinear", 13, {recipe.input(first), recipe.input(first + 1), recipe.input(first + 2)},
                    {{"axis", int64_t{0}}});
}

/// `x` by the scale and the zero point that are inputs `scale` and `scale` + 1, in the type of input `like` where there
/// is no zero point.
RecipeValue quantize(Recipe& recipe, RecipeValue x, int scale, int like) {
  RecipeValue zero = recipe.input(scale + 1);
  const Value* value = recipe.node().input(like);
  if (!zero && value != nullptr && value->type == DataType::kInt8) zero = recipe.constant(Tensor::scalar<int8_t>(0));
  return recipe.add("QuantizeLinear", 13, {x, recipe.input(scale), zero}, {{"axis", int64_t{0}}});
}

template <const char* kName>
void write_binary(Recipe& recipe) {
  const RecipeValue y = recipe.add(kName, 14, {dequantize(recipe, 0), dequantize(recipe, 3)});
  recipe.give(0, quantize(recipe, y, 6, 0));
}
constexpr char kAdd[] = "Add";
constexpr char kMul[] = "Mul";

void write_sigmoid(Recipe& recipe) {
  recipe.give(0, quantize(recipe, recipe.add("Sigmoid", 13, {dequantize(recipe, 0)}), 3, 0));
}

void write_leaky_relu(Recipe& recipe) {
  const float alpha = recipe.node().attributes.get_float("alpha", 0.01F);
  const RecipeValue y = recipe.add("LeakyRelu", 16, {dequantize(recipe, 0)}, {{"alpha", alpha}});
  recipe.give(0, quantize(recipe, y, 3, 0));
}

/// `opset` is the one of ai.onnx whose Softmax is meant.
void write_softmax(Recipe& recipe) {
  const Attributes& own = recipe.node().attributes;
  const auto opset = static_cast<int>(own.require_int("opset"));
  const RecipeValue y = recipe.add("Softmax", opset, {dequantize(recipe, 0)}, {{"axis", own.get_int("axis", -1)}});
  recipe.give(0, quantize(recipe, y, 3, 0));
}

void write_concat(Recipe& recipe) {
  const int count = recipe.node().input_count() - 2;
  if (count % 3 != 0) throw Error(ErrorCode::kInvalidGraph, "QLinearConcat takes a scale and a zero point for each.");
  std::vector<RecipeValue> parts;
  for (int i = 0; i < count; i += 3) parts.push_back(dequantize(recipe, i + 2));
  const RecipeValue y =
      recipe.add("Concat", 13, std::move(parts), {{"axis", recipe.node().attributes.require_int("axis")}});
  recipe.give(0, quantize(recipe, y, 0, 2));
}

bool is_channels_last(const Recipe& recipe) { return recipe.node().attributes.get_int("channels_last", 0) != 0; }

int64_t rank_of_images(const Recipe& recipe) {
  const Value* x = recipe.node().input(0);
  if (x != nullptr && x->shape && x->shape->rank() >= 3) return x->shape->rank();
  throw Error(ErrorCode::kNotImplemented, "channels_last of a tensor of unknown rank.");
}

void write_average_pool(Recipe& recipe) {
  Recipe::AttributeList attributes;
  for (const auto& [name, value] : recipe.node().attributes.entries()) {
    if (name != "channels_last") attributes.emplace_back(name, value);
  }
  RecipeValue x = dequantize(recipe, 0);
  if (!is_channels_last(recipe)) {
    return recipe.give(0, quantize(recipe, recipe.add("AveragePool", 11, {x}, attributes), 3, 0));
  }
  const auto rank = static_cast<size_t>(rank_of_images(recipe));
  std::vector<int64_t> first(rank);
  std::vector<int64_t> last(rank);
  std::iota(first.begin() + 1, first.end(), 0);
  first[1] = static_cast<int64_t>(rank) - 1;
  std::iota(first.begin() + 2, first.end(), 1);
  std::iota(last.begin() + 1, last.end(), 2);
  last[rank - 1] = 1;
  x = recipe.add("AveragePool", 11, {recipe.add("Transpose", 13, {x}, {{"perm", first}})}, attributes);
  recipe.give(0, quantize(recipe, recipe.add("Transpose", 13, {x}, {{"perm", last}}), 3, 0));
}

void write_global_average_pool(Recipe& recipe) {
  RecipeValue y = dequantize(recipe, 0);
  if (is_channels_last(recipe)) {
    std::vector<int64_t> axes(static_cast<size_t>(rank_of_images(recipe)) - 2);
    std::iota(axes.begin(), axes.end(), 1);
    y = recipe.add("ReduceMean", 13, {y}, {{"axes", axes}});
  } else {
    y = recipe.add("GlobalAveragePool", 1, {y});
  }
  recipe.give(0, quantize(recipe, y, 3, 0));
}

RecipeValue add_integer_product(Recipe& recipe, RecipeValue a, RecipeValue b, RecipeValue a_zero, RecipeValue b_zero) {
  return recipe.add("MatMulInteger", 10, {a, b, a_zero, b_zero});
}

RecipeValue as_float(Recipe& recipe, RecipeValue value) {
  return recipe.add("Cast", 13, {value}, {{"to", static_cast<int64_t>(DataType::kFloat)}});
}

/// sums * (a_scale * b_scale) + bias
void give_scaled(Recipe& recipe, RecipeValue sums, RecipeValue a_scale, RecipeValue b_scale, RecipeValue bias) {
  RecipeValue y = recipe.add("Mul", 14, {as_float(recipe, sums), recipe.add("Mul", 14, {a_scale, b_scale})});
  if (bias) y = recipe.add("Add", 14, {y, bias});
  recipe.give(0, y);
}

void write_dynamic_quantize_matmul(Recipe& recipe) {
  const RecipeValue a = recipe.add("DynamicQuantizeLinear", 11, {recipe.input(0)}, {}, {}, 3);
  const RecipeValue sums = add_integer_product(recipe, a, recipe.input(1), Recipe::output_of(a, 2), recipe.input(3));
  give_scaled(recipe, sums, Recipe::output_of(a, 1), recipe.input(2), recipe.input(4));
}

void write_matmul_integer_to_float(Recipe& recipe) {
  const RecipeValue sums =
      add_integer_product(recipe, recipe.input(0), recipe.input(1), recipe.input(4), recipe.input(5));
  give_scaled(recipe, sums, recipe.input(2), recipe.input(3), recipe.input(6));
}

void write_qgemm(Recipe& recipe) {
  const Attributes& own = recipe.node().attributes;
  const auto operand = [&](int input, std::string_view transposed) {
    const RecipeValue value = recipe.input(input);
    if (own.get_int(transposed, 0) == 0) return value;
    return recipe.add("Transpose", 13, {value}, {{"perm", std::vector<int64_t>{1, 0}}});
  };
  RecipeValue sums =
      add_integer_product(recipe, operand(0, "transA"), operand(3, "transB"), recipe.input(2), recipe.input(5));
  if (recipe.input(6)) sums = recipe.add("Add", 14, {sums, recipe.input(6)});
  RecipeValue scale = recipe.add("Mul", 14, {recipe.input(1), recipe.input(4)});
  const float alpha = own.get_float("alpha", 1.0F);
  if (alpha != 1.0F) scale = recipe.add("Mul", 14, {scale, recipe.number(alpha)});
  const RecipeValue y = recipe.add("Mul", 14, {as_float(recipe, sums), scale});
  recipe.give(0, recipe.input(7) ? quantize(recipe, y, 7, 0) : y);
}

OpDef quantized_def(std::string_view name, std::vector<Parameter> inputs,
                    std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .domain = "com.microsoft",
      .name = name,
      .inputs = std::move(inputs),
      .outputs = {{"Y", "T"}},
      .types = {{"T", kBytes}, {"tensor(float)", kFloatOnly}},
      .make = make,
  };
}

std::vector<Parameter> unary_inputs() {
  return {{"X", "T"},
          {"X_scale", "tensor(float)"},
          {"X_zero_point", "T", Occurrence::kOptional},
          {"Y_scale", "tensor(float)"},
          {"Y_zero_point", "T", Occurrence::kOptional}};
}

std::vector<Parameter> binary_inputs() {
  return {{"A", "T"},
          {"A_scale", "tensor(float)"},
          {"A_zero_point", "T", Occurrence::kOptional},
          {"B", "T"},
          {"B_scale", "tensor(float)"},
          {"B_zero_point", "T", Occurrence::kOptional},
          {"C_scale", "tensor(float)"},
          {"C_zero_point", "T", Occurrence::kOptional}};
}

}  // namespace

[[gnu::cold]] const OpDef& microsoft_dynamic_quantize_matmul() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "DynamicQuantizeMatMul",
      .inputs = {{"A", "T1"},
                 {"B", "T2"},
                 {"b_scale", "T1"},
                 {"b_zero_point", "T2", Occurrence::kOptional},
                 {"bias", "T1", Occurrence::kOptional}},
      .outputs = {{"Y", "T1"}},
      .types = {{"T1", kFloatOnly}, {"T2", kBytes}},
      .make = make_composite<write_dynamic_quantize_matmul>,
  };
  return def;
}

[[gnu::cold]] const OpDef& microsoft_matmul_integer_to_float() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "MatMulIntegerToFloat",
      .inputs = {{"A", "T1"},
                 {"B", "T2"},
                 {"a_scale", "T3"},
                 {"b_scale", "T3"},
                 {"a_zero_point", "T1", Occurrence::kOptional},
                 {"b_zero_point", "T2", Occurrence::kOptional},
                 {"bias", "T3", Occurrence::kOptional}},
      .outputs = {{"Y", "T3"}},
      .types = {{"T1", kBytes}, {"T2", kBytes}, {"T3", kFloatOnly | kHalves.widened()}},
      .make = make_composite<write_matmul_integer_to_float>,
  };
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qgemm() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "QGemm",
      .inputs = {{"A", "TA"},
                 {"a_scale", "T"},
                 {"a_zero_point", "TA"},
                 {"B", "TB"},
                 {"b_scale", "T"},
                 {"b_zero_point", "TB"},
                 {"C", "TC", Occurrence::kOptional},
                 {"y_scale", "T", Occurrence::kOptional},
                 {"y_zero_point", "TYZ", Occurrence::kOptional}},
      .outputs = {{"Y", "TY"}},
      .types = {{"T", kFloatOnly},
                {"TA", kBytes},
                {"TB", kBytes},
                {"TC", {DataType::kInt32}},
                {"TYZ", kBytes},
                {"TY", kBytes | kFloatOnly}},
      .make = make_composite<write_qgemm>,
  };
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_add() {
  static const OpDef def = quantized_def("QLinearAdd", binary_inputs(), make_composite<write_binary<kAdd>>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_average_pool() {
  static const OpDef def = quantized_def("QLinearAveragePool", unary_inputs(), make_composite<write_average_pool>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_concat() {
  static const OpDef def = [] {
    OpDef concat = quantized_def(
        "QLinearConcat", {{"Y_scale", "tensor(float)"}, {"Y_zero_point", "T"}, {"inputs", "TV", Occurrence::kVariadic}},
        make_composite<write_concat>);
    concat.types.push_back({"TV", kBytes | kFloatOnly, true});
    return concat;
  }();
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_global_average_pool() {
  static const OpDef def =
      quantized_def("QLinearGlobalAveragePool", unary_inputs(), make_composite<write_global_average_pool>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_leaky_relu() {
  static const OpDef def = quantized_def("QLinearLeakyRelu", unary_inputs(), make_composite<write_leaky_relu>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_mul() {
  static const OpDef def = quantized_def("QLinearMul", binary_inputs(), make_composite<write_binary<kMul>>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_sigmoid() {
  static const OpDef def = quantized_def("QLinearSigmoid", unary_inputs(), make_composite<write_sigmoid>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_qlinear_softmax() {
  static const OpDef def = quantized_def("QLinearSoftmax", unary_inputs(), make_composite<write_softmax>);
  return def;
}

}  // namespace attune::ops
