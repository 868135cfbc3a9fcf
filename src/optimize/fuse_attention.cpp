// Attention as exporters write it: queries, keys and values are split into heads by Reshape and Transpose, or together
// by one five-dimensional Transpose, softmax(scale * Q K^T + mask) V is computed, and the heads are joined again.
// FusedAttention reads the projections as they are and writes the joined heads.
#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "optimize/facts.h"
#include "optimize/passes.h"
#include "optimize/pattern.h"

namespace attune::optimize {
namespace {

using Permutation = std::vector<int64_t>;
const Permutation kSwapHeads = {0, 2, 1, 3};     // [batch, seq, heads, size] <-> [batch, heads, seq, size]
const Permutation kSwapKeyHeads = {0, 2, 3, 1};  // [batch, seq, heads, size] -> [batch, heads, size, seq]
const Permutation kSwapLast = {0, 1, 3, 2};      // [batch, heads, seq, size] -> [batch, heads, size, seq]
const Permutation kUnpack = {2, 0, 3, 1, 4};     // [batch, seq, 3, heads, size] -> [3, batch, heads, seq, size]

/// One of Q, K and V.
struct Heads {
  Value* tensor = nullptr;  ///< [batch, seq, heads * size] or [batch, seq, heads, size]; with parts, all of them
  int64_t part = 0;
  int64_t parts = 1;  ///< `tensor` is [batch, seq, parts * heads * size] and this is one of its parts
  int64_t batch = kUnknownDim;
  int64_t sequence = kUnknownDim;
  int64_t heads = kUnknownDim;
  int64_t size = kUnknownDim;
  bool is_packed_alone = false;  ///< only attention reads the packed tensor
};

Node* producer_of(const Value* value, std::string_view type) {
  Node* node = value == nullptr ? nullptr : value->producer();
  return node != nullptr && node->is(type) ? node : nullptr;
}

class AttentionFuser {
 public:
  explicit AttentionFuser(Rewriter& rewriter) : rewriter_(rewriter) {}

  bool fuse(Node& root, const Match& match) {
    double scale = 1.0;
    Value* mask = nullptr;
    Node* softmax = match.node("softmax");
    const auto softmax_axis = axis_of(*softmax, softmax->version < 13 ? 1 : -1, rank_of(match["scores"]));
    if (permutation_of(root, 4) != kSwapHeads) return false;
    if (!softmax_axis || rank_of(match["scores"]) != 4 || *softmax_axis != 3) {
      return refuse(root, "the softmax is not over the last of four axes");
    }
    const Node* product = find_product(match["scores"], scale, mask);
    if (product == nullptr) return refuse(root, "the scores are not a scaled product plus a mask");
    const auto query = read_heads(peel_scale(product->input(0), scale), false, scale);
    const auto key = read_heads(peel_scale(product->input(1), scale), true, scale);
    double value_scale = 1.0;
    const auto value = read_heads(match["v"], false, value_scale);
    if (!query || !key || !value || value_scale != 1.0) {
      return refuse(root, "the heads are not split in a known way");
    }
    if (!are_consistent(*query, *key, *value)) return refuse(root, "batch, heads or sizes cannot be proven equal");
    if (mask != nullptr && !fits(*mask, *query, *key)) {
      return refuse(root, "the mask is larger than the scores");
    }
    if (!is_joined(root)) return refuse(root, "the heads are not joined right after");
    if (!rewriter_.can_make(root, "FusedAttention", "attune", 1)) return false;

    Attributes attributes;
    attributes.set("num_heads", query->heads);
    attributes.set("scale", static_cast<float>(scale));
    const Shape joined{query->batch, query->sequence, value->heads * value->size};
    Replacement replacement{
        "FusedAttention",      "attune",     1, {tensor_of(*query), tensor_of(*key), tensor_of(*value)},
        std::move(attributes), softmax->name};
    if (mask != nullptr) replacement.inputs.push_back(mask);
    rewriter_.become(root, std::move(replacement));
    root.output(0)->shape = joined;
    return true;
  }

 private:
  bool refuse(const Node& node, std::string_view why) {
    rewriter_.refuse(node, std::string(why));
    return false;
  }

