// A sum that is normalized at once, where no product or convolution took the sum: Add and LayerNormalization become
// SkipLayerNormalization, which gives the sum as its second output to whoever else reads it.
#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

bool fuse(Rewriter& rewriter, Node& root, const Match& match) {
  const auto refuse = [&](std::string_view why) {
    rewriter.refuse(root, std::string(why));
    return false;
  };
  Value* sum = match["sum"];
  Value* x = match["x"];
  Value* skip = match["skip"];
  if (!is_float(sum) || root.output_count() > 1) return false;
  const int rank = rank_of(sum);
  const auto axis = axis_of(root, -1, rank);
  if (!axis || *axis != rank - 1) return refuse("the normalized axis is not the last");
  if (!same_shape(*x, *skip)) return refuse("the operands cannot be proven to have the same shape");
  for (int i = 1; i < root.input_count(); ++i) {
    // It could be made of the sum, which will come out of the same node.
    const bool is_given = root.input(i) == nullptr || root.input(i)->producer() == nullptr;
    if (!is_given) return refuse("the scale or the bias is computed");
  }
  if (!rewriter.can_make(root, "SkipLayerNormalization", "attune", 1)) return false;
  Attributes attributes;
  attributes.set("epsilon", root.attributes.get_float("epsilon", 1e-5F));
  Replacement replacement{"SkipLayerNormalization", "attune", 1, {x, skip, root.input(1)},
                          std::move(attributes),    root.name};
  if (root.input(2) != nullptr) replacement.inputs.push_back(root.input(2));
  if (rewriter.used_once(sum)) {
    rewriter.become(root, std::move(replacement));
    return true;
  }
  Graph& graph = rewriter.graph();
  Value* normalized = graph.add_value({}, root.output(0)->type, root.output(0)->shape);
  Value* kept = graph.add_value({}, sum->type, sum->shape);
  rewriter.add_node(std::move(replacement), {normalized, kept});
  rewriter.replace_value(root.output(0), normalized);
  rewriter.replace_value(sum, kept);
  return true;
}

}  // namespace

void fuse_skip_layer_normalization(Rewriter& rewriter) {
  static const std::vector<Fusion> kFusions = {
      {op("LayerNormalization", {op("Add", {any("x"), any("skip")}).as("sum").shared()}).with_more_inputs(), fuse}};
  apply_fusions(rewriter, kFusions);
}

}  // namespace attune::optimize
