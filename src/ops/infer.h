// Types and shapes for a whole graph, by asking each node's operator.
#pragma once

#include <memory>

#include "graph/graph.h"
#include "ops/operator.h"

namespace attune {

/// What a graph value tells an operator's inference.
ValueInfo value_info(const Value& value);

/// Runs one operator's inference on what the graph knows of its inputs and stores what it finds in the node's output
/// values. A shape that the model states and one that is inferred are merged, the known dimension winning. Throws
/// Error naming the node when they, or the inputs, contradict each other.
void infer_node(Graph& graph, const Node& node, const Operator& op);

/// infer_node for every node of a sorted graph. Throws for operators that do not exist.
void infer_graph(Graph& graph);

}  // namespace attune
