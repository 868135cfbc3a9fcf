// A choice that is the caller's: how convolutions are summed.
#pragma once

#include "graph/graph.h"

namespace attune::optimize {

/// Marks the convolutions of the graph and of all subgraphs to be computed by their definition (ops/direct_sums.h).
/// Meant for a graph that is compiled next: the mark is no attribute of a standard operator.
void forbid_winograd(Graph& graph);

}  // namespace attune::optimize
