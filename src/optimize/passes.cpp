#include "optimize/passes.h"

#include <utility>

namespace attune::optimize {
namespace {

constexpr OptimizationLevel kBasic = OptimizationLevel::kBasic;
constexpr OptimizationLevel kExtended = OptimizationLevel::kExtended;
constexpr OptimizationLevel kAll = OptimizationLevel::kAll;

// Later patterns are written for what the earlier passes leave: equal nodes are one node, constants are constants,
// nothing stands between two operators without computing something.
const Stage kSimplify = {
    {"spell_out", kBasic, spell_out},
    {"fold_constants", kBasic, fold_constants},
    {"inline_branches", kBasic, inline_branches},
    {"remove_no_ops", kBasic, remove_no_ops},
    {"merge_common", kBasic, merge_common},
    {"simplify_reshapes", kBasic, simplify_reshapes},
    {"merge_transposes", kBasic, merge_transposes},
    {"fold_pad", kBasic, fold_pad},
    {"fold_batch_normalization", kBasic, fold_batch_normalization},
    {"fold_scale_and_bias", kBasic, fold_scale_and_bias},
};

// Recognition goes before fusion: a product or a convolution takes an activation only under its name.
const Stage kRecognize = {
    {"push_transposes", kAll, push_transposes},
    {"merge_transposes", kAll, merge_transposes},
    {"recognize_activations", kExtended, recognize_activations},
    {"recognize_gelu", kExtended, recognize_gelu},
    {"recognize_softmax", kExtended, recognize_softmax},
    {"recognize_layer_normalization", kExtended, recognize_layer_normalization},
    {"recognize_global_pooling", kExtended, recognize_global_pooling},
    {"recognize_depthwise", kExtended, recognize_depthwise},
    {"recognize_channel_shuffle", kExtended, recognize_channel_shuffle},
    {"factor_gates", kExtended, factor_gates},
    {"fold_scale_and_bias", kExtended, fold_scale_and_bias},
};

// Attention comes first, while its products, scales and masks are still nodes of their own.
const Stage kFuse = {
    {"fuse_attention", kAll, fuse_attention},
    {"fuse_conv", kExtended, fuse_conv},
    {"fuse_matmul", kExtended, fuse_matmul},
    {"fuse_skip_layer_normalization", kExtended, fuse_skip_layer_normalization},
    {"remove_no_ops", kExtended, remove_no_ops},
    {"simplify_reshapes", kExtended, simplify_reshapes},
};

constexpr std::pair<std::string_view, std::string_view> kPurposes[] = {
    {"spell_out", "fused operators of com.microsoft give way to what they are made of"},
    {"fold_constants", "what depends on constants alone is computed now"},
    {"inline_branches", "an If whose condition is known becomes the branch that it takes"},
    {"remove_no_ops", "nodes that compute nothing go"},
    {"merge_common", "nodes that compute the same become one"},
    {"simplify_reshapes", "chains of reshapes become one, with constant targets"},
    {"merge_transposes", "transposes after each other become one or cancel"},
    {"fold_pad", "padding moves into the convolution or pooling behind it"},
    {"fold_batch_normalization", "BatchNormalization moves into the weights before it"},
    {"fold_scale_and_bias", "constant factors and summands move into weights"},
    {"push_transposes", "transposes move behind what works on any layout, where they cancel"},
    {"recognize_activations", "HardSwish, Swish, Mish and others that are spelled out"},
    {"recognize_gelu", "GELU that is spelled out"},
    {"recognize_softmax", "Softmax that is spelled out"},
    {"recognize_layer_normalization", "LayerNormalization that is spelled out"},
    {"recognize_global_pooling", "means over an image become GlobalAveragePool"},
    {"recognize_depthwise", "BatchNormalization without a layer before it becomes one, which takes what follows"},
    {"recognize_channel_shuffle", "channels that are shuffled by reshapes and a transpose stay in their layout"},
    {"factor_gates", "x + x * gate becomes x * (gate + 1)"},
    {"fuse_attention", "attention without the matrix of scores in memory"},
    {"fuse_conv", "convolutions take the sum and the activation behind them"},
    {"fuse_matmul", "products take transposes, scales, bias, sum and activation"},
    {"fuse_skip_layer_normalization", "a sum and its normalization become one node"},
};

}  // namespace

std::string_view purpose_of(std::string_view pass) {
  for (const auto& [name, purpose] : kPurposes) {
    if (name == pass) return purpose;
  }
  return {};
}

const std::vector<Stage>& stages() {
  static const std::vector<Stage> all = {kSimplify, kRecognize, kFuse};
  return all;
}

}  // namespace attune::optimize
