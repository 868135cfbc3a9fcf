// Types and shapes for a whole graph, by asking each node's operator.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "ops/operator.h"

namespace attune {

/// What a graph value tells an operator's inference.
ValueInfo value_info(const Value& value);

/// Runs one operator's inference on what the graph knows of its inputs and stores what it finds in the node's output
/// values. A shape that the model states and one that is inferred are merged, the known dimension winning. Throws
/// Error naming the node when they, or the inputs, contradict each other.
void infer_node(Graph& graph, const Node& node, const Operator& op);

/// Infers a node's subgraph from what is known of all its inputs, the captured ones included, and returns what is known
/// of its outputs. Nodes whose operators do not exist are skipped. Throws Error for another number of inputs, or other
/// types than the subgraph states.
std::vector<ValueInfo> infer_subgraph(Graph& graph, std::span<const ValueInfo> inputs);

/// infer_node for every node of a sorted graph. Throws for operators that do not exist.
void infer_graph(Graph& graph);

}  // namespace attune
