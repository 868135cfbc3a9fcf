// Fused operators of com.microsoft, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md,
// version 1, as recipes: BiasGelu, FastGelu, FusedConv, FusedGemm, FusedMatMul, Gelu, QuickGelu. Gaps: FusedMatMul in
// double, and its transBatchA and transBatchB where the rank is not known when the model is loaded.
#include <fmt/format.h>

#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "ops/composite_operator.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

void write_gelu(Recipe& recipe) { recipe.give(0, recipe.add("Gelu", 20, {recipe.input(0)})); }

void write_quick_gelu(Recipe& recipe) {
  const float alpha = recipe.node().attributes.get_float("alpha", 1.702F);
  recipe.give(0, recipe.add("Swish", 24, {recipe.input(0)}, {{"alpha", alpha}}));
}

void write_bias_gelu(Recipe& recipe) {
  recipe.give(0, recipe.add("Gelu", 20, {recipe.add("Add", 14, {recipe.input(0), recipe.input(1)})}));
}

void write_fast_gelu(Recipe& recipe) {
  RecipeValue x = recipe.input(0);
  if (recipe.input(1)) x = recipe.add("Add", 14, {x, recipe.input(1)});
  recipe.give(0, recipe.add("Gelu", 20, {x}, {{"approximate", std::string("tanh")}}));
}

/// The activation `name` of x. `params` are its attributes in the order that FusedConv lists them; what is absent has
/// ONNX's default.
RecipeValue add_activation(Recipe& recipe, RecipeValue x, const std::string& name,
                           std::vector<std::optional<float>> params) {
  struct Known {
    std::string_view name;
    int version;
    std::vector<std::string_view> attributes;
  };
  static const std::vector<Known> kKnown = {
      {"Celu", 12, {"alpha"}},
      {"Elu", 6, {"alpha"}},
      {"HardSigmoid", 6, {"alpha", "beta"}},
      {"LeakyRelu", 6, {"alpha"}},
      {"Relu", 6, {}},
      {"Selu", 6, {"alpha", "gamma"}},
      {"Sigmoid", 6, {}},
      {"Softplus", 1, {}},
      {"Softsign", 1, {}},
      {"Tanh", 6, {}},
      {"ThresholdedRelu", 10, {"alpha"}},
      {"HardSwish", 14, {}},
  };
  if (name.empty()) return x;
  params.resize(2);
  if (name == "Clip") {
    const auto bound = [&](const std::optional<float>& value) { return value ? recipe.number(*value) : RecipeValue{}; };
    return recipe.add("Clip", 11, {x, bound(params[0]), bound(params[1])});
  }
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    Recipe::AttributeList attributes;
    for (size_t i = 0; i < known.attributes.size(); ++i) {
      if (params[i]) attributes.emplace_back(known.attributes[i], *params[i]);
    }
    return recipe.add(name, known.version, {x}, attributes);
  }
  throw Error(ErrorCode::kNotImplemented, fmt::format("The fused activation '{}'.", name));
}

void write_fused_conv(Recipe& recipe) {
  const Attributes& own = recipe.node().attributes;
  Recipe::AttributeList attributes;
  for (const auto& [name, value] : own.entries()) {
    if (name != "activation" && name != "activation_params") attributes.emplace_back(name, value);
  }
  RecipeValue y = recipe.add("Conv", 11, {recipe.input(0), recipe.input(1), recipe.input(2)}, attributes);
  if (recipe.input(3)) y = recipe.add("Add", 14, {y, recipe.input(3)});
  const auto given = own.get_floats("activation_params");
  y = add_activation(recipe, y, own.get_string("activation", ""), {given.begin(), given.end()});
  recipe.give(0, y);
}

