// From an ONNX file, or its bytes, to a Graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "graph/graph.h"

namespace attune {

/// What the caller gives in place of parts of a model file.
struct GivenParts {
  /// Initializers by name; the file's own are not read, so their external data need not exist.
  std::map<std::string, Tensor> initializers = {};
  /// Contents of external data files, as tensors of uint8, by the location that the model states.
  std::map<std::string, Tensor> files = {};
  /// Sizes of inputs' symbolic dimensions, by the name and by the denotation ("DATA_BATCH") that the model states.
  std::map<std::string, int64_t> sizes_by_name = {};
  std::map<std::string, int64_t> sizes_by_denotation = {};
  /// Overridable initializers come back as inputs' declarations have them, with symbolic dimensions, not as their own
  /// values have them: for a graph in which they shall become inputs.
  bool declare_overridable = false;
};

/// Maps the file and reads it in place: initializers become views into the mapping. External data must lie inside the
/// model's folder, symbolic links resolved; it is mapped too. The graph comes back sorted, its values with the types
/// and shapes that the file states, nothing inferred.
///
/// Throws Error with onnxruntime's codes and texts: kNoSuchFile; kInvalidProtobuf for bytes that are not a protobuf;
/// kInvalidArgument for a protobuf without a graph, and for initializers whose sizes contradict each other or the
/// file; kInvalidGraph for a graph that breaks ONNX's rules; kNotImplemented for what Attune does not read.
Graph load_graph(const std::filesystem::path& path, const GivenParts& given = {});

/// The same from memory that `owner` keeps alive as long as any tensor views it. External data is refused.
Graph load_graph(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const GivenParts& given = {});

}  // namespace attune
