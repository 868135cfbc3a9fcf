// The graphs of one model file: the main one, those inside nodes, and functions where they are called.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "graph/graph.h"
#include "onnx/external_data.h"
#include "onnx/protobuf.h"
#include "onnx/reader.h"

namespace attune {

/// A model-local function: what its calls are replaced by. Views of the model's bytes.
struct Function {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::vector<protozero::data_view> defaults;  ///< Of attributes.
  std::vector<protozero::data_view> nodes;
  std::map<std::string, int> opsets;
};

/// Domain, name and overload.
using FunctionKey = std::tuple<std::string, std::string, std::string>;

/// What all graphs of a model share while they are read.
struct ModelParts {
  std::shared_ptr<const void> owner;  ///< Keeps the model's bytes alive.
  ExternalData external;
  const GivenParts& given;
  std::map<FunctionKey, Function> functions;
  int64_t nodes_of_calls = 0;
};

/// The deepest that subgraphs and calls of functions may nest.
constexpr int kMostNestedGraphs = 32;
/// The most nodes that all calls of functions may come to.
constexpr int64_t kMostNodesOfCalls = 1'000'000;

/// Reads an onnx.GraphProto into `graph`, whose opsets and metadata.ir_version are set. Throws as load_graph() does.
void read_main_graph(ModelParts& model, protozero::pbf_reader message, Graph& graph);

/// The domain of an operator set: ai.onnx has two names.
std::string read_domain(protozero::pbf_reader& message);

/// An onnx.OperatorSetIdProto, added to `opsets`. Throws Error(kInvalidGraph) for a version that cannot be.
void read_opset(protozero::pbf_reader message, std::map<std::string, int>& opsets);

}  // namespace attune
