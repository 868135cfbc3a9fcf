// From a Graph to the bytes of an ONNX model.
#pragma once

#include <string>

#include "graph/graph.h"

namespace attune {

/// The whole model in one message: initializers as raw data inside it. Symbolic dimensions keep their labels. Nodes of
/// domain "attune" are written as they are; other runtimes know only the standard ones. Throws
/// Error(kInvalidArgument) when the message would be larger than protobuf's 2 GiB.
std::string write_model(const Graph& graph);

}  // namespace attune