  /// What a chain of multiplications by and divisions through constants starts from; multiplies them into `scale`.
  Value* peel_scale(Value* value, double& scale) {
    while (value != nullptr && value->producer() != nullptr && rewriter_.used_once(value)) {
      const Node& node = *value->producer();
      const bool divides = node.is("Div");
      if (!divides && !node.is("Mul")) break;
      const int side = !divides && node.input(0)->is_constant() ? 1 : 0;
      const auto factor = constant_scalar(node.input(1 - side));
      if (!factor || (divides && *factor == 0.0) || rank_of(node.input(1 - side)) > rank_of(node.input(side))) break;
      scale *= divides ? 1.0 / *factor : *factor;
      value = node.input(side);
    }
    return value;
  }

  /// The product below scale and mask; null when the scores are something else or others read what lies between.
  const Node* find_product(Value* scores, double& scale, Value*& mask) {
    const auto product_below = [&](Value* value) -> const Node* {
      double factor = 1.0;
      Value* bare = peel_scale(value, factor);
      const Node* product = producer_of(bare, "MatMul");
      if (product == nullptr || !rewriter_.used_once(bare) || !is_float(bare)) return nullptr;
      scale *= factor;
      return product;
    };
    const Node* add = producer_of(scores, "Add");
    if (add == nullptr) return product_below(scores);
    if (!rewriter_.used_once(scores)) return nullptr;
    for (const int side : {0, 1}) {
      if (const Node* product = product_below(add->input(side))) {
        mask = add->input(1 - side);
        return product;
      }
    }
    return nullptr;
  }

  /// Finds what [batch, heads, seq, size] (or [batch, heads, size, seq] for keys) was split from.
  std::optional<Heads> read_heads(Value* value, bool is_key, double& scale) {
    if (const Node* transpose = producer_of(value, "Transpose")) {
      const Permutation perm = permutation_of(*transpose, 4);
      if (perm == (is_key ? kSwapKeyHeads : kSwapHeads)) return from_rank_four(transpose->input(0), scale);
      if (!is_key || perm != kSwapLast) return std::nullopt;
      value = peel_scale(transpose->input(0), scale);
      is_key = false;
      if (const Node* inner = producer_of(value, "Transpose")) {
        if (permutation_of(*inner, 4) != kSwapHeads) return std::nullopt;
        return from_rank_four(inner->input(0), scale);
      }
    }
    return is_key ? std::nullopt : from_packed(value);
  }

  std::optional<Heads> from_rank_four(Value* split, double& scale) {
    if (rank_of(split) != 4) return std::nullopt;
    split = peel_scale(split, scale);
    const Shape& shape = *split->shape;
    Heads heads{split, 0, 1, shape[0], shape[1], shape[2], shape[3]};
    if (const Node* reshape = producer_of(split, "Reshape")) {
      Value* joined = reshape->input(0);
      if (rank_of(joined) == 3 && same_dim(dim_of(joined, 0), shape[0]) &&
          dim_of(joined, 2) == heads.heads * heads.size) {
        heads.sequence = dim_of(joined, 1);
        heads.tensor = peel_scale(joined, scale);
      }
    }
    return heads;
  }

  /// [batch, heads, seq, size] cut out of [parts, batch, heads, seq, size].
  std::optional<Heads> from_packed(Value* value) {
    int64_t part = -1;
    Value* packed = nullptr;
    const Node* node = value == nullptr ? nullptr : value->producer();
    if (node == nullptr) return std::nullopt;
    if (node->is("Gather")) {
      const auto index = constant_scalar(node->input(1));
      if (!index || rank_of(node->input(1)) != 0 || axis_of(*node, 0, 5) != 0) return std::nullopt;
      packed = node->input(0);
      part = static_cast<int64_t>(*index);
    } else if (node->is("Squeeze") || node->is("Reshape")) {
      Value* slab = node->input(0);
      if (rank_of(slab) != 5 || dim_of(slab, 0) != 1 || rank_of(value) != 4) return std::nullopt;
      if (node->is("Squeeze") && axes_of(*node, 5) != std::vector<int64_t>{0}) return std::nullopt;
      if (node->is("Reshape") && !is_tail(*value->shape, *slab->shape)) return std::nullopt;
      part = slab_index(*slab);
      packed = slab->producer() == nullptr ? nullptr : slab->producer()->input(0);
    }
    const Node* unpack = producer_of(packed, "Transpose");
    if (unpack == nullptr || permutation_of(*unpack, 5) != kUnpack || rank_of(unpack->input(0)) != 5) {
      return std::nullopt;
    }
    const Shape& shape = *unpack->input(0)->shape;
    const Node* reshape = producer_of(unpack->input(0), "Reshape");
    Value* joined = reshape == nullptr ? nullptr : reshape->input(0);
    if (rank_of(joined) != 3 || !is_known(shape[2]) || !is_known(shape[3]) || !is_known(shape[4])) return std::nullopt;
    if (!same_dim(dim_of(joined, 0), shape[0]) || dim_of(joined, 2) != shape[2] * shape[3] * shape[4]) {
      return std::nullopt;
    }
    if (part < 0) part += shape[2];
    if (part < 0 || part >= shape[2]) return std::nullopt;
    Heads heads{joined, part, shape[2], shape[0], dim_of(joined, 1), shape[3], shape[4]};
    heads.is_packed_alone =
        rewriter_.used_once(joined) && rewriter_.used_once(reshape->output(0)) && !rewriter_.graph().is_output(packed);
    return heads;
  }

