#include "plan/conv_chains.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "ops/conv_chain.h"
#include "ops/conv_layer.h"
#include "ops/conv_pool.h"
#include "plan/subprogram.h"

namespace attune {
namespace {

using kernels::ConvKernel;
using ops::ConvLayer;

constexpr int kNoStep = -1;

/// Finds steps to join; each step is in one group at the most. Groups are positions of steps, first to last.
class Finder {
 public:
  explicit Finder(const Program& program)
      : program_(program), maker_(program.values.size(), kNoStep), is_taken_(program.steps.size(), false) {
    for (size_t i = 0; i < program.steps.size(); ++i) {
      for (const int output : program.steps[i].outputs) {
        if (output != kNoValue) maker_[static_cast<size_t>(output)] = static_cast<int>(i);
      }
      const auto* conv = dynamic_cast<const ops::IsConvLayer*>(program.steps[i].op.get());
      layers_.push_back(conv != nullptr ? conv->layer() : ConvLayer{});
    }
  }

  std::vector<std::vector<int>> find_chains() {
    std::vector<std::vector<int>> chains;
    for (int i = 0; i < step_count(); ++i) {
      if (!has_kernel(i, ConvKernel::kPointwise) || !is_blocked(output(i))) continue;
      if (input(i, kChainResidual) != kNoValue && !is_blocked(input(i, kChainResidual))) continue;
      const int depthwise = layer_before(i);
      if (depthwise == kNoStep || !has_kernel(depthwise, ConvKernel::kDepthwise) || has_residual(depthwise)) continue;
      if (take(depthwise) && take(i)) chains.push_back({depthwise, i});
    }
    for (std::vector<int>& chain : chains) {
      const int widening = layer_before(chain.front());
      if (widening == kNoStep || has_residual(widening)) continue;
      const kernels::ConvShape& shape = layers_[static_cast<size_t>(widening)].shape;
      const bool is_simple = has_kernel(widening, ConvKernel::kPointwise) || has_kernel(widening, ConvKernel::kStem);
      if (!is_simple || shape.out_channels < shape.in_channels || !take(widening)) continue;
      chain.insert(chain.begin(), widening);
    }
    return chains;
  }

  /// Pairs of a convolution and a pooling.
  std::vector<std::vector<int>> find_poolings() {
    std::vector<std::vector<int>> pairs;
    for (int i = 0; i < step_count(); ++i) {
      const auto* pool = dynamic_cast<const ops::IsPoolLayer*>(program_.steps[static_cast<size_t>(i)].op.get());
      if (pool == nullptr || !pool->has_layer() || !is_blocked(output(i))) continue;
      const int conv = layer_before(i);
      if (conv == kNoStep || (has_residual(conv) && !is_blocked(input(conv, kChainResidual)))) continue;
      if (take(conv) && take(i)) pairs.push_back({conv, i});
    }
    return pairs;
  }

 private:
  int step_count() const { return static_cast<int>(program_.steps.size()); }

  bool take(int step) {
    const bool is_free = !is_taken_[static_cast<size_t>(step)];
    is_taken_[static_cast<size_t>(step)] = true;
    return is_free;
  }

  bool has_kernel(int step, ConvKernel kernel) const {
    const ConvLayer& layer = layers_[static_cast<size_t>(step)];
    return layer.packed != nullptr && layer.kernel == kernel;
  }

  int input(int step, int i) const {
    const std::vector<int>& inputs = program_.steps[static_cast<size_t>(step)].inputs;
    return i < static_cast<int>(inputs.size()) ? inputs[static_cast<size_t>(i)] : kNoValue;
  }
  int output(int step) const { return program_.steps[static_cast<size_t>(step)].outputs[0]; }
  bool has_residual(int step) const { return input(step, kChainResidual) != kNoValue; }

  Layout layout(int value) const { return program_.values[static_cast<size_t>(value)].layout; }
  bool is_blocked(int value) const { return layout(value) == Layout::kBlocked; }

