// The border between a graph and the subgraphs of its nodes.
#pragma once

#include "graph/graph.h"

namespace attune::optimize {

/// Constants that subgraphs, at any depth, read from around them become their own: their weights are packed, and
/// folded, as those of any graph. The elements are shared, not copied.
void bring_in_constants(Graph& graph);

/// Lets go of what the subgraphs of the graph's nodes are given but do not read, and of what only that needed.
void drop_unread(Graph& graph);

/// The nodes of the graph and of all subgraphs.
int count_nodes(const Graph& graph);

}  // namespace attune::optimize
