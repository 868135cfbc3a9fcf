// Types and shapes while the graph changes.
#pragma once

#include "graph/graph.h"

namespace attune::optimize {

/// Infers every node of a sorted graph whose operator exists. Throws as infer_graph() does.
void infer_known(Graph& graph);

/// Infers one node again after its inputs became better known. Returns true when something new was found out of an
/// output. Invented symbols of outputs stay what they were, so that dimensions known to be equal remain so. Does
/// nothing when the operator does not exist.
bool refine_node(Graph& graph, const Node& node);

}  // namespace attune::optimize