  /// The convolution that gives input 0, blocked, to this step alone, and reads its own input as it lies; kNoStep where
  /// there is none.
  int layer_before(int step) const {
    const int value = input(step, 0);
    const int maker = maker_[static_cast<size_t>(value)];
    if (maker == kNoStep || program_.values[static_cast<size_t>(value)].uses != 1 || !is_blocked(value)) return kNoStep;
    const ConvLayer& layer = layers_[static_cast<size_t>(maker)];
    if (layer.packed == nullptr) return kNoStep;
    return ops::image_layout(layout(input(maker, 0))) == kernels::conv_input_layout(layer.kernel) ? maker : kNoStep;
  }

  const Program& program_;
  std::vector<int> maker_;         // by value: the step that gives it
  std::vector<bool> is_taken_;     // by step
  std::vector<ConvLayer> layers_;  // by step; packed is null where it is no convolution for chains
};

/// A step in the place of a group, which gives what the last of them gave and reads what the first read; the operator
/// is still to be made of theirs.
Step start_joining(Program& program, const std::vector<int>& group, std::string_view op_type) {
  const Step& last = program.steps[static_cast<size_t>(group.back())];
  Step joined;
  joined.op_type = op_type;
  joined.domain = "attune";
  joined.def = last.def;  // which says whose memory may be taken over
  joined.flushes_denormals = true;
  joined.inputs = last.inputs;
  joined.inputs[0] = program.steps[static_cast<size_t>(group.front())].inputs[0];
  joined.outputs = last.outputs;
  for (const int position : group) {
    const Step& step = program.steps[static_cast<size_t>(position)];
    joined.name += fmt::format("{}{}", joined.name.empty() ? "" : "+", step.name);
    if (position != group.back()) program.values[static_cast<size_t>(step.outputs[0])].uses = 0;
  }
  return joined;
}

void join_chain(Program& program, const std::vector<int>& chain) {
  const int count = static_cast<int>(chain.size());
  Step joined = start_joining(program, chain, "ConvChain");
  joined.inputs.resize(static_cast<size_t>(chain_weights(count - 2, count) + 2), kNoValue);
  std::vector<std::unique_ptr<Operator>> layers;
  for (int k = 0; k < count; ++k) {
    Step& step = program.steps[static_cast<size_t>(chain[static_cast<size_t>(k)])];
    layers.push_back(std::move(step.op));
    if (k + 1 == count) break;
    const auto place = static_cast<size_t>(chain_weights(k, count));
    for (size_t i = 1; i < std::min<size_t>(step.inputs.size(), 3); ++i) joined.inputs[place + i - 1] = step.inputs[i];
  }
  joined.op = make_conv_chain(std::move(layers));
  program.most_inputs = std::max(program.most_inputs, joined.inputs.size());
  program.steps[static_cast<size_t>(chain.back())] = std::move(joined);
}

void join_pooling(Program& program, const std::vector<int>& pair) {
  Step joined = start_joining(program, pair, "ConvPool");
  Step& conv = program.steps[static_cast<size_t>(pair.front())];
  Step& pool = program.steps[static_cast<size_t>(pair.back())];
  joined.inputs = conv.inputs;
  joined.op = make_conv_pool(std::move(conv.op), std::move(pool.op));
  pool = std::move(joined);
}

}  // namespace

void chain_convolutions(Program& program) {
  for (Step& step : program.steps) {
    for (const std::shared_ptr<Subprogram>& subprogram : step.subprograms) chain_convolutions(subprogram->program);
  }
  Finder finder(program);
  const std::vector<std::vector<int>> chains = finder.find_chains();
  const std::vector<std::vector<int>> poolings = finder.find_poolings();
  for (const std::vector<int>& chain : chains) join_chain(program, chain);
  for (const std::vector<int>& pair : poolings) join_pooling(program, pair);
  // The others have given away their operators.
  std::erase_if(program.steps, [](const Step& step) { return step.op == nullptr; });
}

}  // namespace attune
