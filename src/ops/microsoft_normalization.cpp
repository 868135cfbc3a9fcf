// Normalizations of com.microsoft, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md, version
// 1, as recipes: EmbedLayerNormalization, SkipLayerNormalization, SkipSimplifiedLayerNormalization. Gap: the mean and
// deviation that SkipSimplifiedLayerNormalization may give. mask_index_type changes nothing.
#include "attune/error.h"
#include "ops/composite_operator.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

float epsilon_of(const Recipe& recipe) { return recipe.node().attributes.get_float("epsilon", 1e-12F); }

/// input + skip, which may be broadcast over the batch, + bias.
RecipeValue add_skip(Recipe& recipe, int bias) {
  RecipeValue sum = recipe.add("Add", 14, {recipe.input(0), recipe.input(1)});
  if (recipe.input(bias)) sum = recipe.add("Add", 14, {sum, recipe.input(bias)});
  recipe.give(3, sum);
  return sum;
}

void write_skip_layer_normalization(Recipe& recipe) {
  const RecipeValue sum = add_skip(recipe, 4);
  const int outputs = recipe.wants(2) ? 3 : recipe.wants(1) ? 2 : 1;
  const RecipeValue y = recipe.add("LayerNormalization", 17, {sum, recipe.input(2), recipe.input(3)},
                                   {{"axis", int64_t{-1}}, {"epsilon", epsilon_of(recipe)}}, {}, outputs);
  for (int i = 0; i < outputs; ++i) recipe.give(i, Recipe::output_of(y, i));
}

void write_skip_simplified_layer_normalization(Recipe& recipe) {
  if (recipe.wants(1) || recipe.wants(2)) {
    throw Error(ErrorCode::kNotImplemented, "The mean and deviation of SkipSimplifiedLayerNormalization.");
  }
  const RecipeValue sum = add_skip(recipe, 3);
  recipe.give(0, recipe.add("RMSNormalization", 23, {sum, recipe.input(2)},
                            {{"axis", int64_t{-1}}, {"epsilon", epsilon_of(recipe)}}));
}

enum EmbedInput { kIds, kSegmentIds, kWords, kPositions, kSegments, kGamma, kBeta, kMask, kPositionIds };

/// The vectors of words, of segments and of positions, summed up and normalized. Without position_ids the positions are
/// 0, 1 and so on. mask_index is how many words of a sample count.
void write_embed_layer_normalization(Recipe& recipe) {
  const RecipeValue ids = recipe.input(kIds);
  RecipeValue sum = recipe.add("Gather", 13, {recipe.input(kWords), ids});
  if (recipe.input(kPositionIds)) {
    sum =
        recipe.add("Add", 14, {sum, recipe.add("Gather", 13, {recipe.input(kPositions), recipe.input(kPositionIds)})});
  } else {
    const RecipeValue length = recipe.add("Shape", 15, {ids}, {{"start", int64_t{1}}, {"end", int64_t{2}}});
    const RecipeValue zero = recipe.integers({0});
    sum = recipe.add("Add", 14, {sum, recipe.add("Slice", 13, {recipe.input(kPositions), zero, length, zero})});
  }
  if (recipe.input(kSegmentIds) && recipe.input(kSegments)) {
    sum = recipe.add("Add", 14, {sum, recipe.add("Gather", 13, {recipe.input(kSegments), recipe.input(kSegmentIds)})});
  }
  recipe.give(2, sum);
  recipe.give(0, recipe.add("LayerNormalization", 17, {sum, recipe.input(kGamma), recipe.input(kBeta)},
                            {{"axis", int64_t{-1}}, {"epsilon", epsilon_of(recipe)}}));
  if (!recipe.wants(1)) return;
  const RecipeValue words = recipe.input(kMask) ? recipe.input(kMask) : recipe.add("Sub", 14, {ids, ids});
  recipe.give(1, recipe.add("ReduceSum", 13, {words, recipe.integers({1})}, {{"keepdims", int64_t{0}}}));
}

constexpr TypeSet kComputed = kFloatOnly | kHalves.widened();

}  // namespace

[[gnu::cold]] const OpDef& microsoft_embed_layer_normalization() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "EmbedLayerNormalization",
      .inputs = {{"input_ids", "T1"},
                 {"segment_ids", "T1", Occurrence::kOptional},
                 {"word_embedding", "T"},
                 {"position_embedding", "T"},
                 {"segment_embedding", "T", Occurrence::kOptional},
                 {"gamma", "T"},
                 {"beta", "T"},
                 {"mask", "T1", Occurrence::kOptional},
                 {"position_ids", "T1", Occurrence::kOptional}},
      .outputs = {{"output", "T"},
                  {"mask_index", "T1", Occurrence::kOptional},
                  {"embedding_sum", "T", Occurrence::kOptional}},
      .types = {{"T", kComputed}, {"T1", {DataType::kInt32}}},
      .make = make_composite<write_embed_layer_normalization>,
  };
  return def;
}

[[gnu::cold]] const OpDef& microsoft_skip_layer_normalization() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "SkipLayerNormalization",
      .inputs = {{"input", "T"},
                 {"skip", "T"},
                 {"gamma", "T"},
                 {"beta", "T", Occurrence::kOptional},
                 {"bias", "T", Occurrence::kOptional}},
      .outputs = {{"output", "T"},
                  {"mean", "U", Occurrence::kOptional},
                  {"inv_std_var", "U", Occurrence::kOptional},
                  {"input_skip_bias_sum", "T", Occurrence::kOptional}},
      .types = {{"T", kComputed}, {"U", kFloatOnly}},
      .make = make_composite<write_skip_layer_normalization>,
  };
  return def;
}

[[gnu::cold]] const OpDef& microsoft_skip_simplified_layer_normalization() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "SkipSimplifiedLayerNormalization",
      .inputs = {{"input", "T"}, {"skip", "T"}, {"gamma", "T"}, {"bias", "T", Occurrence::kOptional}},
      .outputs = {{"output", "T"},
                  {"mean", "U", Occurrence::kOptional},
                  {"inv_std_var", "U", Occurrence::kOptional},
                  {"input_skip_bias_sum", "T", Occurrence::kOptional}},
      .types = {{"T", kComputed}, {"U", kFloatOnly}},
      .make = make_composite<write_skip_simplified_layer_normalization>,
  };
  return def;
}

}  // namespace attune::ops
