#include "optimize/standardize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "ops/scaled_weights.h"
#include "optimize/facts.h"

namespace attune {
namespace {

using Inputs = std::vector<Value*>;
using AttributeList = std::initializer_list<std::pair<std::string_view, AttributeValue>>;

/// The first opsets of operators that passes make though the model's may be older, with the same meaning since.
struct NewerOperator {
  std::string_view name;
  int since;
};
constexpr NewerOperator kSpelledOut[] = {{"Gelu", 20}, {"HardSwish", 14}, {"LayerNormalization", 17},
                                         {"Mish", 18}, {"Softmax", 13},   {"Squeeze", 13},
                                         {"Swish", 24}};

/// Older element-wise operators broadcast on request only, and differently.
constexpr int kBroadcasting = 7;

class Standardizer {
 public:
  Standardizer(const Graph& from, bool is_subgraph) : from_(from), is_subgraph_(is_subgraph) {
    const auto opset = from.opsets.find("");
    opset_ = opset == from.opsets.end() ? 1 : opset->second;
    to_.metadata = from.metadata;
    to_.opsets = from.opsets;
    to_.opsets.erase("attune");
    to_.mappings = from.mappings;
    to_.symbols = from.symbols;
  }

  Graph run() {
    copy_values();
    for (const auto& node : from_.nodes()) add(*node);
    add_outputs();
    return std::move(to_);
  }

 private:
  /// All values first, so that names made up later are free of conflicts. A node's result that is an output takes the
  /// output's name: in the optimized graph it may have kept that of a node which is gone.
  void copy_values() {
    std::set<std::string, std::less<>> reserved;
    std::unordered_map<const Value*, std::string> renamed;
    for (const GraphOutput& output : from_.outputs()) {
      reserved.insert(output.name);
      if (output.value->producer() != nullptr) renamed.try_emplace(output.value, output.name);
    }
    std::vector<const Value*> nameless;
    for (const Value* value : from_.values()) {
      const auto found = renamed.find(value);
      if (found != renamed.end()) {
        copy_value(*value, found->second);
      } else if (reserved.contains(value->name) && value->producer() != nullptr) {
        nameless.push_back(value);
      } else {
        copy_value(*value, value->name);
      }
    }
    for (const Value* value : nameless) copy_value(*value, {});
    for (const Value* input : from_.inputs()) to_.add_input(copies_.at(input));
    for (const Value* value : from_.overridable()) to_.add_overridable(copies_.at(value));
  }

  void copy_value(const Value& value, std::string_view name) {
    Value* copy = to_.add_value(name, value.type, value.shape);
    copy->kind = value.kind;
    if (value.producer() == nullptr) copy->constant = value.constant;
    copies_.emplace(&value, copy);
  }

  void add_outputs() {
    for (const GraphOutput& output : from_.outputs()) {
      Value* value = copies_.at(output.value);
      // What a subgraph gives must be its own nodes' results, each given once, under any name.
      const bool is_result = value->producer() != nullptr && !to_.is_output(value);
      if (is_subgraph_ ? !is_result : value->name != output.name) {
        const bool is_free = to_.find_value(output.name) == nullptr;
        Value* named = to_.add_value(is_free ? output.name : std::string(), value->type, value->shape);
        named->kind = value->kind;
        to_.add_node("Identity", {value}, {named}, free_name(output.name + "_alias"));
        value = named;
      }
      to_.add_output(value, is_subgraph_ ? value->name : output.name, output.stated_shape);
    }
  }

  void add(const Node& node) {
    Inputs inputs;
    for (const Value* input : node.inputs()) inputs.push_back(input == nullptr ? nullptr : copies_.at(input));
    std::vector<Value*> outputs;
    for (const Value* output : node.outputs()) outputs.push_back(output == nullptr ? nullptr : copies_.at(output));
    source_ = &node;
    if (const Tensor factors = node.attributes.get_tensor(ops::kWeightFactors)) {
      SerialParallel serial;
      inputs[1] = to_.add_constant(ops::scale_rows(inputs[1]->constant, factors, serial));
    }
    if (node.domain == "attune") return add_fused(node, inputs, outputs);
    const auto* newer = std::find_if(std::begin(kSpelledOut), std::end(kSpelledOut),
                                     [&](const NewerOperator& op) { return node.is(op.name); });
    if (newer != std::end(kSpelledOut) && node.version >= newer->since && opset_ < newer->since) {
      return add_newer(node, inputs, outputs[0]);
    }
    Node* copy = to_.add_node(node.op_type, std::move(inputs), std::move(outputs), free_name(node.name), node.domain);
    copy->attributes = node.attributes;
    copy->attributes.erase(ops::kWeightFactors);
    for (const Attributes::Entry& entry : node.attributes.entries()) {
      const auto* body = std::get_if<std::shared_ptr<Graph>>(&entry.value);
      if (body == nullptr) continue;
      copy->attributes.set(entry.name, std::make_shared<Graph>(Standardizer(**body, true).run()));
    }
    to_.set_captured(copy, node.captured());
  }

