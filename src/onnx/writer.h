// From a Graph to the bytes or the file of an ONNX model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "graph/graph.h"

namespace attune {

/// The whole model in one message: initializers as raw data inside it. Symbolic dimensions keep their labels. Nodes of
/// domain "attune" are written as they are; other runtimes know only the standard ones. Throws
/// Error(kInvalidArgument) when the message would be larger than protobuf's 2 GiB.
std::string write_model(const Graph& graph);

/// What a message may have at most, with room for its names and nodes; protobuf ends at 2 GiB.
constexpr size_t kLargestMessage = size_t{15} << 27;

/// Writes a model to `path`, replacing what is there only when all is written. Where initializers come to more than
/// `largest_message` bytes, those of a kilobyte or more go to a second file, `path` with ".data" behind it. Throws
/// Error(kRuntimeException) naming the file that cannot be written.
void save_model(const Graph& graph, const std::filesystem::path& path, size_t largest_message = kLargestMessage);

}  // namespace attune
