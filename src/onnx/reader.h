// From an ONNX file, or its bytes, to a Graph.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "graph/graph.h"

namespace attune {

/// Maps the file and reads it in place: initializers become views into the mapping. External data must lie inside the
/// model's folder, symbolic links resolved; it is mapped too. The graph comes back sorted, its values with the types
/// and shapes that the file states, nothing inferred.
///
/// Throws Error with onnxruntime's codes and texts: kNoSuchFile; kInvalidProtobuf for bytes that are not a protobuf;
/// kInvalidArgument for a protobuf without a graph, and for initializers whose sizes contradict each other or the
/// file; kInvalidGraph for a graph that breaks ONNX's rules; kNotImplemented for what Attune does not read.
Graph load_graph(const std::filesystem::path& path);

/// The same from memory that `owner` keeps alive as long as any tensor views it. External data is refused.
Graph load_graph(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

}  // namespace attune