  static bool is_tail(const Shape& tail, const Shape& whole) {
    for (int axis = 0; axis < tail.rank(); ++axis) {
      if (!same_dim(tail[axis], whole[axis + 1])) return false;
    }
    return true;
  }

  /// Which entry of axis 0 a value of one entry is; -1 from the end, and out of range when it cannot be told.
  static int64_t slab_index(const Value& slab) {
    constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
    const Node* node = slab.producer();
    if (node == nullptr) return kNone;
    if (node->is("Split")) {
      const bool is_even = dim_of(node->input(0), 0) == node->output_count();
      return axis_of(*node, 0, 5) == 0 && is_even ? slab.producer_index() : kNone;
    }
    if (!node->is("Slice") || node->version < 10) return kNone;
    const auto starts = constant_integers(node->input(1));
    const auto axes = constant_integers(node->input(3));
    const auto steps = node->input(4) == nullptr ? std::vector<int64_t>{1} : constant_integers(node->input(4));
    if (!starts || starts->size() != 1 || !axes || *axes != std::vector<int64_t>{0} || !steps ||
        *steps != std::vector<int64_t>{1}) {
      return kNone;
    }
    return starts->front();
  }

  static bool are_consistent(const Heads& q, const Heads& k, const Heads& v) {
    return is_known(q.heads) && is_known(q.size) && is_known(v.size) && q.heads == k.heads && q.heads == v.heads &&
           q.size == k.size && same_dim(q.batch, k.batch) && same_dim(k.batch, v.batch);
  }

  /// The mask broadcasts to the scores [batch, heads, queries, keys] as far as can be told. Where it cannot (the batch
  /// of the mask and of the tokens are different symbols) the operator checks: a feed whose mask would make the scores
  /// larger, such as many masks for one sequence, is refused there.
  static bool fits(const Value& mask, const Heads& q, const Heads& k) {
    if (!is_float(&mask) || !mask.shape || mask.shape->rank() > 4) return false;
    const int64_t scores[] = {q.batch, q.heads, q.sequence, k.sequence};
    const int missing = 4 - mask.shape->rank();
    for (int axis = 0; axis < mask.shape->rank(); ++axis) {
      const int64_t have = (*mask.shape)[axis];
      const int64_t wanted = scores[axis + missing];
      if (have != 1 && is_known(have) && is_known(wanted) && have != wanted) return false;
    }
    return true;
  }

  /// Only a Reshape reads the result, one that does not need to see the heads as an axis.
  bool is_joined(const Node& root) const {
    if (!rewriter_.used_once(root.output(0))) return false;
    const Node* reshape = root.output(0)->users().front();
    const auto target = reshape->is("Reshape") ? constant_integers(reshape->input(1)) : std::nullopt;
    if (!target || reshape->input(0) != root.output(0)) return false;
    return std::find(target->begin() + std::min<std::ptrdiff_t>(2, std::ssize(*target)), target->end(), 0) ==
           target->end();
  }

  Value* tensor_of(const Heads& heads) {
    if (heads.parts == 1) return heads.tensor;
    auto entry = parts_.find(heads.tensor);
    if (entry == parts_.end()) entry = parts_.emplace(heads.tensor, unpack(heads)).first;
    return entry->second[static_cast<size_t>(heads.part)];
  }