void write_fused_gemm(Recipe& recipe) {
  const Attributes& own = recipe.node().attributes;
  const auto param = [&](std::string_view name) {
    return own.has(name) ? std::optional<float>(own.get_float(name, 0.0F)) : std::nullopt;
  };
  const RecipeValue y = recipe.add("Gemm", 13, {recipe.input(0), recipe.input(1), recipe.input(2)},
                                   {{"alpha", own.get_float("alpha", 1.0F)},
                                    {"beta", own.get_float("beta", 1.0F)},
                                    {"transA", own.get_int("transA", 0)},
                                    {"transB", own.get_int("transB", 0)}});
  const std::string name = own.get_string("activation", "");
  const auto second = param(name == "Selu" ? "activation_gamma" : "activation_beta");
  recipe.give(0, add_activation(recipe, y, name, {param("activation_alpha"), second}));
}

/// With `attribute`, the first axis moves behind the batch: [M, batch..., K] is read as [batch..., M, K].
RecipeValue operand(Recipe& recipe, int input, std::string_view attribute) {
  const RecipeValue value = recipe.input(input);
  if (recipe.node().attributes.get_int(attribute, 0) == 0) return value;
  const Value* known = recipe.node().input(input);
  if (known == nullptr || !known->shape) {
    throw Error(ErrorCode::kNotImplemented, fmt::format("{} of a tensor of unknown rank.", attribute));
  }
  const int rank = known->shape->rank();
  if (rank < 3) return value;
  std::vector<int64_t> perm(static_cast<size_t>(rank));
  std::iota(perm.begin(), perm.end() - 2, 1);
  perm[perm.size() - 2] = 0;
  perm[perm.size() - 1] = rank - 1;
  return recipe.add("Transpose", 13, {value}, {{"perm", perm}});
}

void write_fused_matmul(Recipe& recipe) {
  const Attributes& own = recipe.node().attributes;
  recipe.give(0, recipe.add("FusedMatMul", 1, {operand(recipe, 0, "transBatchA"), operand(recipe, 1, "transBatchB")},
                            {{"scale", own.get_float("alpha", 1.0F)},
                             {"trans_a", own.get_int("transA", 0)},
                             {"trans_b", own.get_int("transB", 0)}},
                            "attune"));
}

OpDef fused_def(std::string_view name, std::vector<Parameter> inputs, std::unique_ptr<Operator> (*make)(const Node&),
                TypeSet types = kFloats) {
  return {
      .domain = "com.microsoft",
      .name = name,
      .inputs = std::move(inputs),
      .outputs = {{"Y", "T"}},
      .types = {{"T", types}},
      .make = make,
      .flushes_denormals = true,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& microsoft_bias_gelu() {
  static const OpDef def = fused_def("BiasGelu", {{"A", "T"}, {"B", "T"}}, make_composite<write_bias_gelu>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_fast_gelu() {
  static const OpDef def =
      fused_def("FastGelu", {{"X", "T"}, {"bias", "T", Occurrence::kOptional}}, make_composite<write_fast_gelu>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_fused_conv() {
  static const OpDef def = fused_def(
      "FusedConv", {{"X", "T"}, {"W", "T"}, {"B", "T", Occurrence::kOptional}, {"Z", "T", Occurrence::kOptional}},
      make_composite<write_fused_conv>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_fused_gemm() {
  static const OpDef def = fused_def("FusedGemm", {{"A", "T"}, {"B", "T"}, {"C", "T", Occurrence::kOptional}},
                                     make_composite<write_fused_gemm>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_fused_matmul() {
  static const OpDef def = fused_def("FusedMatMul", {{"A", "T"}, {"B", "T"}}, make_composite<write_fused_matmul>,
                                     kFloatOnly | kHalves.widened());
  return def;
}

[[gnu::cold]] const OpDef& microsoft_gelu() {
  static const OpDef def = fused_def("Gelu", {{"X", "T"}}, make_composite<write_gelu>);
  return def;
}

[[gnu::cold]] const OpDef& microsoft_quick_gelu() {
  static const OpDef def = fused_def("QuickGelu", {{"X", "T"}}, make_composite<write_quick_gelu>);
  return def;
}

}  // namespace attune::ops
