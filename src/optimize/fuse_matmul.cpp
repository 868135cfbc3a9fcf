// Matrix products take what stands around them: transposes of the last two axes, constant scales, a bias, a residual
// sum and an activation. MatMul and Gemm become FusedMatMul:
// activation(scale * A B + bias + residual), where A and B may have their last two axes swapped.
#include <algorithm>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

constexpr int kBias = 2;
constexpr int kResidual = 3;

Replacement fused(const Node& product) {
  Replacement result{"FusedMatMul", "attune", 1, {}, {}, product.name};
  if (!product.is("MatMul")) result.attributes = product.attributes;
  result.inputs.assign(product.inputs().begin(), product.inputs().end());
  result.inputs.resize(kResidual + 1, nullptr);
  return result;
}

/// The product that gives a value, while it has no activation yet; null otherwise.
Node* open_product(const Value* value) {
  Node* node = value == nullptr ? nullptr : value->producer();
  if (node == nullptr || !is_float(value)) return nullptr;
  const bool is_product = node->is("FusedMatMul", "attune") ||
                          (node->is("MatMul") && rank_of(node->input(0)) >= 2 && rank_of(node->input(1)) >= 2);
  return is_product && !node->attributes.has("activation") ? node : nullptr;
}

/// A scalar that may become a factor: finite, and no dimensions of its own.
std::optional<float> factor_of(const Value* value, const Value& other) {
  const auto scalar = constant_scalar(value);
  if (!scalar || value->type != DataType::kFloat || rank_of(value) > std::max(rank_of(&other), 0)) return std::nullopt;
  return static_cast<float>(*scalar);
}

class MatMulFuser {
 public:
  explicit MatMulFuser(Rewriter& rewriter) : rewriter_(rewriter) {}

  void visit(Node& node) {
    if (node.is("Gemm")) return fuse_gemm(node);
    if (node.is("MatMul") || node.is("FusedMatMul", "attune")) {
      for (const int side : {0, 1}) {
        while (take_in_operand(node, side)) continue;
      }
    } else if (node.is("Mul") || node.is("Div")) {
      fuse_scale(node);
    } else if (node.is("Add")) {
      if (!fuse_bias(node)) fuse_residual(node);
    } else if (const auto activation = activation_of(node)) {
      fuse_activation(node, *activation);
    }
  }

 private:
  bool is_suitable(const Node& node, const Node& product) {
    if (!rewriter_.used_once(product.output(0))) {
      rewriter_.refuse(node, "the product has other readers");
      return false;
    }
    return rewriter_.can_make(node, "FusedMatMul", "attune", 1);
  }

  /// Gemm with a bias of one row; the rest stays Gemm.
  void fuse_gemm(Node& node) {
    if (!is_float(node.output(0)) || !rewriter_.can_make(node, "FusedMatMul", "attune", 1)) return;
    if (node.attributes.get_int("transA", 0) != 0) return rewriter_.refuse(node, "the left matrix is transposed");
    const float beta = node.attributes.get_float("beta", 1.0F);
    Value* bias = node.input(kBias);
    if (bias != nullptr) {
      const int64_t size = dim_of(node.output(0), -1);
      if (beta != 1.0F && !constant_floats(bias)) {
        return rewriter_.refuse(node, "the bias is scaled and not constant");
      }
      bias = as_row(bias, size, beta);
      if (bias == nullptr) return rewriter_.refuse(node, "the bias is not one row");
    }
    const float alpha = node.attributes.get_float("alpha", 1.0F);
    Replacement replacement{"FusedMatMul", "attune", 1, {node.input(0), node.input(1), bias}};
    replacement.attributes.set("trans_b", node.attributes.get_int("transB", 0));
    if (alpha != 1.0F) replacement.attributes.set("scale", alpha);
    rewriter_.become(node, std::move(replacement));
  }

  /// `value` as a vector of `size`, times `factor`; null when it is something else. One that is not constant must
  /// have that shape already.
  Value* as_row(Value* value, int64_t size, float factor = 1.0F) {
    if (!is_known(size)) return nullptr;
    const bool is_vector = rank_of(value) == 1 && dim_of(value, 0) == size;
    if (is_vector && factor == 1.0F) return value;
    const FloatElements elements = constant_floats(value);
    if (!elements) return nullptr;
    const int64_t count = value->constant.elements();
    if (count != 1 && (count != size || dim_of(value, -1) != size)) return nullptr;
    Tensor row = Tensor::allocate(DataType::kFloat, Shape{size});
    const std::span<float> values = row.values<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = factor * elements[count == 1 ? 0 : i];
    return rewriter_.graph().add_constant(std::move(row));
  }

