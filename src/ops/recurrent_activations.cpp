#include "ops/recurrent_activations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string>

#include "attune/error.h"

namespace attune::ops {
namespace {

using Kind = kernels::GateFunction::Kind;

struct Row {
  std::string_view name;  // in lower case: onnxruntime takes any
  Kind kind;
  bool has_alpha;
  bool has_beta;
  float alpha;
  float beta;
};

// The defaults where ONNX has none are onnxruntime's.
constexpr Row kRows[] = {
    {"sigmoid", Kind::kSigmoid, false, false, 0.0F, 0.0F},
    {"tanh", Kind::kTanh, false, false, 0.0F, 0.0F},
    {"relu", Kind::kRelu, false, false, 0.0F, 0.0F},
    {"affine", Kind::kAffine, true, true, 1.0F, 0.0F},
    {"leakyrelu", Kind::kLeakyRelu, true, false, 0.01F, 0.0F},
    {"thresholdedrelu", Kind::kThresholdedRelu, true, false, 1.0F, 0.0F},
    {"scaledtanh", Kind::kScaledTanh, true, true, 1.0F, 1.0F},
    {"hardsigmoid", Kind::kHardSigmoid, true, true, 0.2F, 0.5F},
    {"elu", Kind::kElu, true, false, 1.0F, 0.0F},
    {"softsign", Kind::kSoftsign, false, false, 0.0F, 0.0F},
    {"softplus", Kind::kSoftplus, false, false, 0.0F, 0.0F},
};

const Row& find_row(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == lower; });
  if (row == std::end(kRows)) throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown activation '{}'.", name));
  return *row;
}

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> parts;
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    parts.emplace_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return parts;
}

}  // namespace

std::vector<kernels::GateFunction> parse_gate_functions(const Node& node, int count, std::string_view defaults) {
  const auto listed = node.attributes.get_strings("activations");
  const std::vector<std::string> usual = split(defaults);
  if (!listed.empty() && static_cast<int>(listed.size()) != count) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("There are {} activations instead of {}.", listed.size(), count));
  }
  const auto alphas = node.attributes.get_floats("activation_alpha");
  const auto betas = node.attributes.get_floats("activation_beta");
  size_t next_alpha = 0;
  size_t next_beta = 0;
  std::vector<kernels::GateFunction> functions;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const Row& row = find_row(listed.empty() ? usual[i % usual.size()] : listed[i]);
    kernels::GateFunction function{row.kind, row.alpha, row.beta};
    if (row.has_alpha && next_alpha < alphas.size()) function.alpha = alphas[next_alpha++];
    if (row.has_beta && next_beta < betas.size()) function.beta = betas[next_beta++];
    functions.push_back(function);
  }
  return functions;
}

}  // namespace attune::ops