  void add_fused(const Node& node, const Inputs& inputs, const std::vector<Value*>& outputs) {
    if (node.op_type == "FusedConv" || node.op_type == "FusedConvTranspose") {
      const bool sums = inputs.size() > 3 && inputs[3] != nullptr;
      const Stages stages{.residual = sums ? inputs[3] : nullptr, .result = outputs[0]};
      Inputs layer(inputs.begin(), inputs.begin() + static_cast<ptrdiff_t>(std::min<size_t>(inputs.size(), 3)));
      while (layer.back() == nullptr) layer.pop_back();
      Attributes attributes = node.attributes;
      for (const char* name : {"activation", "activation_alpha", "activation_beta"}) attributes.erase(name);
      attributes.erase(ops::kWeightFactors);
      Value* sum = emit(node.op_type.substr(5), std::move(layer), stages.is_last(node, 0) ? stages.result : nullptr);
      last_->attributes = std::move(attributes);
      return finish(node, sum, stages);
    }
    if (node.op_type == "FusedMatMul") return add_product(node, inputs, outputs[0]);
    if (node.op_type == "FusedAttention") return add_attention(node, inputs, outputs[0]);
    if (node.op_type == "ChannelShuffle") return add_channel_shuffle(node, inputs[0], outputs[0]);
    if (node.op_type == "SkipLayerNormalization") {
      Value* sum = emit("Add", {inputs[0], inputs[1]}, outputs.size() > 1 ? outputs[1] : nullptr);
      return add_layer_normalization(node, {sum, inputs[2], inputs.size() > 3 ? inputs[3] : nullptr}, outputs[0]);
    }
    throw_unknown(node);
  }

  void add_newer(const Node& node, const Inputs& inputs, Value* result) {
    if (node.is("LayerNormalization")) return add_layer_normalization(node, inputs, result);
    if (node.is("Softmax")) return add_softmax(node, inputs[0], result);
    if (node.is("Squeeze")) {
      const std::span<const int64_t> axes = inputs[1]->constant.values<int64_t>();
      emit("Squeeze", {inputs[0]}, result, {{"axes", std::vector<int64_t>(axes.begin(), axes.end())}});
      return;
    }
    std::string name = node.op_type;
    if (node.is("Gelu") && node.attributes.get_string("approximate", "none") == "tanh") name = "GeluTanh";
    add_activation(name, node.attributes.get_float("alpha", 1.0F), 0.0F, inputs[0], result);
  }

  /// What follows a fused layer: a residual sum, an activation.
  struct Stages {
    Value* residual = nullptr;
    Value* result = nullptr;
    /// Nothing comes after stage 0, the layer itself, or 1, the sum.
    bool is_last(const Node& node, int stage) const {
      return !node.attributes.has("activation") && (stage == 1 || residual == nullptr);
    }
  };

  void finish(const Node& node, Value* value, const Stages& stages) {
    if (stages.residual != nullptr) {
      value = emit("Add", {value, stages.residual}, stages.is_last(node, 1) ? stages.result : nullptr);
    }
    if (!node.attributes.has("activation")) return;
    add_activation(node.attributes.get_string("activation", ""), node.attributes.get_float("activation_alpha", 0.0F),
                   node.attributes.get_float("activation_beta", 0.0F), value, stages.result);
  }

  /// activation(scale * A B + bias + residual). Gemm where both are matrices: it takes transposes, scale and bias.
  void add_product(const Node& node, const Inputs& inputs, Value* result) {
    const auto input = [&](size_t i) { return i < inputs.size() ? inputs[i] : nullptr; };
    const bool trans_a = node.attributes.get_int("trans_a", 0) != 0;
    const bool trans_b = node.attributes.get_int("trans_b", 0) != 0;
    const float scale = node.attributes.get_float("scale", 1.0F);
    const Stages stages{.residual = input(3), .result = result};
    const bool matrices = optimize::rank_of(inputs[0]) == 2 && optimize::rank_of(inputs[1]) == 2;
    if (matrices && (input(2) != nullptr || trans_a || trans_b || scale != 1.0F) &&
        (input(2) != nullptr || opset_ >= 11)) {
      Inputs gemm{inputs[0], inputs[1]};
      if (input(2) != nullptr) gemm.push_back(input(2));
      Value* product = emit("Gemm", std::move(gemm), stages.is_last(node, 0) ? result : nullptr,
                            {{"alpha", scale}, {"transA", int64_t{trans_a}}, {"transB", int64_t{trans_b}}});
      return finish(node, product, stages);
    }
    Value* a = trans_a ? swap_last_axes(inputs[0]) : inputs[0];
    Value* b = trans_b ? swap_last_axes(inputs[1]) : inputs[1];
    const bool scales = scale != 1.0F;
    const bool is_last = stages.is_last(node, 0);
    Value* product = emit("MatMul", {a, b}, is_last && !scales && input(2) == nullptr ? result : nullptr);
    if (scales) {
      product = emit("Mul", {product, scalar(scale)}, is_last && input(2) == nullptr ? result : nullptr);
    }
    if (input(2) != nullptr) product = emit("Add", {product, input(2)}, is_last ? result : nullptr);
    finish(node, product, stages);
  }

