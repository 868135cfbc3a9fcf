#include "optimize/passes.h"

namespace attune::optimize {
namespace {

constexpr OptimizationLevel kBasic = OptimizationLevel::kBasic;
constexpr OptimizationLevel kExtended = OptimizationLevel::kExtended;
constexpr OptimizationLevel kAll = OptimizationLevel::kAll;

// Later patterns are written for what the earlier passes leave: equal nodes are one node, constants are constants,
// nothing stands between two operators without computing something.
const Stage kSimplify = {
    {"fold_constants", kBasic, fold_constants},
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

}  // namespace

const std::vector<Stage>& stages() {
  static const std::vector<Stage> all = {kSimplify, kRecognize, kFuse};
  return all;
}

}  // namespace attune::optimize
