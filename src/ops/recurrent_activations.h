// The activations of RNN, GRU and LSTM as their attributes name them.
#pragma once

#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "kernels/recurrent_gates.h"

namespace attune::ops {

/// `count` functions: the attribute `activations`, or as many times `defaults` (names, a comma between two) as fit.
/// `activation_alpha` and `activation_beta` are used up by the functions that have such a parameter, in order. Throws
/// Error(kInvalidGraph) for unknown names and another number of them.
std::vector<kernels::GateFunction> parse_gate_functions(const Node& node, int count, std::string_view defaults);

}  // namespace attune::ops