  Value* swap_last_axes(Value* value) {
    const int rank = optimize::rank_of(value);
    if (rank < 2) throw_unknown(*source_);
    std::vector<int64_t> perm(static_cast<size_t>(rank));
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    return emit("Transpose", {value}, nullptr, {{"perm", perm}});
  }

  void add_channel_shuffle(const Node& node, Value* x, Value* result) {
    const int64_t groups = node.attributes.require_int("groups");
    const int64_t channels = optimize::dim_of(x, 1);
    if (!is_known(channels)) throw_unknown(node);
    std::vector<int64_t> sources;
    for (int64_t c = 0; c < channels; ++c) sources.push_back(c % groups * (channels / groups) + c / groups);
    Value* indices = to_.add_constant(Tensor::from_values<int64_t>(Shape{channels}, sources));
    emit("Gather", {x, indices}, result, {{"axis", int64_t{1}}});
  }

  /// softmax(scale * Q K^T + mask) V for each head, of projections [batch, sequence, heads * size] or [batch, sequence,
  /// heads, size].
  void add_attention(const Node& node, const Inputs& inputs, Value* result) {
    const int64_t heads = node.attributes.require_int("num_heads");
    const auto split = [&](Value* value, const std::vector<int64_t>& perm) {
      Value* parts = optimize::rank_of(value) == 4 ? value : emit("Reshape", {value, integers({0, 0, heads, -1})});
      return emit("Transpose", {parts}, nullptr, {{"perm", perm}});
    };
    Value* q = split(inputs[0], {0, 2, 1, 3});
    Value* k = split(inputs[1], {0, 2, 3, 1});
    Value* v = split(inputs[2], {0, 2, 1, 3});
    Value* scores = emit("Mul", {emit("MatMul", {q, k}), scalar(node.attributes.get_float("scale", 1.0F))});
    if (inputs.size() > 3 && inputs[3] != nullptr) scores = emit("Add", {scores, inputs[3]});
    Value* weights = emit("Softmax", {scores}, nullptr, {{"axis", int64_t{3}}});
    Value* joined =
        emit("Transpose", {emit("MatMul", {weights, v})}, nullptr, {{"perm", std::vector<int64_t>{0, 2, 1, 3}}});
    emit("Reshape", {joined, integers({0, 0, -1})}, result);
  }

  /// Over the last axis, which is what passes make.
  void add_layer_normalization(const Node& node, const Inputs& inputs, Value* result) {
    const float epsilon = node.attributes.get_float("epsilon", 1e-5F);
    Value* bias = inputs.size() > 2 ? inputs[2] : nullptr;
    if (opset_ >= 17) {
      Inputs known = {inputs[0], inputs[1]};
      if (bias != nullptr) known.push_back(bias);
      emit("LayerNormalization", std::move(known), result, {{"axis", int64_t{-1}}, {"epsilon", epsilon}});
      return;
    }
    const auto mean = [&](Value* value) {
      return emit("ReduceMean", {value}, nullptr, {{"axes", std::vector<int64_t>{-1}}, {"keepdims", int64_t{1}}});
    };
    Value* centered = emit("Sub", {inputs[0], mean(inputs[0])});
    Value* variance = mean(emit("Mul", {centered, centered}));
    Value* deviation = emit("Sqrt", {emit("Add", {variance, scalar(epsilon)})});
    Value* normalized = emit("Div", {centered, deviation});
    Value* scaled = emit("Mul", {normalized, inputs[1]}, bias == nullptr ? result : nullptr);
    if (bias != nullptr) emit("Add", {scaled, bias}, result);
  }

  /// Before opset 13 Softmax was over all axes from `axis` on: the last one means the same.
  void add_softmax(const Node& node, Value* x, Value* result) {
    const int rank = optimize::rank_of(x);
    const auto axis = optimize::axis_of(node, -1, rank);
    if (!axis) throw_unknown(node);
    if (*axis == rank - 1) {
      emit("Softmax", {x}, result, {{"axis", *axis}});
      return;
    }
    std::vector<int64_t> perm(static_cast<size_t>(rank));
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::swap(perm.back(), perm[static_cast<size_t>(*axis)]);
    Value* moved = emit("Transpose", {x}, nullptr, {{"perm", perm}});
    Value* softmax = emit("Softmax", {moved}, nullptr, {{"axis", int64_t{rank - 1}}});
    emit("Transpose", {softmax}, result, {{"perm", perm}});
  }

