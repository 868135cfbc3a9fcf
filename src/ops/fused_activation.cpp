#include "ops/fused_activation.h"

#include <fmt/format.h>

#include <limits>
#include <string>

#include "attune/error.h"

namespace attune::ops {
namespace {

using Kind = kernels::Activation::Kind;

struct NamedActivation {
  std::string_view name;
  kernels::Activation activation;
};

constexpr float kLargest = std::numeric_limits<float>::max();

constexpr NamedActivation kActivations[] = {
    {"", {Kind::kNone, 0.0F, 0.0F}},
    {"Relu", {Kind::kRelu, 0.0F, 0.0F}},
    {"Clip", {Kind::kClip, -kLargest, kLargest}},
    {"LeakyRelu", {Kind::kLeakyRelu, 0.01F, 0.0F}},
    {"HardSigmoid", {Kind::kHardSigmoid, 0.2F, 0.5F}},
    {"HardSwish", {Kind::kHardSwish, 1.0F / 6.0F, 0.5F}},
    {"Sigmoid", {Kind::kSigmoid, 0.0F, 0.0F}},
    {"Swish", {Kind::kSilu, 1.0F, 0.0F}},
    {"Tanh", {Kind::kTanh, 0.0F, 0.0F}},
    {"Gelu", {Kind::kGelu, 0.0F, 0.0F}},
    {"GeluTanh", {Kind::kGeluTanh, 0.0F, 0.0F}},
    {"Elu", {Kind::kElu, 1.0F, 0.0F}},
    {"Mish", {Kind::kMish, 0.0F, 0.0F}},
};

}  // namespace

kernels::Activation parse_activation(const Node& node) {
  const std::string name = node.attributes.get_string("activation", "");
  for (const NamedActivation& entry : kActivations) {
    if (entry.name != name) continue;
    kernels::Activation activation = entry.activation;
    activation.alpha = node.attributes.get_float("activation_alpha", activation.alpha);
    activation.beta = node.attributes.get_float("activation_beta", activation.beta);
    return activation;
  }
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown activation '{}'.", name));
}

}  // namespace attune::ops
