// Convolutions take what follows them: a residual sum, then an activation. Conv becomes FusedConv, ConvTranspose
// FusedConvTranspose (which has no residual).
#include <unordered_map>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

constexpr int kResidual = 3;

/// The convolution that gives a value, as far as it can take more; null otherwise.
Node* open_layer(const Value* value) {
  Node* node = value == nullptr ? nullptr : value->producer();
  if (node == nullptr) return nullptr;
  const bool is_conv = node->is("Conv") || node->is("ConvTranspose") || node->is("FusedConv", "attune") ||
                       node->is("FusedConvTranspose", "attune");
  return is_conv && !node->attributes.has("activation") ? node : nullptr;
}

Replacement fused(const Node& layer) {
  const bool is_transposed = layer.is("ConvTranspose") || layer.is("FusedConvTranspose", "attune");
  Replacement result{is_transposed ? "FusedConvTranspose" : "FusedConv", "attune", 1, {}, layer.attributes, layer.name};
  result.inputs.assign(layer.inputs().begin(), layer.inputs().end());
  return result;
}

class ConvFuser {
 public:
  explicit ConvFuser(Rewriter& rewriter) : rewriter_(rewriter) {
    for (const auto& node : rewriter.graph().nodes()) positions_.try_emplace(node.get(), positions_.size());
  }

  void visit(Node& node) {
    if (node.is("Add") || (node.is("Sum") && node.input_count() == 2)) return fuse_residual(node);
    if (const auto activation = activation_of(node)) fuse_activation(node, *activation);
  }

 private:
  void fuse_activation(Node& node, const FusedActivation& activation) {
    const Node* layer = open_layer(node.input(0));
    if (layer == nullptr || !is_suitable(node, *layer)) return;
    Replacement replacement = fused(*layer);
    replacement.attributes.set("activation", activation.name);
    replacement.attributes.set("activation_alpha", activation.alpha);
    replacement.attributes.set("activation_beta", activation.beta);
    rewriter_.become(node, std::move(replacement));
  }

  void fuse_residual(Node& node) {
    // Where both operands are convolutions, the one that comes later takes the other's result.
    Node* layer = residual_layer(node.input(0));
    Node* other = residual_layer(node.input(1));
    if (layer != nullptr && other != nullptr && positions_.at(layer) < positions_.at(other)) std::swap(layer, other);
    for (Node* candidate : {layer, other}) {
      if (candidate == nullptr || !is_suitable(node, *candidate)) continue;
      Value* result = candidate->output(0);
      Value* residual = node.input(0) == result ? node.input(1) : node.input(0);
      if (residual == nullptr || residual == result) return;
      if (!same_shape(*residual, *result)) {
        rewriter_.refuse(node, "the operands cannot be proven to have the same shape");
        continue;
      }
      Replacement replacement = fused(*candidate);
      replacement.inputs.resize(kResidual, nullptr);
      replacement.inputs.push_back(residual);
      return rewriter_.become(node, std::move(replacement));
    }
  }

  static Node* residual_layer(const Value* value) {
    Node* layer = open_layer(value);
    const bool takes = layer != nullptr && (layer->is("Conv") || layer->is("FusedConv", "attune"));
    return takes && layer->input(kResidual) == nullptr ? layer : nullptr;
  }

  bool is_suitable(Node& node, const Node& layer) {
    if (!is_float(layer.output(0))) return false;
    if (!rewriter_.used_once(layer.output(0))) {
      rewriter_.refuse(node, "the convolution's result has other readers");
      return false;
    }
    return rewriter_.can_make(node, fused(layer).op_type, "attune", 1);
  }

  Rewriter& rewriter_;
  std::unordered_map<const Node*, size_t> positions_;
};

}  // namespace

void fuse_conv(Rewriter& rewriter) {
  ConvFuser fuser(rewriter);
  rewriter.for_each_node([&](Node& node) { fuser.visit(node); });
}

}  // namespace attune::optimize