  /// `name` as attune's fused operators give it; alpha and beta as kernels/activation.h names them.
  void add_activation(const std::string& name, float alpha, float beta, Value* x, Value* result) {
    if (name == "Relu" || name == "Sigmoid" || name == "Tanh") {
      emit(name, {x}, result);
    } else if (name == "LeakyRelu" || name == "Elu") {
      emit(name, {x}, result, {{"alpha", alpha}});
    } else if (name == "HardSigmoid") {
      emit(name, {x}, result, {{"alpha", alpha}, {"beta", beta}});
    } else if (name == "Clip") {
      if (opset_ >= 11) {
        emit(name, {x, scalar(alpha), scalar(beta)}, result);
      } else {
        emit(name, {x}, result, {{"min", alpha}, {"max", beta}});
      }
    } else if (name == "HardSwish") {
      if (opset_ >= 14) {
        emit(name, {x}, result);
      } else {
        emit("Mul", {x, emit("HardSigmoid", {x}, nullptr, {{"alpha", 1.0F / 6.0F}, {"beta", 0.5F}})}, result);
      }
    } else if (name == "Swish") {
      Value* scaled = alpha == 1.0F ? x : emit("Mul", {x, scalar(alpha)});
      emit("Mul", {x, emit("Sigmoid", {scaled})}, result);
    } else if (name == "Mish") {
      emit("Mul", {x, emit("Tanh", {emit("Softplus", {x})})}, result);
    } else if (name == "Gelu" || name == "GeluTanh") {
      add_gelu(name == "GeluTanh", x, result);
    } else {
      throw_unknown(*source_);
    }
  }

  void add_gelu(bool approximate, Value* x, Value* result) {
    if (opset_ >= 20) {
      emit("Gelu", {x}, result, {{"approximate", std::string(approximate ? "tanh" : "none")}});
      return;
    }
    Value* bell = nullptr;
    if (approximate) {
      Value* cube = emit("Mul", {x, emit("Mul", {x, x})});
      Value* sum = emit("Add", {x, emit("Mul", {cube, scalar(0.044715F)})});
      bell = emit("Tanh", {emit("Mul", {sum, scalar(static_cast<float>(std::sqrt(2.0 / 3.14159265358979)))})});
    } else {
      bell = emit("Erf", {emit("Div", {x, scalar(static_cast<float>(std::sqrt(2.0)))})});
    }
    Value* product = emit("Mul", {x, emit("Add", {bell, scalar(1.0F)})});
    emit("Mul", {product, scalar(0.5F)}, result);
  }

  /// A node with one result, a new value unless `result` is given. Named after the node that it stands for.
  Value* emit(std::string_view op_type, Inputs inputs, Value* result = nullptr, AttributeList attributes = {}) {
    if (opset_ < kBroadcasting) throw_unknown(*source_);
    if (result == nullptr) result = to_.add_value({}, DataType::kFloat);
    last_ = to_.add_node(op_type, std::move(inputs), {result}, free_name(source_->name));
    for (const auto& [key, value] : attributes) last_->attributes.set(key, value);
    return result;
  }

  /// A name that no other node has, as onnxruntime demands: passes give a node's name to several.
  std::string free_name(const std::string& wanted) {
    if (wanted.empty()) return wanted;
    std::string name = wanted;
    for (int count = 1; !names_.insert(name).second; ++count) name = fmt::format("{}_{}", wanted, count);
    return name;
  }

  Value* scalar(float value) { return to_.add_constant(Tensor::scalar(value)); }
  Value* integers(std::initializer_list<int64_t> values) {
    return to_.add_constant(Tensor::from_values<int64_t>(Shape{static_cast<int64_t>(values.size())}, values));
  }

  [[noreturn]] void throw_unknown(const Node& node) const {
    throw Error(ErrorCode::kNotImplemented,
                fmt::format("{} cannot be written with the operators of opset {}.", node.describe(), opset_));
  }

  const Graph& from_;
  const bool is_subgraph_;
  Graph to_;
  int opset_ = 1;
  std::unordered_map<const Value*, Value*> copies_;
  std::unordered_set<std::string> names_;
  const Node* source_ = nullptr;  ///< What is being spelled out.
  Node* last_ = nullptr;          ///< What emit() has made last.
};

}  // namespace

Graph standardize(const Graph& graph) { return Standardizer(graph, false).run(); }

}  // namespace attune
