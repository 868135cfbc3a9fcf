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

/// Which initializers a model file has beside it.
struct DataFileOptions {
  /// A name in the model's folder. Empty: a second file, the model's with ".data" behind it, only for a model that is
  /// too large without.
  std::string name = {};
  /// Smaller initializers stay in the model, in bytes.
  size_t smallest = 1024;
  size_t largest_message = kLargestMessage;
};

/// Writes a model to `path`, replacing what is there only when all is written. Throws Error: kRuntimeException naming
/// the file that cannot be written, kInvalidArgument for a data file's name that leads to another folder.
void save_model(const Graph& graph, const std::filesystem::path& path, const DataFileOptions& data_file = {});

}  // namespace attune