  /// Takes in a constant scale or a transpose of the last two axes before operand `side`; false when there is none.
  bool take_in_operand(Node& node, int side) {
    Value* operand = node.input(side);
    const Node* producer = operand == nullptr ? nullptr : operand->producer();
    if (producer == nullptr || !is_float(operand) || open_product(node.output(0)) == nullptr) return false;
    Replacement replacement = fused(node);
    Value*& input = replacement.inputs[static_cast<size_t>(side)];
    if (producer->is("Transpose")) {
      const int rank = rank_of(operand);
      auto perm = permutation_of(*producer, rank);
      if (rank < 2 || perm.empty()) return false;
      std::swap(perm[static_cast<size_t>(rank - 1)], perm[static_cast<size_t>(rank - 2)]);
      if (!std::is_sorted(perm.begin(), perm.end())) return false;
      const std::string_view name = side == 0 ? "trans_a" : "trans_b";
      replacement.attributes.set(name, int64_t{1} - node.attributes.get_int(name, 0));
      input = producer->input(0);
    } else if (producer->is("Mul") || producer->is("Div")) {
      // Where others read the scaled tensor too it is made anyway.
      const auto scaled = scaled_operand(*producer);
      if (!scaled || !rewriter_.used_once(operand)) return false;
      replacement.attributes.set("scale", scaled->second * node.attributes.get_float("scale", 1.0F));
      input = scaled->first;
    } else {
      return false;
    }
    if (!rewriter_.can_make(node, "FusedMatMul", "attune", 1)) return false;
    rewriter_.become(node, std::move(replacement));
    return true;
  }

  /// x and c of a node that gives x * c or x / c.
  static std::optional<std::pair<Value*, float>> scaled_operand(const Node& node) {
    const bool divides = node.op_type == "Div";
    for (int side = 0; side < (divides ? 1 : 2); ++side) {
      Value* x = node.input(side);
      if (x == nullptr || x->is_constant()) continue;
      const auto factor = factor_of(node.input(1 - side), *x);
      if (factor && !(divides && *factor == 0.0F)) return std::pair(x, divides ? 1.0F / *factor : *factor);
    }
    return std::nullopt;
  }

  void fuse_scale(Node& node) {
    const auto scaled = scaled_operand(node);
    if (!scaled) return;
    const Node* product = open_product(scaled->first);
    if (product == nullptr) return;
    if (product->input(kBias) != nullptr || product->input(kResidual) != nullptr) return;
    if (!is_suitable(node, *product)) return;
    Replacement replacement = fused(*product);
    replacement.attributes.set("scale", scaled->second * product->attributes.get_float("scale", 1.0F));
    rewriter_.become(node, std::move(replacement));
  }

  bool fuse_bias(Node& node) {
    for (const int side : {0, 1}) {
      Value* result = node.input(side);
      Value* other = node.input(1 - side);
      const Node* product = open_product(result);
      if (product == nullptr || other == nullptr || product->input(kBias) != nullptr) continue;
      if (product->input(kResidual) != nullptr || rank_of(other) > rank_of(result) || !is_float(other)) continue;
      // A matrix that happens to be one row high is a residual, not a bias.
      if (!other->is_constant() && rank_of(other) != 1) continue;
      const int64_t size = dim_of(result, -1);
      const bool is_row =
          rank_of(other) == 1 ? same_dim(dim_of(other, 0), size) || dim_of(other, 0) == 1 : other->is_constant();
      if (!is_row || !is_suitable(node, *product)) continue;
      Value* bias = as_row(other, size);
      if (bias == nullptr) continue;
      Replacement replacement = fused(*product);
      replacement.inputs[kBias] = bias;
      rewriter_.become(node, std::move(replacement));
      return true;
    }
    return false;
  }

  /// The product may be stored over the residual. Where the right matrix is not packed beforehand, sums over parts of k
  /// wait there, which leaves only a residual that those sums begin with, and a scale does not let them.
  static bool is_packed_matrix(const Value& matrix) {
    return matrix.is_constant() && matrix.constant.type() == DataType::kFloat && matrix.constant.shape().rank() >= 2;
  }

  void fuse_residual(Node& node) {
    for (const int side : {0, 1}) {
      Value* result = node.input(side);
      Value* residual = node.input(1 - side);
      const Node* product = open_product(result);
      if (product == nullptr || residual == nullptr || residual == result) continue;
      if (product->input(kResidual) != nullptr) continue;
      if (!same_shape(*residual, *result)) {
        rewriter_.refuse(node, "the operands cannot be proven to have the same shape");
        continue;
      }
      if (product->attributes.get_float("scale", 1.0F) != 1.0F && !is_packed_matrix(*product->input(1))) {
        rewriter_.refuse(node, "the product is scaled and its right matrix is not constant");
        continue;
      }
      if (!is_suitable(node, *product)) continue;
      Replacement replacement = fused(*product);
      replacement.inputs[kResidual] = residual;
      return rewriter_.become(node, std::move(replacement));
    }
  }

  void fuse_activation(Node& node, const FusedActivation& activation) {
    const Node* product = open_product(node.input(0));
    if (product == nullptr || !is_suitable(node, *product)) return;
    Replacement replacement = fused(*product);
    replacement.attributes.set("activation", activation.name);
    replacement.attributes.set("activation_alpha", activation.alpha);
    replacement.attributes.set("activation_beta", activation.beta);
    rewriter_.become(node, std::move(replacement));
  }

  Rewriter& rewriter_;
};

}  // namespace

void fuse_matmul(Rewriter& rewriter) {
  MatMulFuser fuser(rewriter);
  rewriter.for_each_node([&](Node& node) { fuser.visit(node); });
}

}  // namespace attune::optimize
