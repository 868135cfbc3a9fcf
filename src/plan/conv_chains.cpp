#include "plan/conv_chains.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "ops/conv_chain.h"
#include "ops/conv_layer.h"
#include "plan/subprogram.h"

namespace attune {
namespace {

using kernels::ConvKernel;
using ops::ConvLayer;

constexpr int kNoStep = -1;

class ChainFinder {
 public:
  explicit ChainFinder(Program& program) : program_(program), maker_(program.values.size(), kNoStep) {
    for (size_t i = 0; i < program.steps.size(); ++i) {
      for (const int output : program.steps[i].outputs) {
        if (output != kNoValue) maker_[static_cast<size_t>(output)] = static_cast<int>(i);
      }
      const auto* conv = dynamic_cast<const ops::IsConvLayer*>(program.steps[i].op.get());
      layers_.push_back(conv != nullptr ? conv->layer() : ConvLayer{});
    }
  }

  /// Positions of steps, first to last.
  std::vector<std::vector<int>> find() {
    std::vector<std::vector<int>> chains;
    std::vector<bool> is_taken(program_.steps.size(), false);
    const auto is_free = [&](int step) { return step != kNoStep && !is_taken[static_cast<size_t>(step)]; };
    for (int i = 0; i < static_cast<int>(program_.steps.size()); ++i) {
      if (!has_kernel(i, ConvKernel::kPointwise) || !is_blocked(input(i, kChainResidual))) continue;
      const int depthwise = layer_before(i);
      if (!is_free(depthwise) || !has_kernel(depthwise, ConvKernel::kDepthwise)) continue;
      is_taken[static_cast<size_t>(depthwise)] = is_taken[static_cast<size_t>(i)] = true;
      chains.push_back({depthwise, i});
    }
    for (std::vector<int>& chain : chains) {
      const int widening = layer_before(chain.front());
      if (!is_free(widening)) continue;
      const kernels::ConvShape& shape = layers_[static_cast<size_t>(widening)].shape;
      const bool is_row_by_row =
          has_kernel(widening, ConvKernel::kPointwise) || has_kernel(widening, ConvKernel::kStem);
      if (!is_row_by_row || shape.out_channels < shape.in_channels) continue;
      is_taken[static_cast<size_t>(widening)] = true;
      chain.insert(chain.begin(), widening);
    }
    return chains;
  }

 private:
  bool has_kernel(int step, ConvKernel kernel) const {
    const ConvLayer& layer = layers_[static_cast<size_t>(step)];
    return layer.packed != nullptr && layer.kernel == kernel;
  }

  int input(int step, int i) const {
    const std::vector<int>& inputs = program_.steps[static_cast<size_t>(step)].inputs;
    return i < static_cast<int>(inputs.size()) ? inputs[static_cast<size_t>(i)] : kNoValue;
  }

  bool is_blocked(int value) const {
    return value == kNoValue || program_.values[static_cast<size_t>(value)].layout == Layout::kBlocked;
  }

  /// The convolution whose result this step alone reads, if it has no residual; kNoStep otherwise.
  int layer_before(int step) const {
    const int value = input(step, 0);
    const int maker = maker_[static_cast<size_t>(value)];
    if (maker == kNoStep || layers_[static_cast<size_t>(maker)].packed == nullptr) return kNoStep;
    const bool fits = program_.values[static_cast<size_t>(value)].uses == 1 && is_blocked(value);
    return fits && input(maker, kChainResidual) == kNoValue ? maker : kNoStep;
  }

  Program& program_;
  std::vector<int> maker_;         // by value: the step that gives it
  std::vector<ConvLayer> layers_;  // by step; packed is null where it is no convolution for chains
};

/// Moves the steps' operators into one.
Step join(Program& program, const std::vector<int>& chain) {
  const int count = static_cast<int>(chain.size());
  Step& last = program.steps[static_cast<size_t>(chain.back())];
  Step joined;
  joined.op_type = "ConvChain";
  joined.domain = "attune";
  joined.def = last.def;  // which says that the residual's memory may be taken over
  joined.flushes_denormals = last.flushes_denormals;
  joined.inputs = last.inputs;
  joined.inputs.resize(static_cast<size_t>(chain_weights(count - 2, count) + 2), kNoValue);
  joined.outputs = last.outputs;
  joined.inputs[0] = program.steps[static_cast<size_t>(chain.front())].inputs[0];
  std::vector<std::unique_ptr<Operator>> layers;
  for (int k = 0; k < count; ++k) {
    Step& step = program.steps[static_cast<size_t>(chain[static_cast<size_t>(k)])];
    joined.name += fmt::format("{}{}", k == 0 ? "" : "+", step.name);
    layers.push_back(std::move(step.op));
    if (k + 1 == count) break;
    const auto place = static_cast<size_t>(chain_weights(k, count));
    for (size_t i = 1; i < std::min<size_t>(step.inputs.size(), 3); ++i) joined.inputs[place + i - 1] = step.inputs[i];
    program.values[static_cast<size_t>(step.outputs[0])].uses = 0;
  }
  joined.op = make_conv_chain(std::move(layers));
  program.most_inputs = std::max(program.most_inputs, joined.inputs.size());
  return joined;
}

}  // namespace

void chain_convolutions(Program& program) {
  for (Step& step : program.steps) {
    for (const std::shared_ptr<Subprogram>& subprogram : step.subprograms) chain_convolutions(subprogram->program);
  }
  const std::vector<std::vector<int>> chains = ChainFinder(program).find();
  for (const std::vector<int>& chain : chains) {
    program.steps[static_cast<size_t>(chain.back())] = join(program, chain);
  }
  // The others have given away their operators.
  std::erase_if(program.steps, [](const Step& step) { return step.op == nullptr; });
}

}  // namespace attune
