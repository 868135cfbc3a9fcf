// Attention and MultiHeadAttention of com.microsoft,
// https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md, version 1, as recipes around ai.onnx's
// Attention. What a mask hides gets mask_filter_value added to its score, what causality hides -infinity.
//
// Gaps: rotary embedding inside, buffers that past and present share, caches for beam search, the scores as an output,
// packed projections, and masks of ends with more than one number a sample where the sizes are not known when the model
// is loaded.
#include <fmt/format.h>

#include <vector>

#include "attune/error.h"
#include "ops/composite_operator.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

constexpr int kAttentionVersion = 23;

[[noreturn]] void throw_gap(std::string_view what) {
  throw Error(ErrorCode::kNotImplemented, fmt::format("{} is not supported here.", what));
}

void refuse(const Recipe& recipe, int input, std::string_view what) {
  if (recipe.input(input)) throw_gap(what);
}

/// The dimension `axis` of an input, as far as the model says; negative otherwise.
int64_t known_dim(const Recipe& recipe, int input, int axis) {
  const Value* value = recipe.node().input(input);
  if (value == nullptr || !value->shape) return kUnknownDim;
  const int rank = value->shape->rank();
  const int place = axis < 0 ? axis + rank : axis;
  return place >= 0 && place < rank ? (*value->shape)[place] : kUnknownDim;
}

RecipeValue unsqueeze(Recipe& recipe, RecipeValue value, std::initializer_list<int64_t> axes) {
  return recipe.add("Unsqueeze", 13, {value, recipe.integers(axes)});
}

/// Three parts of the last axis: of equal size, or first and first and the rest where `first` is known.
RecipeValue split_in_three(Recipe& recipe, RecipeValue value, int64_t first, int64_t total, int64_t axis) {
  if (first > 0 && total > 2 * first) {
    return recipe.add("Split", 13, {value, recipe.integers({first, first, total - 2 * first})}, {{"axis", axis}}, {},
                      3);
  }
  return recipe.add("Split", 18, {value}, {{"axis", axis}, {"num_outputs", int64_t{3}}}, {}, 3);
}

struct Mask {
  int input;         ///< of the node: int32, 1 where a key counts; or of rank 1, how many keys of a sample count
  int batch_input;   ///< whose first axis is the batch
  RecipeValue keys;  ///< [1]: how many keys there are, the past's included
};

/// What is added to the scores, [batch, 1, queries or 1, keys]; nothing without a mask.
RecipeValue add_mask(Recipe& recipe, const Mask& mask) {
  const RecipeValue value = recipe.input(mask.input);
  if (!value) return {};
  const Value* known = recipe.node().input(mask.input);
  if (!known->shape) throw_gap("A mask of unknown rank");
  RecipeValue seen;
  switch (known->shape->rank()) {
    case 1: {
      const int64_t count = (*known->shape)[0];
      const int64_t batch = known_dim(recipe, mask.batch_input, 0);
      if (is_known(count) && is_known(batch) && count != batch) throw_gap("A mask of ranges");
      const RecipeValue zero = recipe.constant(Tensor::scalar<int64_t>(0));
      const RecipeValue one = recipe.constant(Tensor::scalar<int64_t>(1));
      const RecipeValue end = recipe.add("Squeeze", 13, {mask.keys, recipe.integers({0})});
      const RecipeValue places = recipe.add("Range", 11, {zero, end, one});
      const RecipeValue ends = recipe.add("Cast", 13, {value}, {{"to", static_cast<int64_t>(DataType::kInt64)}});
      seen = recipe.add("Less", 13, {places, unsqueeze(recipe, ends, {1})});
      seen = unsqueeze(recipe, seen, {1, 2});
      break;
    }
    case 2:
    case 3:
      seen = recipe.add("Greater", 13, {value, recipe.constant(Tensor::scalar<int32_t>(0))});
      seen = known->shape->rank() == 2 ? unsqueeze(recipe, seen, {1, 2}) : unsqueeze(recipe, seen, {1});
      break;
    default:
      throw_gap(fmt::format("A mask of rank {}", known->shape->rank()));
  }
  const float filter = recipe.node().attributes.get_float("mask_filter_value", -10000.0F);
  return recipe.add("Where", 16, {seen, recipe.number(0.0F), recipe.number(filter)});
}

