// An optimized graph as other runtimes can read it.
#pragma once

#include "graph/graph.h"

namespace attune {

/// A copy of a graph in which every node is a standard operator of the graph's own opset: the fused operators of domain
/// "attune" are spelled out again, and so are operators that the optimizer took from a newer opset (Gelu, HardSwish,
/// LayerNormalization, ...). Reading the copy, Attune fuses them again; other runtimes fuse what they can. What
/// folding, merging and the movement of transposes have saved stays saved. Outputs keep their names; where one value
/// stands for several, Identity nodes give the others. Constants share their memory with `graph`. Throws
/// Error(kNotImplemented) naming a node that cannot be spelled out.
Graph standardize(const Graph& graph);

}  // namespace attune
