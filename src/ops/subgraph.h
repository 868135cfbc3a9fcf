// What If, Loop, Scan and other operators with subgraphs share.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "ops/operator.h"

namespace attune::ops {

/// The place of the subgraph `attribute` among Node::subgraphs; throws Error(kInvalidGraph) when it is missing.
int subgraph_index(const Node& node, std::string_view attribute);

/// The view as an input of a subgraph, which only reads it: no copy, and nobody's memory. No tensor for an absent one.
Tensor borrow(const TensorView& view);

/// The tensor as a result: itself where somebody keeps its memory alive, else a copy.
Tensor keep(const Tensor& tensor);

/// What is known of the node's inputs from `first` on; nothing of absent ones.
std::vector<ValueInfo> input_infos(const InferContext& context, int first);

/// Infers a subgraph that is run again and again, the results of `states` outputs from `first_output` on being the next
/// time's inputs from `first_state` on. `inputs` describe the first time; where a state's shape may change on the way
/// they come back without it. Returns what is known of the outputs, whichever time it is.
std::vector<ValueInfo> infer_repeated(Graph& body, std::vector<ValueInfo>& inputs, int first_state, int first_output,
                                      int states);

/// What a shape in the subgraph says outside of it: a dimension that is neither a number nor one of the node's inputs
/// may differ from one time to the next.
Shape known_outside(const Shape& shape, InferContext& context);

}  // namespace attune::ops
