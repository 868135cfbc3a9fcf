// What an onnx.TypeProto states.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "attune/tensor.h"
#include "graph/graph.h"
#include "onnx/protobuf.h"

namespace attune {

struct StatedType {
  ValueKind kind = ValueKind::kTensor;
  DataType type = DataType::kUndefined;
  std::optional<Shape> shape;  ///< Of a tensor.
};

/// What a dimension without a size becomes; both are empty where the model does not name or denote it.
using SymbolicDim = std::function<int64_t(const std::string& label, const std::string& denotation)>;

/// Throws Error(kInvalidGraph) for an unknown element type, naming `what`; kNotImplemented for a type that Attune does
/// not know.
StatedType read_type(protozero::pbf_reader message, std::string_view what, const SymbolicDim& symbolic);

}  // namespace attune