struct Operands {
  RecipeValue query, key, value, mask, bias, past_key, past_value;
};

/// Gives the attention's output and, as further outputs of its step, the keys and values with the past's before them.
RecipeValue add_attention(Recipe& recipe, const Operands& operands, bool gives_present) {
  const Attributes& own = recipe.node().attributes;
  const int64_t heads = own.require_int("num_heads");
  RecipeValue mask = operands.mask;
  if (operands.bias) mask = mask ? recipe.add("Add", 14, {mask, operands.bias}) : operands.bias;
  Recipe::AttributeList attributes = {
      {"q_num_heads", heads}, {"kv_num_heads", heads}, {"is_causal", own.get_int("unidirectional", 0)}};
  const float scale = own.get_float("scale", 0.0F);
  if (scale != 0.0F) attributes.emplace_back("scale", scale);
  return recipe.add("Attention", kAttentionVersion,
                    {operands.query, operands.key, operands.value, mask, operands.past_key, operands.past_value},
                    attributes, {}, gives_present ? 3 : 1);
}

/// [1]: the size of an axis of `value`.
RecipeValue size_of(Recipe& recipe, RecipeValue value, int64_t axis) {
  return recipe.add("Shape", 15, {value}, {{"start", axis}, {"end", axis + 1}});
}

/// The number of keys: those given and, where there is a past, its own.
RecipeValue count_keys(Recipe& recipe, RecipeValue fresh, int64_t fresh_axis, RecipeValue past) {
  RecipeValue keys = size_of(recipe, fresh, fresh_axis);
  if (past) keys = recipe.add("Add", 14, {keys, size_of(recipe, past, 2)});
  return keys;
}

void write_attention(Recipe& recipe) {
  enum Input { kInput, kWeights, kBias, kMask, kPast, kAttentionBias, kPastLength };
  const Attributes& own = recipe.node().attributes;
  if (own.get_int("do_rotary", 0) != 0) throw_gap("do_rotary");
  if (own.get_int("past_present_share_buffer", 0) != 0) throw_gap("past_present_share_buffer");
  refuse(recipe, kPastLength, "past_sequence_length");
  RecipeValue projected = recipe.add("MatMul", 13, {recipe.input(kInput), recipe.input(kWeights)});
  if (recipe.input(kBias)) projected = recipe.add("Add", 14, {projected, recipe.input(kBias)});
  RecipeValue parts;
  const auto sizes = own.get_ints("qkv_hidden_sizes");
  if (sizes.empty()) {
    parts = split_in_three(recipe, projected, 0, 0, 2);
  } else {
    const RecipeValue split =
        recipe.constant(Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(sizes.size())}, sizes));
    if (sizes.size() != 3) throw Error(ErrorCode::kInvalidGraph, "qkv_hidden_sizes must have 3 sizes.");
    parts = recipe.add("Split", 13, {projected, split}, {{"axis", int64_t{2}}}, {}, 3);
  }
  Operands operands;
  operands.query = parts;
  operands.key = Recipe::output_of(parts, 1);
  operands.value = Recipe::output_of(parts, 2);
  if (recipe.input(kPast)) {
    const RecipeValue past =
        recipe.add("Split", 13, {recipe.input(kPast), recipe.integers({1, 1})}, {{"axis", int64_t{0}}}, {}, 2);
    operands.past_key = recipe.add("Squeeze", 13, {past, recipe.integers({0})});
    operands.past_value = recipe.add("Squeeze", 13, {Recipe::output_of(past, 1), recipe.integers({0})});
  }
  if (recipe.input(kMask)) {
    operands.mask = add_mask(recipe, {kMask, kInput, count_keys(recipe, recipe.input(kInput), 1, operands.past_key)});
  }
  operands.bias = recipe.input(kAttentionBias);
  const RecipeValue y = add_attention(recipe, operands, recipe.wants(1));
  recipe.give(0, y);
  if (!recipe.wants(1)) return;
  const RecipeValue key = unsqueeze(recipe, Recipe::output_of(y, 1), {0});
  const RecipeValue value = unsqueeze(recipe, Recipe::output_of(y, 2), {0});
  recipe.give(1, recipe.add("Concat", 13, {key, value}, {{"axis", int64_t{0}}}));
}