  /// The parts of a packed projection: products of their own where the weights can be cut, else copies.
  std::vector<Value*> unpack(const Heads& heads) {
    const int64_t width = heads.heads * heads.size;
    std::vector<Value*> parts;
    for (int64_t i = 0; i < heads.parts; ++i) {
      parts.push_back(rewriter_.graph().add_value({}, DataType::kFloat, Shape{heads.batch, heads.sequence, width}));
    }
    if (heads.is_packed_alone && split_projection(*heads.tensor, width, parts)) return parts;
    Attributes attributes;
    attributes.set("axis", int64_t{2});
    Value* sizes = rewriter_.graph().add_constant(Tensor::from_values<int64_t>(
        Shape{heads.parts}, std::vector<int64_t>(static_cast<size_t>(heads.parts), width)));
    rewriter_.add_node({"Split", "", 13, {heads.tensor, sizes}, std::move(attributes)}, parts);
    return parts;
  }

  /// MatMul, then perhaps Add, with constant weights [k, parts * width]: one product for each part.
  bool split_projection(const Value& joined, int64_t width, const std::vector<Value*>& parts) {
    const Node* add = producer_of(&joined, "Add");
    const Node* product = producer_of(&joined, "MatMul");
    const Value* bias = nullptr;
    if (add != nullptr) {
      const int side = producer_of(add->input(0), "MatMul") != nullptr ? 0 : 1;
      product = producer_of(add->input(side), "MatMul");
      bias = add->input(1 - side);
      if (product == nullptr || !rewriter_.used_once(add->input(side)) || !constant_floats(bias)) return false;
      if (bias->constant.shape().rank() != 1) return false;
    }
    if (product == nullptr || !constant_floats(product->input(1))) return false;
    const Tensor& weights = product->input(1)->constant;
    const int64_t total = width * static_cast<int64_t>(parts.size());
    if (weights.shape().rank() != 2 || weights.shape()[1] != total) return false;
    if (bias != nullptr && bias->constant.elements() != total) return false;
    Graph& graph = rewriter_.graph();
    for (size_t i = 0; i < parts.size(); ++i) {
      const int64_t from = static_cast<int64_t>(i) * width;
      Value* columns = graph.add_constant(cut_columns(weights, from, width));
      Value* result = bias == nullptr ? parts[i] : graph.add_value({}, parts[i]->type, parts[i]->shape);
      rewriter_.add_node({"MatMul", "", product->version, {product->input(0), columns}, {}, product->name}, {result});
      if (bias == nullptr) continue;
      Value* own = graph.add_constant(cut_columns(bias->constant, from, width));
      rewriter_.add_node({"Add", "", add->version, {result, own}, {}, add->name}, {parts[i]});
    }
    return true;
  }

  /// Columns [from, from + width) of a matrix or a vector.
  static Tensor cut_columns(const Tensor& tensor, int64_t from, int64_t width) {
    Shape shape = tensor.shape();
    const int64_t total = shape[shape.rank() - 1];
    const int64_t rows = tensor.elements() / total;
    shape[shape.rank() - 1] = width;
    Tensor cut = Tensor::allocate(DataType::kFloat, shape);
    const auto* source = static_cast<const std::byte*>(tensor.raw());
    auto* target = static_cast<std::byte*>(cut.raw());
    const size_t row_bytes = static_cast<size_t>(width) * sizeof(float);
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(target + static_cast<size_t>(row) * row_bytes,
                  source + static_cast<size_t>(row * total + from) * sizeof(float), row_bytes);
    }
    return cut;
  }

  Rewriter& rewriter_;
  std::map<const Value*, std::vector<Value*>> parts_;
};

}  // namespace

void fuse_attention(Rewriter& rewriter) {
  static const Pattern kPattern =
      op("Transpose", {op("MatMul", {op("Softmax", {any("scores")}).as("softmax"), any("v")})});
  AttentionFuser fuser(rewriter);
  rewriter.for_each_node([&](Node& node) {
    if (const auto match = kPattern.match(rewriter.graph(), node)) fuser.fuse(node, *match);
  });
  // Without the sum of scores and mask, whose dimensions could only be invented, those of the whole model are known.
  if (rewriter.changes() > 0) rewriter.want_inference();
}

}  // namespace attune::optimize