void write_multi_head_attention(Recipe& recipe) {
  enum Input { kQuery, kKey, kValue, kBias, kMask, kAttentionBias, kPastKey, kPastValue, kPastLength, kCaches };
  refuse(recipe, kPastLength, "past_sequence_length");
  refuse(recipe, kCaches, "cache_indirection");
  if (recipe.wants(3)) throw_gap("The output qk");
  if (!recipe.input(kKey) || !recipe.input(kValue)) throw_gap("A packed projection");
  Operands operands;
  operands.query = recipe.input(kQuery);
  operands.key = recipe.input(kKey);
  operands.value = recipe.input(kValue);
  const Value* key = recipe.node().input(kKey);
  // Keys and values that come with axes for heads were made before: they have their bias.
  const bool is_made = key->shape && key->shape->rank() == 4;
  if (recipe.input(kBias)) {
    const RecipeValue biases =
        split_in_three(recipe, recipe.input(kBias), known_dim(recipe, kQuery, -1), known_dim(recipe, kBias, 0), 0);
    operands.query = recipe.add("Add", 14, {operands.query, biases});
    if (!is_made) {
      operands.key = recipe.add("Add", 14, {operands.key, Recipe::output_of(biases, 1)});
      operands.value = recipe.add("Add", 14, {operands.value, Recipe::output_of(biases, 2)});
    }
  }
  operands.past_key = recipe.input(kPastKey);
  operands.past_value = recipe.input(kPastValue);
  if (recipe.input(kMask)) {
    operands.mask =
        add_mask(recipe, {kMask, kQuery, count_keys(recipe, recipe.input(kKey), is_made ? 2 : 1, operands.past_key)});
  }
  operands.bias = recipe.input(kAttentionBias);
  const RecipeValue y = add_attention(recipe, operands, recipe.wants(1) || recipe.wants(2));
  for (int i = 0; i < 3; ++i) recipe.give(i, Recipe::output_of(y, i));
}

constexpr TypeSet kComputed = kFloatOnly | kHalves.widened();

}  // namespace

[[gnu::cold]] const OpDef& microsoft_attention() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "Attention",
      .inputs = {{"input", "T"},
                 {"weights", "T"},
                 {"bias", "T", Occurrence::kOptional},
                 {"mask_index", "M", Occurrence::kOptional},
                 {"past", "T", Occurrence::kOptional},
                 {"attention_bias", "T", Occurrence::kOptional},
                 {"past_sequence_length", "M", Occurrence::kOptional}},
      .outputs = {{"output", "T"}, {"present", "T", Occurrence::kOptional}},
      .types = {{"T", kComputed}, {"M", {DataType::kInt32}}},
      .make = make_composite<write_attention>,
      .flushes_denormals = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& microsoft_multi_head_attention() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "MultiHeadAttention",
      .inputs = {{"query", "T"},
                 {"key", "T", Occurrence::kOptional},
                 {"value", "T", Occurrence::kOptional},
                 {"bias", "T", Occurrence::kOptional},
                 {"key_padding_mask", "M", Occurrence::kOptional},
                 {"attention_bias", "T", Occurrence::kOptional},
                 {"past_key", "T", Occurrence::kOptional},
                 {"past_value", "T", Occurrence::kOptional},
                 {"past_sequence_length", "M", Occurrence::kOptional},
                 {"cache_indirection", "M", Occurrence::kOptional}},
      .outputs = {{"output", "T"},
                  {"present_key", "T", Occurrence::kOptional},
                  {"present_value", "T", Occurrence::kOptional},
                  {"qk", "T", Occurrence::kOptional}},
      .types = {{"T", kComputed}, {"M", {DataType::kInt32}}},
      .make = make_composite<write_multi_head_attention>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
